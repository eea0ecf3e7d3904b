"""Parquet files of images with more than a class: masks or boxes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from lineage.data import source_files
from lineage.errors import UserError


def annotated_table(data: dict, column: str, task: str) -> tuple[pa.Table, str, list[str]]:
    """The table that a configuration's `data` names, its path, and its class names.

    Args:
        data: source and split.
        column: what it has to have besides `image`.
        task: for messages.

    Raises:
        UserError: for a file that cannot be read, a missing column, or class names that are not there.
    """
    (path,) = source_files(data["source"], data["split"])
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise UserError(f"{path}: expected a Parquet file, but it cannot be read; write it again") from None
    if missing := [name for name in ("image", column) if name not in table.column_names]:
        raise UserError(
            f"{path}: expected columns image and {column} for {task}, but {missing[0]} is missing, found "
            f"{', '.join(table.column_names)}"
        )
    class_names = json.loads((table.schema.metadata or {}).get(b"class_names", b"[]"))
    if not class_names:
        raise UserError(f"{path}: expected the metadata 'class_names', a JSON list; add it")
    return table, path, class_names
