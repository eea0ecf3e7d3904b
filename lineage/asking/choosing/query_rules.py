"""Rules that choose queries for the candidates at hand from a pool of inputs. K candidates, N inputs.

A rule sees what the candidates answer, never what a suspect answers; so do its ties, which a seed breaks.
"""

from collections.abc import Callable, Iterator

import numpy as np

from lineage.asking.queryset import Seen
from lineage.errors import UserError


def disagreement(seen: Seen) -> np.ndarray:
    """How far the candidates disagree on each input [N]: the entropy of their labels, in nats."""
    shares = np.stack([(seen.labels == label).mean(0) for label in range(seen.classes)])
    return -np.sum(shares * np.log(np.maximum(shares, np.finfo(float).tiny)), axis=0)


def near(seen: Seen, order: np.ndarray) -> Iterator[int]:
    """Images as they are, those first on which the candidates disagree most."""
    yield from _largest(disagreement(seen), seen.is_natural, order)


def between(seen: Seen, order: np.ndarray) -> Iterator[int]:
    """Mixes of two images, likewise: they lie between several boundaries."""
    yield from _largest(disagreement(seen), ~seen.is_natural, order)


def wrong(seen: Seen, order: np.ndarray) -> Iterator[int]:
    """Images as they are that candidates misclassify, those first that most of them do (QuRD's baseline)."""
    yield from _largest((seen.labels != seen.truth).mean(0), seen.is_natural, order)


def alone(seen: Seen, order: np.ndarray) -> Iterator[int]:
    """Inputs that one candidate answers as no other does, those first where it is surest, each candidate in turn."""
    same = np.stack([(seen.labels == labels).sum(0) for labels in seen.labels])
    surest = [
        _largest(np.where(same[row] == 1, seen.margins[row], -1.0), same[row] == 1, order)
        for row in range(len(same))
    ]
    while surest:
        for candidate in list(surest):
            if (found := next(candidate, None)) is None:
                surest.remove(candidate)
            else:
                yield found


PARTS: dict[str, Callable[[Seen, np.ndarray], Iterator[int]]] = {
    "near": near,
    "between": between,
    "wrong": wrong,
    "alone": alone,
}
"""What queries are made up of, by name."""
RULES: dict[str, tuple[str, ...]] = {
    "mixed": ("near", "between", "alone"),
    **{name: (name,) for name in PARTS},
}
"""Rules by name: the parts that take turns."""


RULE = "mixed"
"""The rule of queries that count as evidence: errors are measured for it alone, and nobody can try several."""
BUDGETS = (100, 200, 300, 500)
"""Numbers of queries for which errors are measured."""


def choose(rule: str, seen: Seen, count: int, seed: int) -> np.ndarray:
    """The places of `count` queries in the pool [count], each once, in the order of the rule.

    Raises:
        UserError: for an unknown rule, a rule that needs labels where there are none, or a pool that has fewer.
    """
    if rule not in RULES:
        raise UserError(f"rule: expected one of {', '.join(RULES)}, got {rule!r}")
    order = np.random.default_rng(seed).permutation(seen.labels.shape[1])
    parts = [PARTS[name](seen, order) for name in RULES[rule]]
    found: dict[int, None] = {}
    while parts and len(found) < count:
        for part in list(parts):
            fresh = next((place for place in part if place not in found), None)
            if fresh is None:
                parts.remove(part)
            elif len(found) < count:
                found[fresh] = None
    if len(found) < count:
        raise UserError(
            f"rule {rule!r}: expected {count} queries, but the data give {len(found)}; give more images, a smaller "
            "budget or another rule"
        )
    return np.array(list(found))


def _largest(values: np.ndarray, allowed: np.ndarray, order: np.ndarray) -> Iterator[int]:
    """Places that are allowed, those of larger values first, equal ones in the given order."""
    ranked = order[np.argsort(-values[order], kind="stable")]
    return (int(place) for place in ranked if allowed[place])
