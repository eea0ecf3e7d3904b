"""A query set as a folder: a manifest, NPZ, and a PNG a query. Read as a stranger's: no pickles, bounded sizes."""

import json
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from lineage.asking.queryset import Plan, QuerySet, Seen
from lineage.checkpoints.archives import checked_members
from lineage.checkpoints.files import LIMITS, safe_file
from lineage.errors import UserError, one_line
from lineage.storage.atomic import written_whole

FORMAT = 2
MANIFEST, QUERIES, CANDIDATES, POOL, PICTURES = (
    "manifest.json", "queries.npz", "candidates.npz", "pool.npz", "images",
)  # fmt: skip


def write_query_set(queries: QuerySet, folder: Path) -> None:
    """Writes the manifest, the queries as NPZ and PNG, and what the candidates answer, into a folder of its own.

    Raises:
        UserError: if a query set is there already, or the folder cannot be written.
    """
    from PIL import Image

    if (folder / MANIFEST).exists():
        raise UserError(f"{folder}: holds a query set already; give another folder")
    _save(folder / QUERIES, {"images": queries.images, "chosen": queries.chosen})
    features = {f"features/{id}": values for id, values in queries.features.items()}
    _save(folder / CANDIDATES, {"outputs": queries.outputs, **features})
    seen = queries.seen
    _save(folder / POOL, {"labels": seen.labels, "margins": seen.margins, "truth": seen.truth})
    for number, image in enumerate(queries.images):
        with written_whole(folder / PICTURES / picture(number)) as part:
            Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(part, format="PNG")
    said = {"format": FORMAT, "commitment": queries.commitment, "seed": queries.plan.seed}
    said |= {"source": queries.source, "natural": seen.natural, "plan": asdict(queries.plan)}
    with written_whole(folder / MANIFEST) as part:
        part.write_text(json.dumps(said, indent=1))


def picture(number: int) -> str:
    """The name of a query's file."""
    return f"{number:04d}.png"


def read_query_set(folder: Path) -> tuple[QuerySet, str]:
    """A query set, and the commitment that its manifest states; whether they agree is not looked at here.

    Raises:
        UserError: for a file that is missing, damaged, or of other shapes than the others.
    """
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_text()) if path.stat().st_size <= LIMITS.header_bytes else None
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise UserError(
                f"{path}: expected the manifest of a query set, format {FORMAT}; write it by `lineage ask`"
            )
        plan = Plan(**{field.name: said["plan"][field.name] for field in fields(Plan)})
        stated, source, natural = str(said["commitment"]), str(said["source"]), int(said["natural"])
    except FileNotFoundError:
        raise UserError(
            f"{path}: expected the manifest of a query set, found none; run `lineage ask`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected the manifest of a query set: {one_line(error)}") from None
    queries = load_arrays(folder / QUERIES, ["images", "chosen"])
    answered = load_arrays(folder / CANDIDATES, ["outputs"])
    pool = load_arrays(folder / POOL, ["labels", "margins", "truth"])
    n, count, inputs = len(queries["chosen"]), len(plan.ids), len(pool["truth"])
    size = plan.image_size
    expected = {
        f"{QUERIES}: images": (queries["images"].shape, (n, size, size, plan.channels)),
        f"{CANDIDATES}: outputs": (answered["outputs"].shape, (count, n, plan.classes)),
        f"{POOL}: labels": (pool["labels"].shape, (count, inputs)),
        f"{POOL}: margins": (pool["margins"].shape, (count, inputs)),
    }
    for where, (came, wanted) in expected.items():
        if came != wanted:
            raise UserError(
                f"{folder}/{where}: expected the shape {wanted}, got {came}; write it by `lineage ask`"
            )
    seen = Seen(
        labels=pool["labels"],
        margins=pool["margins"],
        classes=plan.classes,
        truth=pool["truth"],
        natural=natural,
    )
    return QuerySet(
        plan=plan, source=source, images=queries["images"], chosen=queries["chosen"], outputs=answered["outputs"],
        seen=seen, features={id: answered[f"features/{id}"] for id in plan.ids if f"features/{id}" in answered},
    ), stated  # fmt: skip


def load_arrays(path: Path, needed: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` archive; nothing in it is executed.

    Raises:
        UserError: for a file that is none, is over the limits, or lacks an array that is needed.
    """
    file = safe_file(path)
    checked_members(file)
    try:
        with np.load(file.real, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise UserError(f"{path}: expected arrays in an .npz archive: {one_line(error)}") from None
    if missing := [name for name in needed if name not in found]:
        raise UserError(f"{path}: expected the array {missing[0]!r}, found {', '.join(found) or 'none'}")
    return found


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with written_whole(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
