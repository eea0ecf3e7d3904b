"""Tables in Parquet: fixed columns, sorted rows; the same rows give the same bytes."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lineage.errors import UserError, one_line
from lineage.storage.atomic import written_whole


def write_table(
    path: str | Path, rows: pd.DataFrame | list[dict], schema: pa.Schema, sort_by: list[str]
) -> None:
    """Writes rows as Parquet: the schema's columns, sorted, zstd; the same rows give the same bytes."""
    frame = pd.DataFrame(rows, columns=schema.names).sort_values(sort_by, kind="stable")
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)
    with written_whole(path) as part:
        pq.write_table(table, part, compression="zstd")


def read_table(path: str | Path, schema: pa.Schema) -> pd.DataFrame:
    """A table of ours.

    Raises:
        UserError: if the file is missing, no Parquet, or of other columns.
    """
    if not Path(path).exists():
        raise UserError(f"{path}: expected a Parquet table, but there is none; run the workflow first")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path}: expected a Parquet table, but {one_line(error)}; remove it and run again"
        ) from None
    if table.schema.names != schema.names:
        raise UserError(
            f"{path}: expected the columns {', '.join(schema.names)}, but got "
            f"{', '.join(table.schema.names)}; remove it and run again"
        )
    return table.to_pandas()


def read_tables(paths: Iterable[str | Path], schema: pa.Schema) -> pd.DataFrame:
    """The rows of all of these tables; none if there are none."""
    tables = [read_table(path, schema) for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else schema.empty_table().to_pandas()
