"""The columns of the Parquet tables of a family tree."""

import pyarrow as pa

NODES = pa.schema(
    [
        ("id", pa.string()),
        ("family", pa.string()),
        ("file", pa.string()),
        ("hash", pa.string()),
        ("copies", pa.list_(pa.string())),
        ("is_open", pa.bool_()),
        ("unread", pa.float64()),
    ]
)
"""One row a model; `is_open`: an ancestor that is not among the files, without file and hash; `unread`: a share."""

EDGES = pa.schema(
    [
        ("parent", pa.string()),
        ("child", pa.string()),
        ("kind", pa.string()),
        ("probability", pa.float64()),
        ("is_directed", pa.bool_()),
        ("weight", pa.float64()),
        ("change", pa.float64()),
    ]
)
"""One row a parent and its child; of an undirected edge the two stand in the more probable order."""
