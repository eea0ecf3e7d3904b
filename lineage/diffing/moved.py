"""Tensors that stand elsewhere in A than in B: found by equal values, or by the order of their rows."""

from collections import defaultdict
from functools import cached_property

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.diffing.tensors import DEPENDENT, is_constant
from lineage.index.summing import check_finite, content_of
from lineage.relation.permutation_test import row_test
from lineage.relation.sketch import Untestable, sketch


def contents_of(model: Checkpoint) -> dict[str, bytes]:
    """A hash of each tensor's shape and values.

    Raises:
        UserError: for NaN or infinite values, named.
    """
    found = {}
    for name in model.entries:
        values = model.read(name)
        check_finite(model, name, values)
        found[name] = content_of(values)
    return found


class Elsewhere:
    """The tensors of A by their values, and the sketches of its matrices by shape; each computed once."""

    def __init__(self, a: Checkpoint):
        self._a = a

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """A hash of each tensor's shape and values."""
        return contents_of(self._a)

    @cached_property
    def _by_content(self) -> dict[bytes, str]:
        return {content: name for name, content in reversed(self.contents.items())}

    @cached_property
    def _sketches(self) -> dict[tuple[int, ...], dict[str, np.ndarray]]:
        found: dict[tuple[int, ...], dict[str, np.ndarray]] = defaultdict(dict)
        for name, entry in self._a.entries.items():
            if len(entry.shape) >= 2:
                drawn = sketch(self._a.read(name))
                if not isinstance(drawn, Untestable):
                    found[entry.shape][name] = drawn.astype(np.float32)
        return found

    def of(self, values: np.ndarray, content: bytes) -> str | None:
        """The tensor of A that a tensor of B comes from; None if there is none, or a constant could be any."""
        if is_constant(values):
            return None
        if content in self._by_content:
            return self._by_content[content]
        if values.ndim < 2 or not (options := self._sketches.get(values.shape)):
            return None
        drawn = sketch(values)
        if isinstance(drawn, Untestable):
            return None
        ours = drawn.astype(np.float32)
        tests = {name: row_test(theirs, ours) for name, theirs in options.items()}
        best = min(tests, key=lambda name: tests[name].log10_p)
        return best if tests[best].log10_p + np.log10(len(tests)) <= DEPENDENT else None
