"""Scores of disguised children with aligned candidates, against the same scores without the disguise."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lineage import score_pair
from lineage.detector.episodes import load_episodes
from lineage.detector.file import LineageDetector
from lineage.errors import UserError
from lineage.families.networks import SIZE, network
from lineage.networks.architectures import build
from lineage.networks.restore import Models
from lineage.progress import untracked
from lineage.relation.alignment.disguises import disguised
from lineage.similarity.aligned import aligned, aligned_candidate
from lineage.similarity.pairs import block_scores
from lineage.similarity.path import path_features
from lineage.storage.hdf5 import (
    Features,
    PathFeatures,
    Weights,
    write_features,
    write_path_features,
    write_weights,
)
from lineage.types.scoring import Network, Similarity, Tapping

ARCHITECTURES = ("mlp", "conv", "resnet", "vit", "llama")
LAYERS = {"mlp": ["layer1", "layer3"], "conv": ["block2", "block4"], "resnet": ["block1", "block2"]}
NAMES = ["l2", "cka", "cosine", "weight_l2", "weight_cosine"]
PROBE = torch.rand(16, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
CPU = torch.device("cpu")


def fine_tuned(net: nn.Module, seed: int = 1) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in net.parameters():
            values += 0.2 * values.std(correction=0) * torch.randn(values.shape, generator=draw)
    return net.eval()


def hidden(net: nn.Module, how: str, head_width: int | None = None) -> nn.Module:
    """The network with its neurons in another order; what it computes stays."""
    state = {name: values.numpy() for name, values in net.state_dict().items()}
    floats = {name: values for name, values in state.items() if values.ndim}
    copy = state | disguised(floats, how.split(","), np.random.default_rng(3), head_width)
    net.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in copy.items()})
    return net


def parent_of(architecture: str) -> nn.Module:
    return network(architecture, width=32, classes=10, seed=0).eval()


def child_of(architecture: str) -> nn.Module:
    return fine_tuned(parent_of(architecture))


@pytest.mark.parametrize("architecture", LAYERS)
def test_aligned_scores_of_a_reordered_child_are_those_without_the_disguise(architecture):
    asked = {"layers": LAYERS[architecture], "similarities": NAMES, "alphas": [0.25]}
    parent = parent_of(architecture)
    expected = score_pair(parent, child_of(architecture), PROBE, **asked)
    child = hidden(child_of(architecture), "permute")
    found = score_pair(parent, child, PROBE, align=True, **asked)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-3, atol=1e-3)
    as_it_is = score_pair(parent, child, PROBE, **asked)
    is_of_weights = expected["similarity"] == "weight_l2"
    assert (expected["score"] - as_it_is["score"])[is_of_weights].min() > 0.01


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_aligned_candidate_computes_what_it_computed(architecture):
    parent = parent_of(architecture)
    head_width = 32 if architecture in ("vit", "llama") else None
    child = hidden(child_of(architecture), "permute", head_width)
    state = aligned(parent.state_dict(), child.state_dict())
    with torch.no_grad():
        expected, found = parent(PROBE), torch.func.functional_call(parent, state, (PROBE,))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert {name: values.dtype for name, values in state.items()} == {
        name: values.dtype for name, values in parent.state_dict().items()
    }


@pytest.mark.parametrize("architecture", ["mlp", "conv", "vit"])
def test_without_a_disguise_nothing_changes(architecture):
    parent, child = parent_of(architecture), child_of(architecture)
    state = aligned(parent.state_dict(), child.state_dict())
    assert all(torch.equal(state[name], values) for name, values in parent.state_dict().items())


def test_networks_whose_axes_are_not_known_are_refused_in_one_line():
    net = parent_of("lstm").state_dict()
    with pytest.raises(UserError, match="p0: align: .*leave align out") as caught:
        aligned_candidate("p0", net, net)
    assert "\n" not in str(caught.value)


@pytest.fixture
def files(tmp_path):
    """Two roots and a reordered child of the second, of the workflow's own `fc`, as its jobs write them."""
    size = {"classes": 4, "channels": 1, "image_size": 8}
    nets = {f"p{seed}": build("fc", seed=seed, **size) for seed in range(2)}
    nets["c"] = hidden(fine_tuned(build("fc", seed=1, **size)), "permute")
    nets["plain"] = fine_tuned(build("fc", seed=1, **size))
    write_weights(tmp_path / "w.h5", [({"id": name}, net.state_dict()) for name, net in nets.items()])
    probe = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = [
            (name, {"layer3": net.layer3(net.layer2(net.layer1(probe.flatten(1))))})
            for name, net in nets.items()
        ]
    write_features(tmp_path / "f.h5", list("abcdef"), features)
    weights = Weights([tmp_path / "w.h5"])
    models = Models(weights=weights, network=Network(name="fc", image_size=8, channels=1), device=CPU)
    return tmp_path, nets, models, Features([tmp_path / "f.h5"]), probe


def test_a_block_of_children_is_scored_against_aligned_candidates(files):
    _, _, models, features, probe = files
    config = Similarity(
        similarities=("cka", "weight_l2"),
        approximations=("direct", "path"),
        alphas=(0.5,),
        layers=("layer3",),
    )
    rows = {
        child: list(
            block_scores(
                [child], ["p0", "p1"], models, features, probe, config, tracked=untracked, aligned=brought
            )
        )
        for child, brought in (("plain", None), ("c", aligned_candidate))
    }
    of_parent = {
        child: [row["score"] for row in found if row["candidate"] == "p1"] for child, found in rows.items()
    }
    np.testing.assert_allclose(of_parent["c"], of_parent["plain"], rtol=1e-3, atol=1e-4)


def test_a_detector_sees_aligned_weights_and_features(files):
    folder, _, models, features, probe = files
    pairs = path_features(
        ["c"], ["p0", "p1"], models, probe, Tapping(layers=("layer3",)), 0.0,
        tracked=untracked, aligned=aligned_candidate,
    )  # fmt: skip
    write_path_features(folder / "path.h5", pairs)
    on_path = PathFeatures([folder / "path.h5"])
    given = models.weights, features, ["layer3"], ["p0", "p1"], {"c": "p1"}, models.network
    episodes = load_episodes(*given, ("weights", "features"), on_path, align=True)
    (seen,), (features_seen,) = episodes.batch(["c"], 10_000, torch.Generator())
    apart = (seen[0, :, 0] - seen[0, :, 1]).square().mean((1, 2))
    assert apart[1] < 0.1 < 1 < apart[0]
    moved = (features_seen[0, :, 0] - features_seen[0, :, 1]).square().mean((1, 2))
    assert moved[1] < moved[0] / 4


def test_a_detector_aligns_the_networks_that_it_is_given(files):
    folder, nets, _, _, probe = files
    candidates = {name: nets[name] for name in ("p0", "p1")}
    detector = LineageDetector(layers=["layer3"], align=True).eval()
    detector.save(folder / "d.h5")
    found = LineageDetector.load(folder / "d.h5").probabilities(nets["c"], candidates, probe)

    plain = LineageDetector(layers=["layer3"]).eval()
    assert "align" not in plain.config
    plain.load_state_dict(detector.state_dict())
    for net in candidates.values():
        net.load_state_dict(aligned(net.state_dict(), nets["c"].state_dict()))
    np.testing.assert_allclose(found, plain.probabilities(nets["c"], candidates, probe), rtol=1e-5)
