"""What children of the candidates may answer that are no longer like them: pruned ones, and those trained further.

K candidates, N inputs of a pool, n queries, C classes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lineage.asking.choosing.candidates import Candidate, Size
from lineage.asking.queryset import LEAST_LOG, PRUNED, TRAINED, VIEWS

COPIES = 2
"""Of each candidate that are trained; their mean is taken."""


def views_of(
    networks: Sequence[Candidate],
    images: np.ndarray,
    outputs: np.ndarray,
    chosen: np.ndarray,
    *,
    size: Size,
    seed: int,
    say: Callable[[str], None] | None = None,
) -> dict[str, np.ndarray]:
    """What copies of the candidates answer to the queries: log-probabilities float16 [K, n, C] of each view.

    None of it where a candidate is a function, which can be neither pruned nor trained.

    Args:
        images: the pool, uint8 [N, H, W, C]; outputs: the candidates' log-probabilities on it [K, N, C].
        chosen: places of the queries [n].
        seed: of the order in which copies see the pool.
    """
    if any(network.restored is None for network in networks):
        return {}
    answers, found = together(outputs), []
    for number, network in enumerate(networks, start=1):
        found.append(views_of_one(network.restored(), images, answers, chosen, size=size, seed=seed))
        if say:
            say(f"{number} of {len(networks)} networks pruned, and trained further: {network.id}")
    return {name: np.stack([views[name] for views in found]) for name in VIEWS}


def together(outputs: np.ndarray) -> np.ndarray:
    """What all candidates together answer: their mean probabilities float32 [N, C]."""
    return np.exp(outputs.astype(np.float32)).mean(0)


def views_of_one(
    network: Any, images: np.ndarray, answers: np.ndarray, chosen: np.ndarray, *, size: Size, seed: int
) -> dict[str, np.ndarray]:
    """The views of one network, as `views_of`; `answers` are what all together answer to the pool."""
    from lineage.asking.choosing.networks import answers_of, pruned, trained_further

    queries, normal = images[chosen], {"mean": size.mean, "std": size.std}
    views = {name: answers_of(pruned(network, share), queries, **normal)[0] for name, share in PRUNED.items()}
    copies = []
    for copy in range(COPIES):
        order = np.random.default_rng([seed, copy])
        further = trained_further(network, images, answers, order, **normal)
        copies.append(np.exp(answers_of(further, queries, **normal)[0].astype(np.float64)))
    views[TRAINED] = np.log(np.maximum(np.mean(copies, 0), 1e-9))
    return {name: np.maximum(logs, LEAST_LOG).astype(np.float16) for name, logs in views.items()}
