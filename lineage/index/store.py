"""An index on disk: a folder of numbered Parquet files, to which one is added at a time.

A file is written whole or not at all, and numbers are given under a lock: a killed writer loses only what it had not
written, and two writers do not meet. Many small files are joined into one; a reader that meets this looks again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lineage.errors import UserError, one_line
from lineage.index.vectors import VERSION
from lineage.storage.atomic import alone_in, written_whole
from lineage.storage.index_schemas import INDEXED, LENGTH

SMALL = 4096
"""Rows of a file that is joined with others."""
MOST = 16
"""So many small files may stand side by side."""
TRIES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """The models of an index, in the order in which they were added.

    files, sizes, changed: path, bytes and time of change of each one's file; contents: hashes of tensors' values;
    own, given: int8 [models, LENGTH], see `Vectors`.
    """

    ids: Sequence[str]
    files: Sequence[str]
    sizes: np.ndarray
    changed: np.ndarray
    contents: Sequence[str]
    own: np.ndarray
    given: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


SKETCH = {b"sketch": str(VERSION).encode()}
"""What a file says of the vectors in it."""


class Store:
    """An index in a folder.

    Args:
        folder: made by the first `append`.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self) -> Stored:
        """The models that are in the index now.

        Raises:
            UserError: if the folder is none, or a file in it is no part of an index.
        """
        if not self.folder.is_dir():
            raise UserError(
                f"{self.folder}: expected the folder of an index; make it with `lineage index add`"
            )
        for _ in range(TRIES):
            try:
                table = _joined([_part(path) for path in self._parts()])
                break
            except FileNotFoundError:
                continue
        else:
            raise UserError(f"{self.folder}: is changed all the time; wait for its writers, and run again")
        table = table.filter(pa.compute.invert(table["is_removed"]))
        return Stored(
            ids=table["id"].to_pylist(),
            files=table["file"].to_pylist(),
            sizes=table["size"].to_numpy(),
            changed=table["changed"].to_numpy(),
            contents=table["content"].to_pylist(),
            own=_vectors(table["own"]),
            given=_vectors(table["given"]),
        )

    def append(self, rows: Sequence[dict]) -> None:
        """Adds rows of INDEXED; when this returns, they are in the index.

        Raises:
            UserError: if they cannot be written.
        """
        if not rows:
            return
        table = pa.Table.from_pylist(list(rows), schema=INDEXED)
        try:
            with alone_in(self.folder):
                parts = self._parts()
                number = int(parts[-1].stem) + 1 if parts else 0
                _write(self.folder / f"{number:09}.parquet", table)
                self._join_small()
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"{self.folder}: the index cannot be written: {reason}; give a folder") from None

    def _parts(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.parquet") if path.stem.isdecimal())

    def _join_small(self) -> None:
        """Joins the small files at the end, if there are many; the last takes all rows, then the others go."""
        small: list[Path] = []
        for path in reversed(self._parts()):
            if pq.read_metadata(path).num_rows >= SMALL:
                break
            small.insert(0, path)
        if len(small) > MOST:
            _write(small[-1], _joined([_part(path) for path in small]))
            for path in small[:-1]:
                path.unlink()


def _part(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: is no part of an index: {one_line(error)}; remove it") from None
    if table.schema.names == INDEXED.names and table.schema.metadata != SKETCH:
        raise UserError(f"{path}: holds sketches of another version; make the index anew, in another folder")
    if table.schema.names != INDEXED.names:
        raise UserError(f"{path}: expected the columns {', '.join(INDEXED.names)}; is this folder an index?")
    return table


def _joined(tables: list[pa.Table]) -> pa.Table:
    """All rows in their order, of those with one id the last."""
    table = pa.concat_tables(tables) if tables else INDEXED.empty_table()
    last = {id: place for place, id in enumerate(table["id"].to_pylist())}
    return table if len(last) == len(table) else table.take(sorted(last.values()))


def _write(path: Path, table: pa.Table) -> None:
    with written_whole(path) as part:
        pq.write_table(table.replace_schema_metadata(SKETCH), part, compression="zstd", use_dictionary=False)


def _vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Bytes [models, LENGTH], as they lie in memory."""
    whole = pa.concat_arrays([pa.array([], column.type), *column.chunks])
    if not len(whole):
        return np.zeros((0, LENGTH), np.int8)
    values = np.frombuffer(whole.buffers()[1], np.int8, len(whole) * LENGTH, whole.offset * LENGTH)
    return values.reshape(-1, LENGTH)
