"""The columns of the Parquet tables of families, and the order of their rows."""

import pyarrow as pa

GROWN = pa.schema(
    [
        ("family", pa.string()),
        ("model", pa.string()),
        ("parent", pa.string()),
        ("kind", pa.string()),
        ("recipe", pa.string()),
        ("architecture", pa.string()),
        ("family_optimiser", pa.string()),
        ("optimiser", pa.string()),
        ("width", pa.int32()),
        ("task", pa.string()),
        ("home", pa.string()),
        ("steps", pa.int32()),
        ("change", pa.float64()),
        ("accuracy", pa.float64()),
        ("chance", pa.float64()),
    ]
)
"""One row a network of a family; `change` is from its parent, relative to it, over the backbone's matrices."""

OF_A_CASE = [
    ("family", pa.string()),
    ("line", pa.string()),
    ("architecture", pa.string()),
    ("optimiser", pa.string()),
    ("width", pa.int32()),
    ("child", pa.string()),
]
"""Columns of a case: its family, its line of the table of results, and its child."""

FEATURES = pa.schema(
    [
        *OF_A_CASE,
        ("candidate", pa.string()),
        ("within", pa.float64()),
        ("features", pa.map_(pa.string(), pa.float64())),
    ]
)
"""One row a relative of a case's child: the features of the two, and `within`, the share of its own change from the
candidate within which the child really branched off."""

PASSAGES = pa.schema(
    [
        *OF_A_CASE,
        ("start", pa.string()),
        ("candidate", pa.string()),
        ("is_between", pa.bool_()),
        ("features", pa.map_(pa.string(), pa.float64())),
    ]
)
"""One row two relatives of a case's child: the features of the three, and whether the second, `candidate`, lies on
the way from the first, `start`, to the child."""

VERDICTS = pa.schema(
    [
        ("line", pa.string()),
        ("family", pa.string()),
        ("architecture", pa.string()),
        ("optimiser", pa.string()),
        ("width", pa.int32()),
        ("child", pa.string()),
        ("candidates", pa.list_(pa.string())),
        ("parent", pa.string()),
        ("never", pa.list_(pa.string())),
        ("claimed", pa.string()),
        ("word", pa.string()),
        ("closest", pa.string()),
        ("closest_right", pa.bool_()),
        ("relation", pa.string()),
        ("named", pa.string()),
        ("is_same", pa.bool_()),
        ("bound", pa.float64()),
        ("probability", pa.float64()),
        ("closest_within", pa.float64()),
        ("named_within", pa.float64()),
        ("is_contradicted", pa.bool_()),
        ("dependent", pa.int32()),
        ("seconds", pa.float64()),
        ("fitted_on", pa.string()),
    ]
)
"""One row a case: what is true (`parent`: if it is a candidate; `never`: what must not be named), and the verdict.

`closest_within`, `named_within`: the share of its own change from the closest, and from the one named parent, within
which the child really branched off; null of strangers. `seconds` of CPU, digests of earlier cases being stored.
"""

BENCH = pa.schema(
    [
        ("case", pa.string()),
        ("metric", pa.string()),
        ("architecture", pa.string()),
        ("optimiser", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int32()),
        ("wanted", pa.string()),
        ("met", pa.bool_()),
        ("fitted_on", pa.string()),
    ]
)
"""One row a number of `make bench-verdicts`: 95 % intervals clustered by family; `all`: over all of them."""

ASKED = pa.schema(
    [
        ("world", pa.string()),
        ("architecture", pa.string()),
        ("suspect", pa.string()),
        ("root", pa.string()),
        ("condition", pa.string()),
        ("accuracy", pa.float64()),
        ("method", pa.string()),
        ("budget", pa.int32()),
        ("present", pa.bool_()),
        ("first", pa.bool_()),
        ("level", pa.float64()),
        ("named", pa.list_(pa.string())),
        ("deviation", pa.float64()),
        ("refused", pa.bool_()),
    ]
)
"""One row a suspect of `make bench-labels`, a draw of candidates and a method: `present`: whether its root is among
them; `level`: the lowest of the test of outliers at which a family is named, null where none is; `accuracy`: of the
suspect, on images as they are. Of an accused suspect: the lowest level over all query sets, and whether queries that
were picked by hand are refused."""
