"""A network's graph as its file holds it: operators in the order in which data pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Operator:
    """One operator.

    kind: as ONNX calls it; inputs, outputs: names of values, empty for an input that is left out; numbers, lists,
    texts: its whole numbers, lists of them and texts, by name.
    """

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, Sequence[int]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Operators between inputs and outputs.

    inputs: shapes by name, 0 for a length that the file leaves open; tensors: shapes of all that the file stores;
    constants: values of its small tensors of whole numbers.
    """

    operators: Sequence[Operator]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Sequence[str]
    tensors: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, np.ndarray]
