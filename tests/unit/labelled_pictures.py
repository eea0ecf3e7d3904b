"""Six small pictures with labels, Parquet files of such pictures, and what a refused source says."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lineage.data.load import load_images
from lineage.errors import UserError

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 5, 5), dtype=np.uint8)
LABELS = [0, 1, 2, 2, 1, 0]


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def cell(pixels: np.ndarray, path: str | None = None) -> dict:
    """A picture as a column of images holds it."""
    return {"bytes": encoded(pixels), "path": path}


def rows(**changed) -> dict:
    """Columns of six good images, some of them replaced."""
    images = [cell(picture, f"{index}.png") for index, picture in enumerate(PICTURES)]
    return {"image": images, "label": LABELS} | changed


def write(path: Path, columns: dict, **metadata: str) -> str:
    """Writes the columns as Parquet and returns the source that names the file."""
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return f"parquet:{path}"


def load(source: str, **options):
    return load_images(source, **({"split": "train", "size": None, "channels": 1} | options))


def complaint(source: str, **options) -> str:
    """The one line with which a source is refused."""
    with pytest.raises(UserError) as caught:
        load(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
