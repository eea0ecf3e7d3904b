"""What the search for families needs of models, as one file a batch."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from lineage.genealogy.reading import DIMENSIONS, Model
from lineage.genealogy.steps.batches import row_of, source_of
from lineage.storage.atomic import written_whole


def write_models(models: Sequence[Model], refused: Mapping[str, str], path: Path) -> None:
    """Writes models, and why sources were refused.

    Args:
        models: of a batch; refused: reasons by the source's id; path: where to.
    """
    fields = [
        {
            "id": model.id,
            "source": row_of(model.source),
            "name": model.name,
            "content": model.content,
            "shapes": model.shapes,
            "marks": {name: mark.hex() for name, mark in model.marks.items()},
            "unread": model.unread,
        }
        for model in models
    ]
    vectors = (
        np.stack([model.vector for model in models]) if models else np.zeros((0, DIMENSIONS), np.float32)
    )
    with written_whole(path) as part:
        told = {"models": json.dumps(fields), "refused": json.dumps(dict(refused))}
        part.write_bytes(save({"vectors": vectors}, told))


def read_written(paths: Iterable[Path]) -> tuple[list[Model], dict[str, str]]:
    """The models of some batches, equal ones apart, and why sources were refused."""
    models: list[Model] = []
    refused: dict[str, str] = {}
    for path in paths:
        with safe_open(path, framework="numpy") as opened:
            known, vectors = opened.metadata(), opened.get_tensor("vectors")
        refused |= json.loads(known["refused"])
        for fields, vector in zip(json.loads(known["models"]), vectors, strict=True):
            shapes = {name: tuple(shape) for name, shape in fields["shapes"].items()}
            marks = {name: bytes.fromhex(mark) for name, mark in fields["marks"].items()}
            source = source_of(fields["source"])
            models.append(
                Model(**fields | {"source": source, "shapes": shapes, "marks": marks}, vector=vector)
            )
    return models, refused
