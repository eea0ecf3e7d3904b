"""What a score may and may not depend on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_features import CORRELATIONS, GAPS, random, related
from torch import Tensor

from lineage.errors import UserError
from lineage.similarity.measures import SIMILARITIES, compare


def rotation(d: int, seed: int) -> Tensor:
    return torch.linalg.qr(random(d, d, seed=seed)).Q


def shuffled(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


INVARIANCES = {
    "rotation": {*CORRELATIONS},
    "scale": {*CORRELATIONS, "cosine"},
    "translation": {*CORRELATIONS},
    "feature order": {*CORRELATIONS},
    "joint feature order": {*SIMILARITIES},
    "joint sample order": {*SIMILARITIES},
    "joint translation": {*GAPS, *CORRELATIONS},
    "joint rotation": {*CORRELATIONS, "l2", "cosine"},
}


def changed(change: str, F: Tensor, G: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    n, d = F.shape
    Q, rows, columns, shift = rotation(d, seed), shuffled(n, seed), shuffled(d, seed), random(d, seed=seed)
    if columns.equal(torch.arange(d)):
        columns = columns.roll(1)
    return {
        "rotation": (F @ Q, G),
        "scale": (3.5 * F, G),
        "translation": (F + shift, G),
        "feature order": (F[:, columns], G),
        "joint feature order": (F[:, columns], G[:, columns]),
        "joint sample order": (F[rows], G[rows]),
        "joint translation": (F + shift, G + shift),
        "joint rotation": (F @ Q, G @ Q),
    }[change]


@pytest.mark.parametrize("change", INVARIANCES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(n=st.integers(6, 20), d=st.integers(3, 20), seed=st.integers(0, 10**6))
def test_each_score_sees_just_the_changes_it_should(change, n, d, seed):
    F, G = related(n, d, seed)
    before, after = compare(F, G), compare(*changed(change, F, G, seed + 2))
    for name in SIMILARITIES:
        same = abs(before[name] - after[name]).item() < 1e-9
        assert same == (name in INVARIANCES[change]), (name, before[name], after[name])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(n=st.integers(4, 20), d=st.integers(2, 20), seed=st.integers(0, 10**6))
def test_every_score_is_symmetric_and_best_on_itself(n, d, seed):
    F, G = related(n, d, seed)
    forth, back, itself = compare(F, G), compare(G, F), compare(F, F)
    best = {name: 0.0 if name in GAPS else 1.0 for name in SIMILARITIES} | {"lse": -np.log(d) / (0.02 * d)}
    for name in SIMILARITIES:
        assert forth[name].item() == pytest.approx(back[name].item(), rel=1e-9, abs=1e-12), name
        assert itself[name].item() == pytest.approx(best[name], rel=1e-9, abs=1e-12), name
        assert forth[name] < itself[name], name


def test_only_the_scores_of_correlation_compare_different_widths():
    F, G = random(10, 4), random(10, 7, seed=1)
    assert all(0 < score < 1 for name, score in compare(F, G, CORRELATIONS).items() if name != "cka_unbiased")
    for name in [*GAPS, "cosine"]:
        with pytest.raises(UserError, match="4 and 7 features"):
            SIMILARITIES[name](F, G)


def test_unbiased_cka_of_unrelated_wide_features_is_near_zero_where_the_biased_one_is_near_one():
    scores = compare(random(20, 4000), random(20, 4000, seed=1))
    assert scores["cka"] > 0.9
    assert abs(scores["cka_unbiased"]) < 0.2
