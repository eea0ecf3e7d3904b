"""Features drawn at random, of which half is shared, and which similarities are distances or correlations of them."""

import torch
from torch import Tensor

GAPS = ["l1", "l2", "lp", "linf", "lse"]
CORRELATIONS = ["cka", "cka_unbiased", "cka_rbf", "dc", "procrustes"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def related(n: int, d: int, seed: int = 0, batch: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """F and G of which half is shared, so that no score is near its floor or its ceiling."""
    G = random(n, d, seed=seed)
    return G + random(*batch, n, d, seed=seed + 1), G
