"""Features without variation, too few samples, dead features, and such as are no numbers."""

import pytest
import torch
from random_features import CORRELATIONS, random, related

from lineage.similarity.measures import SIMILARITIES, compare

ONE_FEATURE = torch.full((12, 1), 0.1)
DEGENERATE = {
    "zeros": (torch.zeros(12, 5), random(12, 5)),
    "both zeros": (torch.zeros(12, 5), torch.zeros(12, 5)),
    "constant": (random(5).expand(12, 5), random(12, 5)),
    "constant, large": (torch.full((12, 5), 12345.678), random(12, 5)),
    "both constant": (torch.full((12, 5), 0.1), torch.full((12, 5), 0.3)),
    "one constant feature": (ONE_FEATURE, ONE_FEATURE),
    "one sample": (random(1, 5), random(1, 5)),
    "one sample, one feature": (random(1, 1), random(1, 1)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", DEGENERATE)
def test_features_without_variation_score_zero_in_every_correlation(case, dtype):
    F, G = (x.to(dtype) for x in DEGENERATE[case])
    scores = compare(F, G)
    assert all(score.isfinite() for score in scores.values())
    assert {name: scores[name].item() for name in CORRELATIONS} == dict.fromkeys(CORRELATIONS, 0.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unbiased_cka_needs_four_samples(n):
    assert SIMILARITIES["cka_unbiased"](*related(n, 5)) == 0


def test_unbiased_cka_of_equidistant_samples_is_zero():
    assert SIMILARITIES["cka_unbiased"](torch.eye(8), random(8, 8)) == 0


def test_samples_of_zeros_count_zero_in_the_cosine():
    F = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert SIMILARITIES["cosine"](F, torch.ones(2, 2)).item() == pytest.approx(0.5)


def test_mostly_dead_features_compare_which_samples_are_alive():
    """With σ² = 0 the kernel is 1 between equal samples and 0 otherwise."""
    alive = torch.arange(30) < 4
    F, G = (torch.where(alive[:, None], random(30, 6, seed=s), 0) for s in (1, 2))
    assert SIMILARITIES["cka_rbf"](F, G).item() == pytest.approx(1)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_feature_that_is_not_a_number_never_yields_a_score(name):
    F, G = related(10, 4, batch=(2,))
    F[0, 3, 2] = torch.nan
    scores = SIMILARITIES[name](F, G)
    assert scores[0].isnan()
    assert scores[1].isfinite()
