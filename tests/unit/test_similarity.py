"""Similarities against published scores, other libraries and what each may and may not depend on."""

import json
from pathlib import Path

import ckatorch
import numpy as np
import pytest
import scipy.spatial
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lineage.errors import UserError
from lineage.similarity.measures import SIMILARITIES, WEIGHT_SIMILARITIES, Representation, compare
from lineage.similarity.shared import symmetric_product

GAPS = ["l1", "l2", "lp", "linf", "lse"]
CORRELATIONS = ["cka", "cka_unbiased", "cka_rbf", "dc", "procrustes"]
PUBLISHED = json.loads((Path(__file__).parent / "data" / "published_scores.json").read_text())
DIRECT = [case for case in PUBLISHED["cases"] if case["approximation"] == "direct"]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def related(n: int, d: int, seed: int = 0, batch: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """F and G of which half is shared, so that no score is near its floor or its ceiling."""
    G = random(n, d, seed=seed)
    return G + random(*batch, n, d, seed=seed + 1), G


def rotation(d: int, seed: int) -> Tensor:
    return torch.linalg.qr(random(d, d, seed=seed)).Q


def shuffled(n: int, seed: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


# Oracles: the published scores, and libraries that share no code with ours.


def published_features(layers: list[dict]) -> Tensor:
    features = torch.tensor(PUBLISHED["probe"], dtype=torch.float64)
    for layer in layers:
        weight, bias = (torch.tensor(layer[key], dtype=torch.float64) for key in ("weight", "bias"))
        features = (features @ weight.T + bias).relu()
    return features


@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("case", DIRECT, ids=lambda case: f"parent{case['parent']}")
def test_direct_scores_are_the_published_ones(case, name):
    F = published_features(PUBLISHED["parents"][case["parent"]])
    G = torch.tensor(PUBLISHED["child_features"], dtype=torch.float64)
    assert SIMILARITIES[name](F, G).item() == pytest.approx(case[name], abs=1e-6, rel=1e-6)


def squared_distances(F: np.ndarray) -> np.ndarray:
    return scipy.spatial.distance.cdist(F, F, "sqeuclidean")


def hsic_rbf_cka(F: np.ndarray, G: np.ndarray) -> float:
    """tr(KHLH) with H written out, straight from the definition."""
    n = len(F)
    H = np.eye(n) - 1 / n
    K, L = (
        np.exp(-squares / (2 * np.median(squares[~np.eye(n, dtype=bool)])))
        for squares in map(squared_distances, (F, G))
    )
    xy, xx, yy = (np.trace(A @ H @ B @ H) for A, B in ((K, L), (K, K), (L, L)))
    return xy / np.sqrt(xx * yy)


def distance_correlation(F: np.ndarray, G: np.ndarray) -> float:
    """Imported here and not by every worker: it is compiled, which takes seconds."""
    import dcor

    return dcor.distance_correlation(F, G)


ORACLES = {
    "cka": lambda F, G: ckatorch.cka_base(torch.tensor(F), torch.tensor(G)).item(),
    "cka_unbiased": lambda F, G: ckatorch.cka_base(torch.tensor(F), torch.tensor(G), unbiased=True).item(),
    "cka_rbf": hsic_rbf_cka,
    "dc": distance_correlation,
    "cosine": lambda F, G: 1 - np.mean([*map(scipy.spatial.distance.cosine, F, G)]),
    "procrustes": lambda F, G: np.sqrt(1 - scipy.spatial.procrustes(F, G)[2]),
}


@pytest.mark.parametrize(
    ("n", "d"), [(30, 8), (12, 40), (9, 9), (6, 1)], ids=["tall", "wide", "square", "one"]
)
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e4])
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_an_independent_implementation(name, scale, n, d):
    F, G = related(n, d, seed=n)
    F = scale * F
    assert SIMILARITIES[name](F, G).item() == pytest.approx(ORACLES[name](F.numpy(), G.numpy()), rel=1e-6)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 0.0), (1e-4, 0.0), (1e4, 0.0), (1.0, 1e4), (1e-2, 300.0)]
)
def test_float32_features_score_as_their_float64_values_do(name, scale, offset):
    F, G = ((scale * x + offset).float() for x in related(60, 20))
    score = SIMILARITIES[name](F, G)
    assert score.dtype == torch.float32
    assert score.item() == pytest.approx(ORACLES[name](F.double().numpy(), G.double().numpy()), rel=1e-6)


def test_float32_distance_correlation_survives_tight_clusters():
    """Rows 1e-3 apart around distant centres: distances from a float32 Gram matrix would drown."""
    centres = 10 * random(5, 30, seed=3)[torch.arange(60) % 5]
    F, G = (1000 + centres + 1e-3 * random(60, 30, seed=s) for s in (1, 2))
    F, G = F.float(), (G + 3 * random(60, 30, seed=4)).float()
    expected = distance_correlation(F.double().numpy(), G.double().numpy())
    assert SIMILARITIES["dc"](F, G).item() == pytest.approx(expected, rel=1e-6)


def test_rbf_cka_agrees_with_ckatorch_given_our_bandwidth():
    """Its median counts the zero diagonal, and its threshold serves both networks: so G is F reordered."""
    F = random(40, 7)
    G = F.flip(0)
    squares = squared_distances(F.numpy())
    off_diagonal = np.median(squares[~np.eye(40, dtype=bool)])
    threshold = np.sqrt(off_diagonal / torch.tensor(squares).median().item())
    expected = ckatorch.cka_base(F, G, kernel="rbf", threshold=threshold).item()
    assert SIMILARITIES["cka_rbf"](F, G).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_gaps_follow_their_formulas_at_every_scale(scale, dtype):
    F, G = ((scale * x).to(dtype) for x in related(25, 11))
    gap = (F.double() - G.double()).abs().numpy()
    expected = {
        "l1": -gap.mean(),
        "l2": -np.sqrt((gap**2).mean()),
        "lp": -((gap**4).mean() ** 0.25),
        "linf": -gap.max(1).mean(),
        "lse": -np.log(np.exp(np.minimum(0.02 * gap, 10)).sum(1)).sum() / (0.02 * gap.size),
    }
    for name, score in compare(F, G, GAPS).items():
        assert score.dtype == dtype
        assert score.item() == pytest.approx(expected[name], rel=1e-6), name


def test_l4_of_tiny_float32_gaps_does_not_underflow():
    G = random(10, 4).float() * 1e-4
    F = G * (1 + 1e-6)
    gap = (F.double() - G.double()).abs()
    assert SIMILARITIES["lp"](F, G).item() == pytest.approx(-((gap**4).mean().item() ** 0.25), rel=1e-5)


# What a score may depend on.

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


# Degenerate features.

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


# Shared computation.


@pytest.mark.parametrize(("n", "d"), [(16, 5), (7, 20)])
def test_leading_axes_equal_a_loop(n, d):
    F, G = related(n, d, batch=(2, 3))
    for name, scores in compare(F, G).items():
        loop = torch.stack([SIMILARITIES[name](f, G) for f in F.flatten(0, 1)]).view(2, 3)
        torch.testing.assert_close(scores, loop, rtol=1e-10, atol=1e-12, msg=name)


def test_scores_taken_together_equal_scores_taken_alone():
    F, G = related(16, 9, batch=(3,))
    child = Representation(G)
    for _ in range(2):
        together = compare(Representation(F), child)
        assert list(together) == list(SIMILARITIES)
        for name, score in SIMILARITIES.items():
            assert together[name].equal(score(F, G)), name
    assert list(compare(F, child, ["dc", "l1"])) == ["dc", "l1"]


def test_what_depends_on_the_child_alone_is_computed_once():
    F, G = related(16, 9)
    child = Representation(G)
    compare(F, child)
    kept = dict(vars(child))
    compare(2 * F, child)
    assert {"unit", "gram", "hsic", "distance_kernel", "rbf_kernel", "short"} <= kept.keys()
    assert all(vars(child)[key] is value for key, value in kept.items())


def test_scores_do_not_change_the_features():
    F, G = related(16, 9)
    copies = F.clone(), G.clone()
    compare(F, G)
    assert F.equal(copies[0])
    assert G.equal(copies[1])


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_score_in_float32(dtype):
    F, G = (x.to(dtype) for x in related(10, 4))
    for name, score in compare(F, G).items():
        assert score.dtype == torch.float32
        assert score.equal(SIMILARITIES[name](F.float(), G.float())), name


def test_an_unknown_similarity_is_named_beside_the_known_ones():
    with pytest.raises(UserError, match=r"'svcca'.*l1, l2.*procrustes$"):
        compare(random(4, 2), random(4, 2), ["l1", "svcca"])


def test_different_samples_are_refused():
    with pytest.raises(UserError, match="4 and 1 samples"):
        compare(random(4, 2), random(1, 2), ["l1"])


# Weights.


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


def test_a_symmetric_product_has_the_derivatives_of_a_plain_one_whether_or_not_it_is_known():
    draw = torch.Generator().manual_seed(0)
    A, slope = torch.randn(2, 3, 5, 4, generator=draw, dtype=torch.float64)
    plain = A @ A.mT
    torch.autograd.gradcheck(symmetric_product, A.clone().requires_grad_(), check_forward_ad=True)
    for known in (None, plain):
        value, rate = torch.func.jvp(lambda x, known=known: symmetric_product(x, known), (A,), (slope,))
        assert torch.equal(value, plain)
        torch.testing.assert_close(rate, slope @ A.mT + A @ slope.mT)
