"""What the scores of a pair depend on, and what they leave as it was."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from moved_networks import made, probe_of
from test_scoring_refusals import refused
from torch import Tensor, nn

from lineage import score_pair


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
