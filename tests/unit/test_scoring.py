"""Scores of a pair against networks moved by hand, finite differences and formulas in NumPy.

F are a candidate's features, G the child's, D = F - G.
"""

import copy
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from torch import Tensor, nn

import lineage
from lineage import score_pair
from lineage.errors import UserError
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import change
from lineage.similarity.pairs import linearised

BATCH_STATISTICS = ("running_mean", "running_var")


class Attentive(nn.Module):
    """One transformer layer on tokens [n, t, d]."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.mix, self.head = nn.LayerNorm(8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.mix(self.norm(x)).tanh().mean(1))


def fc() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3))


def conv() -> nn.Module:
    parts = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 2), nn.BatchNorm2d(5), nn.Tanh()
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))


def vit() -> nn.Module:
    size = {"img_size": 16, "patch_size": 8, "embed_dim": 12, "num_heads": 2, "depth": 2}
    return timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=3, **size)


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True)
    return nn.Sequential(layer, nn.Linear(8, 5), nn.Linear(5, 2))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str], tuple[int, ...]]] = {
    "fc": (fc, ["1", "3"], (6, 7)),
    "conv": (conv, ["2", "7"], (6, 2, 6, 6)),
    "attention": (Attentive, ["norm", "mix"], (6, 4, 8)),
    "encoder": (encoder, ["0", "1"], (6, 4, 8)),
    "vit": (vit, ["blocks.0", "fc_norm"], (4, 3, 16, 16)),
}


def made(name: str, seed: int) -> nn.Module:
    """A network in float64 whose every parameter and running statistic is random."""
    torch.manual_seed(seed)
    network = NETWORKS[name][0]().double()
    for key, buffer in network.named_buffers():
        if key.endswith(BATCH_STATISTICS):
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return network.eval()


def probe_of(name: str) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(NETWORKS[name][2], generator=generator, dtype=torch.float64)


def moved(parent: nn.Module, child: nn.Module, alpha: float, *, statistics: bool = True) -> nn.Module:
    """The parent with its weights interpolated by hand."""
    network = copy.deepcopy(parent)
    for ours, theirs in zip(network.parameters(), child.parameters(), strict=True):
        ours.data = (1 - alpha) * ours.data + alpha * theirs.data
    for (key, ours), theirs in zip(network.named_buffers(), child.buffers(), strict=True):
        if statistics and key.endswith(BATCH_STATISTICS):
            ours.data = (1 - alpha) * ours.data + alpha * theirs.data
    return network


def hooked(network: nn.Module, layer: str, probe: Tensor) -> np.ndarray:
    """A module's output [n, d], averaged over positions."""
    seen = []
    handle = network.get_submodule(layer).register_forward_hook(lambda *args: seen.append(args[2].clone()))
    with torch.no_grad():
        network.eval()(probe)
    handle.remove()
    values = seen[-1].numpy()
    if values.ndim == 4:
        return values.mean((2, 3))
    return values.mean(1) if values.ndim == 3 else values


def score(frame: pd.DataFrame, **where) -> float:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame["score"].item()


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


def test_the_frame_has_one_row_each_and_path_leaves_alpha_1_out():
    frame = score_pair(
        made("fc", 0), made("fc", 1), probe_of("fc"), alphas=[0.5, 1.0], similarities=["l1", "weight_l2"]
    )
    assert list(frame.columns) == ["layer", "similarity", "approximation", "alpha", "score"]
    assert not frame.duplicated(["layer", "similarity", "approximation", "alpha"]).any()
    of_features = frame[frame["similarity"] == "l1"]
    alphas = {name: sorted(set(rows["alpha"])) for name, rows in of_features.groupby("approximation")}
    assert alphas == {"direct": [0.0], "path": [0.5], "linear": [0.5, 1.0], "taylor": [0.5, 1.0]}
    weights = frame[frame["similarity"] == "weight_l2"]
    assert set(zip(weights["approximation"], weights["alpha"], strict=True)) == {("direct", 0.0)}
    assert np.isfinite(frame["score"]).all()


def test_a_network_scored_with_itself_is_as_alike_as_can_be():
    network = made("conv", 0)
    frame = score_pair(
        network, copy.deepcopy(network), probe_of("conv"), alphas=[0.5], similarities=["l2", "cka"]
    )
    best = frame["similarity"].map({"l2": 0.0, "cka": 1.0})
    np.testing.assert_allclose(frame["score"], best, atol=1e-12)


@pytest.mark.parametrize("name", ["fc", "conv", "vit"])
@pytest.mark.parametrize("classes", [3, 11])
def test_the_childs_head_changes_no_score(name, classes):
    parent, child, probe = made(name, 0), made(name, 1), probe_of(name)
    other = copy.deepcopy(child)
    last = "head" if name == "vit" else str(len(child) - 1)
    inputs = other.get_submodule(last).in_features
    setattr(other, last, nn.Linear(inputs, classes).double())
    frames = [
        score_pair(parent, each, probe, similarities=["l2", "cka", "weight_l2"]) for each in (child, other)
    ]
    pd.testing.assert_frame_equal(*frames)


def test_modules_are_left_as_they_were():
    parent, child, probe = made("conv", 0), made("conv", 1), probe_of("conv")
    parent.train()
    parent[1].eval()
    child.eval()
    child[4].train()
    parent[0].weight.requires_grad_(False)
    networks = (parent, child)
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    modes = [[module.training for module in network.modules()] for network in networks]
    score_pair(parent, child, probe)
    for network, state, mode in zip(networks, before, modes, strict=True):
        assert [module.training for module in network.modules()] == mode
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
        assert all(value.grad is None for value in network.parameters())
    assert [value.requires_grad for value in parent.parameters()] == [False] + [True] * 9
    assert torch.is_grad_enabled()
    assert torch.backends.mha.get_fastpath_enabled()


def test_scores_do_not_depend_on_the_modes():
    frames = []
    for mode in (True, False):
        parent, child = made("conv", 0).train(mode), made("conv", 1).train(not mode)
        frames.append(score_pair(parent, child, probe_of("conv"), similarities=["l1"]))
    pd.testing.assert_frame_equal(*frames)


def fitted(network: nn.Module, inputs: Tensor, labels: Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    return network


def test_the_true_parent_scores_above_unrelated_networks():
    torch.manual_seed(1)
    inputs = torch.randn(200, 7)
    networks = [
        nn.Sequential(nn.Linear(7, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
        for _ in range(4)
    ]
    parents = [fitted(network, inputs, (inputs[:, 0] > 0).long(), 50) for network in networks]
    child = copy.deepcopy(parents[2])
    child[4] = nn.Linear(32, 3)
    child = fitted(child, inputs, (inputs[:, 1] + inputs[:, 2] > 0).long(), 50)
    choice = {"approximations": ["direct", "path", "linear"], "alphas": [0.5]}
    names = ["l1", "l2", "cka", "cosine", "weight_l2", "weight_cosine"]
    frames = [
        score_pair(parent, child, inputs[:50], similarities=names, **choice).assign(candidate=number)
        for number, parent in enumerate(parents)
    ]
    groups = pd.concat(frames).groupby(["layer", "similarity", "approximation"], dropna=False)
    best = {key: rows["candidate"].iloc[rows["score"].argmax()] for key, rows in groups}
    assert len(best) == 2 * (4 * 3 + 2) + 2
    assert set(best.values()) == {2}, best


def refused(parent: nn.Module, child: nn.Module, probe: Tensor, **choice) -> str:
    with pytest.raises(UserError) as caught:
        score_pair(parent, child, probe, **choice)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"layers": ["9"]}, "'9'"),
        ({"similarities": ["l1", "l3"]}, "'l3'"),
        ({"approximations": ["straight"]}, "'straight'"),
        ({"approximations": ["straight"], "similarities": ["weight_l2"]}, "'straight'"),
        ({"alphas": [0.5, 1.5]}, "1.5"),
        ({"alphas": [0.0]}, "0.0"),
        ({"alphas": [float("nan")]}, "nan"),
        ({"alphas": [1.0]}, "path"),
        ({"pool": "max"}, "'max'"),
    ],
)
def test_a_bad_choice_is_told(choice, told):
    assert told in refused(made("fc", 0), made("fc", 1), probe_of("fc"), **choice)


def wide() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def shallow() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU()).double()


@pytest.mark.parametrize(("child", "told"), [(wide, "2.weight"), (shallow, "2.weight"), (conv, "0.weight")])
def test_a_child_of_another_backbone_is_told_by_its_first_weight_that_differs(child, told):
    assert told in refused(made("fc", 0), child().double(), probe_of("fc"))


def test_a_child_with_more_layers_than_the_parent_is_told():
    def network(depth: int) -> nn.Module:
        body = nn.Sequential(*(nn.Linear(7, 7) for _ in range(depth)))
        return nn.Sequential(nn.Linear(7, 7), body, nn.Linear(7, 3)).double()

    assert "1.2" in refused(network(2), network(3), probe_of("fc"))


def test_whole_numbers_as_inputs_are_scored_at_every_alpha():
    class Embedded(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.body, self.head = nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(self.embed(x).mean(1)))

    torch.manual_seed(0)
    parent, child, probe = Embedded(), Embedded(), torch.randint(0, 9, (6, 5))
    frame = score_pair(
        parent, child, probe, alphas=[0.25, 0.5], similarities=["l2"], approximations=["linear"]
    )
    assert frame[frame["layer"] == "body"]["score"].nunique() == 2


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, lineage; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_found_when_asked_for():
    assert lineage.score_pair is score_pair
    assert lineage.UserError is UserError
    with pytest.raises(AttributeError, match="score_pair"):
        print(lineage.score_pairs)


def test_running_statistics_go_along_the_path_or_stay_as_asked():
    parent, child, probe = made("conv", 0), made("conv", 0), probe_of("conv")
    statistics = [module for module in child.modules() if isinstance(module, nn.BatchNorm2d)]
    assert statistics
    for module in statistics:
        module.running_mean += 1
    choice = {"approximations": ["direct", "path"], "alphas": [0.5], "similarities": ["l1"]}
    moved, stayed = (
        score_pair(parent, child, probe, batch_norm=batch_norm, **choice)
        .groupby("approximation")["score"]
        .mean()
        for batch_norm in ("moves", "stays")
    )
    assert stayed["path"] == stayed["direct"] < moved["path"] < 0
    assert "'drifts'" in refused(parent, child, probe, batch_norm="drifts")
