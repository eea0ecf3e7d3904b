"""Similarities against published scores, formulas in NumPy, and libraries that share no code with ours."""

import json
from pathlib import Path

import ckatorch
import numpy as np
import pytest
import scipy.spatial
import torch
from random_features import GAPS, random, related
from torch import Tensor

from lineage.similarity.measures import SIMILARITIES, compare

PUBLISHED = json.loads((Path(__file__).parent / "data" / "published_scores.json").read_text())
DIRECT = [case for case in PUBLISHED["cases"] if case["approximation"] == "direct"]


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
