"""What names and shapes leave open between two relatives, settled by their weights once both files are open.

It describes and is no evidence, so it may choose freely: a tensor's partner is the most alike one of its shape.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lineage.relation.matching import MatchedBy, Matching, Shape, bare, exchanged
from lineage.relation.structure.pieces import ALIKE, Tensors, pieces_of
from lineage.relation.structure.sizes import common_part, is_scaled
from lineage.relation.tensor_names import VARIANCES, canonical

CLEARLY = 0.02
"""A partner by order is given up for one that is more alike than by rounding."""
SAMPLED = 4096
"""Entries of a tensor that are compared, at most."""


def settled(child: Tensors, candidate: Tensors, matching: Matching) -> Matching:
    """The matching with what names left open: alike tensors, fused and split ones, other sizes, folded scales.

    Where names and shapes paired everything, nothing is read.

    Args:
        child, candidate: open; matching: as names, order and tests have it.
    """
    ours, theirs = shapes_of(child), shapes_of(candidate)
    is_folded = _has_variances(ours) != _has_variances(theirs)
    matching = _resized(child, candidate, matching)
    doubtful = [name for name in ours if matching.how.get(name) in (None, MatchedBy.ORDER)]
    doubtful = [name for name in doubtful if name not in matching.resized]
    if doubtful and (matching.only_candidate or len(doubtful) > len(matching.only_child)):
        matching = _alike(child, candidate, matching, doubtful)
        matching = pieces_of(child, candidate, matching)
    if is_folded:
        kernels = [name for name in matching.pairs if len(ours[name]) >= 2 and name not in matching.resized]
        matching = _scaled(child, candidate, matching, kernels)
    left = set(matching.pairs.values()) | {part for parts in matching.joined.values() for part in parts}
    return replace(
        matching,
        only_child=[name for name in ours if name not in matching.pairs],
        only_candidate=[name for name in theirs if name not in left],
    )


def shapes_of(tensors: Tensors) -> dict[str, Shape]:
    """The shapes of tensors by name."""
    return {name: entry.shape for name, entry in tensors.entries.items()}


def _has_variances(names: Iterable[str]) -> bool:
    return any(canonical(name).endswith(VARIANCES) for name in names)


def _resized(child: Tensors, candidate: Tensors, matching: Matching) -> Matching:
    """Pairs what is left of one name where the length of one axis differs and the common part is alike."""
    theirs = {canonical(name): name for name in matching.only_candidate}
    pairs, how, resized = dict(matching.pairs), dict(matching.how), set(matching.resized)
    for name in matching.only_child:
        partner = theirs.get(canonical(name))
        if partner is None or not _is_longer(child.entries[name].shape, candidate.entries[partner].shape):
            continue
        parts = common_part(candidate.read(partner), child.read(name))
        if _cosine(*parts) >= ALIKE:
            pairs[name], how[name] = partner, MatchedBy.NAME
            resized.add(name)
    return replace(matching, pairs=pairs, how=how, resized=frozenset(resized))


def _is_longer(ours: Shape, theirs: Shape) -> bool:
    """Whether two shapes differ in the length of one axis alone."""
    return (
        len(ours) == len(theirs) >= 2
        and sum(mine != yours for mine, yours in zip(ours, theirs, strict=True)) == 1
        and min(*ours, *theirs) > 0
    )


def _cosine(theirs: np.ndarray, ours: np.ndarray) -> float:
    return float(_sample(theirs) @ _sample(ours))


def _sample(values: np.ndarray) -> np.ndarray:
    """Some entries of a tensor, centred and of norm 1; 0 if all are equal."""
    flat = values.reshape(-1)
    chosen = flat[:: max(1, len(flat) // SAMPLED)][:SAMPLED].astype(np.float32)
    chosen = chosen - chosen.mean()
    return chosen / max(float(np.linalg.norm(chosen)), 1e-12)


def _alike(child: Tensors, candidate: Tensors, matching: Matching, names: list[str]) -> Matching:
    """Gives each of the child's tensors the most alike one of its shape, also with exchanged axes."""
    theirs: dict[tuple[Shape, bool], list[str]] = defaultdict(list)
    samples: dict[tuple[Shape, bool], list[np.ndarray]] = defaultdict(list)
    wanted = {bare(child.entries[name].shape) for name in names}
    for name, shape in shapes_of(candidate).items():
        layouts = [(False, shape)] + ([(True, exchanged(shape))] if len(shape) > 1 else [])
        if not any(bare(layout) in wanted for _, layout in layouts):
            continue
        values = candidate.read(name)
        for transposed, layout in layouts:
            theirs[bare(layout), transposed].append(name)
            samples[bare(layout), transposed].append(_sample(values.swapaxes(0, 1) if transposed else values))
    pairs, how, exchanged_ones = dict(matching.pairs), dict(matching.how), set(matching.transposed)
    stacked = {key: np.stack(found) for key, found in samples.items()}
    for name in names:
        shape, own = bare(child.entries[name].shape), _sample(child.read(name))
        best, partner, is_exchanged = ALIKE, None, False
        for transposed in (False, True):
            if (shape, transposed) not in stacked:
                continue
            cosines = stacked[shape, transposed] @ own
            tried = theirs[shape, transposed]
            if pairs.get(name) in tried and (name in exchanged_ones) == transposed:
                cosines[tried.index(pairs[name])] += CLEARLY
            if cosines.max() > best:
                place = int(cosines.argmax())
                best, partner, is_exchanged = float(cosines[place]), tried[place], transposed
        if partner is not None and (partner != pairs.get(name) or is_exchanged != (name in exchanged_ones)):
            pairs[name], how[name] = partner, MatchedBy.WEIGHTS
            exchanged_ones = exchanged_ones | {name} if is_exchanged else exchanged_ones - {name}
    return replace(matching, pairs=pairs, how=how, transposed=frozenset(exchanged_ones))


def _scaled(child: Tensors, candidate: Tensors, matching: Matching, names: list[str]) -> Matching:
    """Marks the layers whose rows are alike but for their sizes, as after folding a normalisation into them."""
    found = set()
    for name in names:
        if name in matching.joined or name in matching.rows:
            continue
        ours, theirs = child.read(name), candidate.read(matching.pairs[name])
        theirs = theirs.swapaxes(0, 1) if name in matching.transposed else theirs
        if is_scaled(theirs.reshape(ours.shape), ours):
            found.add(name)
    return replace(matching, scaled=frozenset(found))
