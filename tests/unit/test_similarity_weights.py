"""Similarities of weights."""

import numpy as np
import pytest
import scipy.spatial
import torch
from random_features import random
from torch import Tensor

from lineage.errors import UserError
from lineage.similarity.measures import WEIGHT_SIMILARITIES


def weights(seed: int, scale: float = 1.0) -> dict[str, Tensor]:
    return {"weight": scale * random(4, 3, seed=seed), "bias": scale * random(4, seed=seed + 1)}


def concatenated(theta: dict[str, Tensor]) -> np.ndarray:
    return torch.cat([x.flatten().double() for x in theta.values()]).numpy()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
def test_weight_scores_equal_those_of_the_concatenated_weights(scale, dtype):
    theta_p, theta_c = ({k: x.to(dtype) for k, x in weights(seed, scale).items()} for seed in (1, 5))
    p, c = concatenated(theta_p), concatenated(theta_c)
    l2, cosine = (score(theta_p, theta_c).item() for score in WEIGHT_SIMILARITIES.values())
    assert l2 == pytest.approx(-np.sqrt(((p - c) ** 2).mean()), rel=1e-6)
    assert cosine == pytest.approx(1 - scipy.spatial.distance.cosine(p, c), rel=1e-6, abs=1e-7)


def test_weight_scores_are_best_on_the_same_weights_and_finite_on_zeros():
    theta, zeros = weights(1), weights(1, scale=0.0)
    assert WEIGHT_SIMILARITIES["weight_l2"](theta, theta) == 0
    assert WEIGHT_SIMILARITIES["weight_cosine"](theta, theta).item() == pytest.approx(1)
    assert WEIGHT_SIMILARITIES["weight_cosine"](theta, zeros) == 0


@pytest.mark.parametrize("name", WEIGHT_SIMILARITIES)
def test_weights_of_different_networks_are_refused(name):
    theta = weights(1)
    with pytest.raises(UserError, match=r"'bias': \[4\] in the parent, absent in the child"):
        WEIGHT_SIMILARITIES[name](theta, {"weight": theta["weight"]})
    with pytest.raises(UserError, match=r"'bias': \[4\] in the parent, \[1\] in the child"):
        WEIGHT_SIMILARITIES[name](theta, theta | {"bias": torch.zeros(1)})
