"""Parquet files of images, in the layout of Hugging Face.

`image` and `mask` are struct{bytes, path}, `label` is a whole number, `objects` a struct{bbox, category}; the
metadata `class_names` is a JSON list.
"""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lineage.data.decoding import decoded
from lineage.data.sources.samples import Samples
from lineage.errors import UserError, one_line

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CLASSES = 1_000_000  # a larger label is no class, and would make as many class names


def read_parquet(path: Path) -> Samples:
    """Labelled images, decoded when they are asked for."""
    table = parquet_table(path, ["image", "label"])
    labels = _labels_of(table, path)
    images = table["image"].to_pylist()
    paths = [image.get("path") if image else None for image in images]
    named = None not in paths and len(set(paths)) == len(paths)
    ids = paths if named else [f"{path.stem}-{row:06d}" for row in range(len(images))]

    def example(row: int) -> tuple[str, Image.Image]:
        where = f"{path}: column 'image', row {row}"
        return where, image_of(images[row], where)

    return Samples(
        where=str(path),
        examples=((*example(row), label) for row, label in enumerate(labels)),
        ids=ids,
        class_names=class_names_of(table, path),
        labels=labels,
        example=example,
    )


def parquet_table(path: Path, columns: list[str]) -> "pa.Table":
    """Some of a file's columns.

    Raises:
        UserError: for a file that is something else or damaged, and a column that is missing or of another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_looks_like_parquet(path)
    try:
        _check_columns(pq.read_schema(path), path, columns)
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: expected Parquet, got a damaged file ({one_line(error)}); write it again"
        ) from None


def image_of(cell: dict | None, where: str) -> Image.Image:
    """The image in a cell of `image` or `mask`; UserError, beginning with `where`, if there is none."""
    if not cell or cell["bytes"] is None:
        raise UserError(f"{where}: expected the bytes of an image, got none; store them in 'bytes'")
    return decoded(io.BytesIO(cell["bytes"]), where)


def class_names_of(table: "pa.Table", path: Path) -> list[str] | None:
    """The metadata `class_names`, if there are any; UserError if they are no list of names."""
    metadata = (table.schema.metadata or {}).get(b"class_names")
    if metadata is None:
        return None
    try:
        names = json.loads(metadata)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(
            f"{path}: metadata 'class_names': expected a JSON list of strings, got {metadata[:60]!r}; correct it"
        )
    return names


def _check_looks_like_parquet(path: Path) -> None:
    """Raises for a file that is something else, or cut off, saying what it looks like."""
    with path.open("rb") as file:
        head = file.read(200)
        file.seek(-min(4, path.stat().st_size), io.SEEK_END)
        tail = file.read()
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path}: expected a Parquet file, got a Git LFS pointer to one; run 'git lfs pull'")
    if head.lstrip()[:1] == b"<":
        raise UserError(f"{path}: expected a Parquet file, got a web page (HTML); download the file itself")
    if not head.startswith(b"PAR1"):
        came = f"one that begins with {head[:4]!r}" if head else "an empty file"
        raise UserError(f"{path}: expected a Parquet file, got {came}; give another file")
    if tail != b"PAR1":
        raise UserError(f"{path}: expected a Parquet file, got one that is cut off; fetch or write it again")


def _check_columns(schema: "pa.Schema", path: Path, columns: list[str]) -> None:
    """Raises for a missing column and for one of another type."""
    from pyarrow import types

    def encoded(kind: "pa.DataType") -> bool:
        inner = kind.field("bytes").type if types.is_struct(kind) and "bytes" in kind.names else None
        return inner is not None and (types.is_binary(inner) or types.is_large_binary(inner))

    def boxes(kind: "pa.DataType") -> bool:
        if not types.is_struct(kind) or not {"bbox", "category"} <= set(kind.names):
            return False
        box, category = _items(kind.field("bbox").type), _items(kind.field("category").type)
        corner = box and _items(box)
        if not category or not corner:
            return False
        return types.is_integer(category) and (types.is_floating(corner) or types.is_integer(corner))

    image = (encoded, "struct<bytes: binary, path: string>")
    expected = {
        "image": image,
        "mask": image,
        "label": (types.is_integer, "whole numbers (int64)"),
        "objects": (boxes, "struct<bbox: list<list<float>>, category: list<int64>>"),
    }
    for column in columns:
        if column not in schema.names:
            found = ", ".join(schema.names) or "none"
            raise UserError(f"{path}: column {column!r} is missing, found {found}; rename or add it")
        fits, wanted = expected[column]
        if not fits(kind := schema.field(column).type):
            raise UserError(f"{path}: column {column!r}: expected {wanted}, got {kind}; convert it")


def _items(kind: "pa.DataType") -> "pa.DataType | None":
    """The type of a list's items; None if it is no list."""
    from pyarrow import types

    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return kind.value_type if lists else None


def _labels_of(table: "pa.Table", path: Path) -> np.ndarray:
    labels = table["label"].to_pylist()
    for row, label in enumerate(labels):
        if label is None or not 0 <= label < MOST_CLASSES:
            raise UserError(
                f"{path}: column 'label', row {row}: expected 0 to {MOST_CLASSES - 1}, "
                f"got {'nothing' if label is None else label}; correct the label"
            )
    return np.array(labels, dtype=np.int64)
