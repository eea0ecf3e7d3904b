"""Directional derivatives of similarities, which the Taylor form takes, against finite differences."""

import pytest
import torch
from random_features import random, related

from lineage.similarity.measures import SIMILARITIES, Representation
from lineage.similarity.shared import symmetric_product


def derivative(name: str, F: torch.Tensor, G, step: torch.Tensor, *, is_known: bool) -> torch.Tensor:
    """By forward mode; where what F gives is known, kernels have a closed form of it."""
    known = Representation(F) if is_known else None
    return torch.func.jvp(lambda x: SIMILARITIES[name](Representation(x, known), G), (F,), (step,))[1]


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(("n", "d"), [(16, 5), (7, 20)])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_directional_derivatives_equal_finite_differences(name, n, d, is_known):
    """The Taylor form takes them by forward-mode AD, with the child's part kept from call to call."""
    F, G = related(n, d)
    F[3] = F[1]
    child, step = Representation(G), random(n, d, seed=9)
    step[3] = step[1]
    score = lambda x: SIMILARITIES[name](x, child)  # noqa: E731
    difference = (score(F + 1e-6 * step) - score(F - 1e-6 * step)) / 2e-6
    found = derivative(name, F, child, step, is_known=is_known)
    assert found.item() == pytest.approx(difference.item(), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize("F", [random(8, 5), torch.zeros(8, 5).double()], ids=["identical", "zeros"])
def test_directional_derivatives_stay_finite_at_degenerate_features(name, F, is_known):
    assert derivative(name, F, random(8, 5), torch.ones(8, 5).double(), is_known=is_known).isfinite()


def test_a_symmetric_product_has_the_derivatives_of_a_plain_one_whether_or_not_it_is_known():
    draw = torch.Generator().manual_seed(0)
    A, slope = torch.randn(2, 3, 5, 4, generator=draw, dtype=torch.float64)
    plain = A @ A.mT
    torch.autograd.gradcheck(symmetric_product, A.clone().requires_grad_(), check_forward_ad=True)
    for known in (None, plain):
        value, rate = torch.func.jvp(lambda x, known=known: symmetric_product(x, known), (A,), (slope,))
        assert torch.equal(value, plain)
        torch.testing.assert_close(rate, slope @ A.mT + A @ slope.mT)
