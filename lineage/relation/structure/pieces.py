"""Matrices that one network stores as one and another as several: queries, keys and values; gates and ups."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from lineage.relation.matching import MatchedBy, Matching
from lineage.relation.structure.weaving import weave_of

ALIKE = 0.5
"""Cosine of two tensors, or pieces of them, that belong together, at least."""
ROWS, COLUMNS = 32, 128
"""Of a piece, how many are compared."""
MOST = 16
"""Pieces of a matrix, at most."""


class Tensors(Protocol):
    """Named tensors that are read one at a time."""

    @property
    def entries(self) -> Mapping[str, object]:
        """What each tensor is."""

    def read(self, name: str) -> np.ndarray:
        """One tensor, float32."""


def pieces_of(child: Tensors, candidate: Tensors, matching: Matching) -> Matching:
    """The matching with the child's fused matrices beside the candidate's split ones, and the reverse.

    Args:
        child, candidate: open; matching: as far as whole tensors go; what it leaves of matrices is looked at.
    """
    pairs, how = dict(matching.pairs), dict(matching.how)
    joined, rows, shares = dict(matching.joined), dict(matching.rows), dict(matching.shares)
    ours = {name for name in child.entries if name not in pairs and len(child.entries[name].shape) == 2}
    used = set(pairs.values())
    theirs = {
        name for name in candidate.entries if name not in used and len(candidate.entries[name].shape) == 2
    }
    for name, (parts, count) in _assembled(child, ours, candidate, theirs).items():
        joined[name], pairs[name], how[name], shares[name] = parts, parts[0], MatchedBy.WEIGHTS, count
    for partner, (parts, count) in _assembled(candidate, theirs, child, ours - joined.keys()).items():
        start = 0
        for name in parts:
            length = child.entries[name].shape[0]
            pairs[name], rows[name], how[name] = partner, (start, start + length), MatchedBy.WEIGHTS
            shares[name] = count
            start += length
    return replace(matching, pairs=pairs, how=how, joined=joined, rows=rows, shares=shares)


def _assembled(
    fused: Tensors, fused_names: set[str], split: Tensors, split_names: set[str]
) -> dict[str, tuple[tuple[str, ...], int]]:
    """For each fused matrix, the split ones that lie in it, and of how many shares it is woven: 1 if they lie one
    after another; where all of it is found."""
    by_columns: dict[int, list[str]] = defaultdict(list)
    for name in split.entries:
        if name in split_names:
            by_columns[split.entries[name].shape[1]].append(name)
    samples: dict[str, np.ndarray] = {}
    found = {}
    for name in fused.entries:
        if name not in fused_names:
            continue
        length, columns = fused.entries[name].shape
        parts = [part for part in by_columns[columns] if split.entries[part].shape[0] < length]
        if not parts:
            continue
        for part in parts:
            if part not in samples:
                samples[part] = split.read(part)[:ROWS, :COLUMNS]
        values, lengths = fused.read(name), {part: split.entries[part].shape[0] for part in parts}
        if order := _in_order(values, lengths, samples):
            found[name] = order, 1
        elif weave := weave_of(values, lengths, {part: samples[part] for part in parts}, ALIKE):
            found[name] = weave
    return found


def _in_order(
    values: np.ndarray, lengths: Mapping[str, int], samples: Mapping[str, np.ndarray]
) -> tuple[str, ...] | None:
    """The parts that a matrix consists of, from its first row on; None unless all rows are found."""
    start, order = 0, []
    while start < len(values) and len(order) < MOST:
        fitting = [part for part, length in lengths.items() if start + length <= len(values)]
        cosines = [
            _cosine(values[start : start + len(samples[part]), :COLUMNS], samples[part]) for part in fitting
        ]
        if not cosines or max(cosines) < ALIKE:
            return None
        order.append(fitting[int(np.argmax(cosines))])
        start += lengths[order[-1]]
    return tuple(order) if start == len(values) and len(order) > 1 else None


def _cosine(rows: np.ndarray, others: np.ndarray) -> float:
    sizes = float(np.linalg.norm(rows) * np.linalg.norm(others))
    return float(np.vdot(rows, others)) / sizes if sizes > 0 else 0.0
