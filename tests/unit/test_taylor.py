"""The `taylor` approximation against the paper's published scores and against one backward pass a similarity."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp

from lineage import score_pair
from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone, state_of
from lineage.similarity.measures import SIMILARITIES
from lineage.similarity.pairs import linearised

PUBLISHED = json.loads((Path(__file__).parent / "data" / "published_scores.json").read_text())
CASES = PUBLISHED["cases"]


def perceptron(layers: list[dict]) -> nn.Module:
    modules = []
    for layer in layers:
        weight = torch.tensor(layer["weight"], dtype=torch.float64)
        linear = nn.Linear(*reversed(weight.shape), dtype=torch.float64)
        linear.load_state_dict({"weight": weight, "bias": torch.tensor(layer["bias"], dtype=torch.float64)})
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case['approximation']}-{case['parent']}-{case['alpha']}"
)
def test_scores_equal_the_published_ones_wherever_these_are_not_clipped(case):
    scores = score_pair(
        perceptron(PUBLISHED["parents"][case["parent"]]),
        perceptron(PUBLISHED["child"]),
        torch.tensor(PUBLISHED["probe"], dtype=torch.float64),
        layers=["3"],
        approximations=[case["approximation"]],
        alphas=[case["alpha"] or 0.5],
    ).set_index("similarity")["score"]
    for similarity in {"l1", "l2", "lp", "linf", "lse"} & set(case):
        clipped = case["approximation"] == "taylor" and similarity in ("l2", "lp") and case[similarity] == 0
        if clipped:
            assert scores[similarity] > 0, "what the paper clips to 0 overshoots here, and says so"
        else:
            assert scores[similarity] == pytest.approx(case[similarity], abs=1e-6)


NETWORKS = {
    "fc": {"name": "fc", "channels": 1, "image_size": 8},
    "resnet18": {"name": "timm:resnet18", "channels": 3, "image_size": 32},
    "vit": {"name": "timm:vit_tiny_patch16_224", "channels": 3, "image_size": 32},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_taylor_equals_one_backward_pass_a_similarity(network):
    torch.manual_seed(0)
    parent, child = (build(**NETWORKS[network], classes=3, seed=seed).double() for seed in (1, 2))
    size = NETWORKS[network]["image_size"]
    probe = torch.rand(6, NETWORKS[network]["channels"], size, size, dtype=torch.float64)
    backbone = Backbone(parent, probe)
    layer = backbone.layers[-2]
    theta_p, theta_c = state_of(parent), state_of(child)
    moving = {name: theta_p[name].clone().requires_grad_() for name in backbone.parameter_names}
    child_features = backbone(theta_c, probe)[layer].detach()
    scores = score_pair(parent, child, probe, layers=[layer], approximations=["taylor"], alphas=[0.25])
    scores = scores[scores["layer"] == layer].set_index("similarity")["score"]
    for similarity in SIMILARITIES:
        power = {"l2": 2, "lp": 4}.get(similarity, 1)
        features = backbone(theta_p | moving, probe)[layer]
        value = (
            -((-SIMILARITIES[similarity](features, child_features)) ** power)
            if power > 1
            else (SIMILARITIES[similarity](features, child_features))
        )
        gradients = torch.autograd.grad(
            value, list(moving.values()), allow_unused=True, materialize_grads=True
        )
        step = sum(
            (gradient * (theta_c[name] - theta_p[name])).sum()
            for name, gradient in zip(moving, gradients, strict=True)
        )
        expanded = (value + 0.25 * step).item()
        expected = (
            expanded
            if power == 1
            else -((-expanded) ** (1 / power))
            if expanded < 0
            else (expanded ** (1 / power))
        )
        assert scores[similarity] == pytest.approx(expected, rel=1e-6, abs=1e-6), similarity


def test_features_of_a_backbone_equal_those_that_a_hook_on_the_whole_network_sees():
    network = build("timm:resnet18", classes=3, channels=3, image_size=32, seed=0).eval()
    probe = torch.rand(2, 3, 32, 32)
    seen = {}
    network.layer2.register_forward_hook(lambda module, inputs, output: seen.update(output=output))
    with torch.no_grad():
        functional_call(network, state_of(network), (probe,))
        features = Backbone(network, probe, layers=["layer2"])(state_of(network), probe)["layer2"]
    torch.testing.assert_close(features, seen["output"].mean((2, 3)))


def test_linear_layers_have_the_derivatives_of_pytorch_to_the_last_bit():
    network = build("fc", classes=10, channels=1, image_size=28, seed=0)
    parent, child = state_of(network), state_of(build("fc", classes=10, channels=1, image_size=28, seed=1))
    probe = torch.rand(32, 1, 28, 28)
    backbone = Backbone(network, probe)
    delta = {name: child[name] - parent[name] for name in backbone.parameter_names}
    moving = {name: parent[name] for name in delta}
    with torch.no_grad():
        expected = jvp(lambda moving: backbone(parent | moving, probe), (moving,), (delta,))
    for ours, theirs in zip(linearised(backbone, parent, delta, probe), expected, strict=True):
        assert all(torch.equal(ours[layer], theirs[layer]) for layer in backbone.layers)


def test_scores_do_not_import_pytorchs_compiler():
    """It takes as long to import as PyTorch itself, in each of many short jobs."""
    code = """
import sys, torch
from lineage import score_pair
from lineage.jobs.device import make_deterministic
from lineage.networks.architectures import build

make_deterministic(1)
size = {"classes": 3, "channels": 1, "image_size": 8}
parent, child = (build("fc", seed=seed, **size) for seed in (0, 1))
frame = score_pair(parent, child, torch.rand(8, 1, 8, 8), similarities=["l1", "cka", "cosine"])
assert "taylor" in set(frame["approximation"])
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
