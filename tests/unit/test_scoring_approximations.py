"""Scores under each approximation against networks moved by hand, finite differences and formulas in NumPy.

F are a candidate's features, G the child's, D = F - G.
"""

import copy

import numpy as np
import pytest
import torch
from moved_networks import NETWORKS, hooked, made, moved, probe_of, score
from torch import nn

from lineage import score_pair
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import change
from lineage.similarity.pairs import linearised


def l2(F: np.ndarray, G: np.ndarray) -> float:
    return -np.sqrt(((F - G) ** 2).mean())


def cka(F: np.ndarray, G: np.ndarray) -> float:
    """By Gram matrices and the centring matrix."""
    H = np.eye(len(F)) - 1 / len(F)
    K, L = H @ F @ F.T @ H, H @ G @ G.T @ H
    return (K * L).sum() / np.sqrt((K * K).sum() * (L * L).sum())


def cosine(F: np.ndarray, G: np.ndarray) -> float:
    return np.mean([f @ g / np.sqrt(f @ f * (g @ g)) for f, g in zip(F, G, strict=True)])


FORMULAS = {"l1": lambda F, G: -np.abs(F - G).mean(), "l2": l2, "cka": cka, "cosine": cosine}


def slopes(name: str) -> tuple[Backbone, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A backbone, its linearised features' slopes, and those by central differences of networks moved by hand."""
    parent, child, probe = made(name, 0), made(name, 1), probe_of(name)
    backbone = Backbone(parent, probe, layers=NETWORKS[name][1])
    theta_p = state_of(parent)
    _, slope = linearised(backbone, theta_p, change(backbone, theta_p, state_of(child)), probe)
    step = 1e-6
    ahead, behind = (moved(parent, child, end, statistics=False) for end in (step, -step))
    differences = {
        layer: (hooked(ahead, layer, probe) - hooked(behind, layer, probe)) / (2 * step)
        for layer in backbone.layers
    }
    return backbone, {layer: value.numpy() for layer, value in slope.items()}, differences


@pytest.mark.parametrize("name", NETWORKS)
def test_the_linear_slope_is_that_of_finite_differences(name):
    backbone, slope, differences = slopes(name)
    for layer in backbone.layers:
        assert np.abs(differences[layer]).max() > 1e-3
        np.testing.assert_allclose(slope[layer], differences[layer], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_linear_and_taylor_scores_follow_from_the_slope(name):
    parent, child, probe = made(name, 0), made(name, 1), probe_of(name)
    backbone, _, differences = slopes(name)
    frame = score_pair(
        parent,
        child,
        probe,
        layers=backbone.layers,
        approximations=["linear", "taylor"],
        alphas=[0.1, 1.0],
        similarities=list(FORMULAS),
    )
    for layer in backbone.layers:
        F, G, S = hooked(parent, layer, probe), hooked(child, layer, probe), differences[layer]
        D, h = F - G, 1e-6
        for alpha in (0.1, 1.0):
            for name_, formula in FORMULAS.items():
                found = score(frame, layer=layer, similarity=name_, approximation="linear", alpha=alpha)
                assert found == pytest.approx(formula(F + alpha * S, G), rel=1e-5, abs=1e-6)
            expanded = {
                "l1": -np.abs(D).mean() - alpha * (np.sign(D) * S).mean(),
                "cka": cka(F, G) + alpha * (cka(F + h * S, G) - cka(F - h * S, G)) / (2 * h),
                "cosine": cosine(F, G) + alpha * (cosine(F + h * S, G) - cosine(F - h * S, G)) / (2 * h),
            }
            square = (D * D).mean() + 2 * alpha * (D * S).mean()  # expanded before the root, as in the paper
            expanded["l2"] = -np.sign(square) * np.sqrt(abs(square))
            for name_, expected in expanded.items():
                found = score(frame, layer=layer, similarity=name_, approximation="taylor", alpha=alpha)
                assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_on_a_linear_layer_linear_at_alpha_1_is_the_child_itself():
    torch.manual_seed(0)
    parent, child = (nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2)).double() for _ in range(2))
    probe = torch.randn(8, 6, dtype=torch.float64)
    frame = score_pair(parent, child, probe, approximations=["direct", "linear"], alphas=[0.5, 1.0])
    for name, best in {"l1": 0, "l2": 0, "linf": 0, "cka": 1, "cosine": 1}.items():
        at = {"layer": "0", "similarity": name}
        assert score(frame, **at, approximation="linear", alpha=1.0) == pytest.approx(best, abs=1e-12)
        assert score(frame, **at, approximation="linear", alpha=0.5) < best - 1e-4
        assert score(frame, **at, approximation="direct") < best - 1e-4


@pytest.mark.parametrize(("changed", "is_exact"), [([0], True), ([1], True), ([2], True), ([0, 2], False)])
def test_in_a_chain_of_linear_layers_linear_is_exact_if_one_of_them_changed(changed, is_exact):
    torch.manual_seed(0)
    parent = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 4), nn.Linear(4, 2)).double()
    child = copy.deepcopy(parent)
    for place in changed:
        child[place].weight.data += torch.randn_like(child[place].weight)
        child[place].bias.data += 1
    probe = torch.randn(8, 6, dtype=torch.float64)
    frame = score_pair(parent, child, probe, approximations=["linear"], alphas=[1.0], similarities=["l2"])
    assert (abs(score(frame, layer="2")) < 1e-12) == is_exact


@pytest.mark.parametrize("name", NETWORKS)
def test_path_scores_are_those_of_a_network_interpolated_by_hand(name):
    parent, child, probe = made(name, 0), made(name, 1), probe_of(name)
    layers = NETWORKS[name][1]
    frame = score_pair(
        parent,
        child,
        probe,
        layers=layers,
        approximations=["path"],
        alphas=[0.25, 0.9],
        similarities=list(FORMULAS),
    )
    for layer in layers:
        G = hooked(child, layer, probe)
        for alpha in (0.25, 0.9):
            F = hooked(moved(parent, child, alpha), layer, probe)
            for similarity, formula in FORMULAS.items():
                found = score(frame, layer=layer, alpha=alpha, similarity=similarity)
                assert found == pytest.approx(formula(F, G), abs=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_direct_scores_are_those_of_the_two_networks_own_features(name):
    parent, child, probe = made(name, 0), made(name, 1), probe_of(name)
    layers = NETWORKS[name][1]
    frame = score_pair(
        parent, child, probe, layers=layers, approximations=["direct"], similarities=list(FORMULAS)
    )
    for layer in layers:
        F, G = (hooked(network, layer, probe) for network in (parent, child))
        for similarity, formula in FORMULAS.items():
            assert score(frame, layer=layer, similarity=similarity) == pytest.approx(formula(F, G), abs=1e-9)


def test_weight_scores_are_over_each_layers_weights_and_over_all():
    parent, child = made("fc", 0), made("fc", 1)
    frame = score_pair(parent, child, probe_of("fc"), similarities=["weight_l2", "weight_cosine"])
    groups = {"1": parent[:2], "3": parent[2:4], "all": parent[:4]}
    of_child = {"1": child[:2], "3": child[2:4], "all": child[:4]}
    assert set(frame["layer"]) == set(groups)
    for layer, group in groups.items():
        p, c = (
            np.concatenate([value.detach().numpy().ravel() for value in part.parameters()])
            for part in (group, of_child[layer])
        )
        assert score(frame, layer=layer, similarity="weight_l2") == pytest.approx(
            -np.sqrt(((p - c) ** 2).mean())
        )
        expected = p @ c / np.sqrt(p @ p * (c @ c))
        assert score(frame, layer=layer, similarity="weight_cosine") == pytest.approx(expected)
