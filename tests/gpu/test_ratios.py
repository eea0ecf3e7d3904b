"""What every approximation costs, relative to a plain forward pass of the backbone on the same probe."""

import pytest
import torch
from bench.pair_cost import CHEAP, Costs

from gpu import switches
from gpu.networks import LARGE, SMALL
from lineage.similarity.measures import SIMILARITIES
from lineage.similarity.pairs import APPROXIMATIONS

IMAGES, REPEATS = (4, 1) if switches.IS_TINY else (256, 5)
NETWORKS = SMALL if switches.IS_TINY else LARGE
LIMIT = {"direct": 1.0, "path": 2.0, "linear": 6.0, "taylor": 6.0}
"""With norms, cosine and CKA, which cost little beside a forward pass of a large network. Forward-mode
differentiation runs every product twice, and attention step by step."""


@pytest.mark.parametrize("name", NETWORKS)
def test_an_approximation_costs_a_few_forward_passes(name, device, figures):
    setup = NETWORKS[name] | {"n": IMAGES, "layers": None}
    costs = Costs(setup, device)
    forward = costs.forward(REPEATS)
    figures.add("forward pass", name, {"median": forward}, "s", n=IMAGES)
    cheap = {kind: costs.pair(CHEAP, (kind,), REPEATS) / forward for kind in APPROXIMATIONS}
    figures.add("scoring, norms + cosine + CKA", name, cheap, "forward passes", n=IMAGES)
    every = {kind: costs.pair(tuple(SIMILARITIES), (kind,), 1) / forward for kind in APPROXIMATIONS}
    figures.add("scoring, all similarities", name, every, "forward passes", n=IMAGES)
    both = {"linear + taylor": costs.pair(CHEAP, ("linear", "taylor"), REPEATS) / forward}
    figures.add("scoring, norms + cosine + CKA", name, both, "forward passes", n=IMAGES)
    del costs
    torch.cuda.empty_cache()
    if not switches.IS_TINY:
        assert {kind: ratio for kind, ratio in cheap.items() if ratio > LIMIT[kind]} == {}
