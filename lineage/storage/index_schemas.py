"""The columns of the Parquet tables of an index of models."""

import pyarrow as pa

LENGTH = 1024
"""Bytes of a vector."""
INDEXED = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("size", pa.int64()),
        ("changed", pa.int64()),
        ("content", pa.string()),
        ("own", pa.binary(LENGTH)),
        ("given", pa.binary(LENGTH)),
        ("is_removed", pa.bool_()),
    ]
)
"""One row a model: its file's path, bytes and time of change in nanoseconds, a hash of its tensors' values, and its
two vectors, one byte a number; or that a model was removed. Of rows with one id, the last counts."""
