"""What the detector is shown: weights and features of candidate and child as images of one place and scale."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_detectors import CPU, KINDS, detector
from torch import Tensor

from lineage.detector.episodes import Episodes, load_episodes
from lineage.detector.predict import predicted_logits
from lineage.errors import UserError
from lineage.networks.architectures import build
from lineage.networks.matrices import weight_matrices, weight_matrix
from lineage.storage.hdf5 import Features, Weights, write_features, write_weights
from lineage.types.scoring import Network

STATE = {
    "a.0.weight": torch.randn(4, 3, 2, 2),
    "a.0.bias": torch.randn(4),
    "a.1.weight": torch.randn(2, 4),
    "b.weight": torch.randn(3, 2),
    "norm.weight": torch.randn(3),
}
SHAPES = {name: tensor.shape for name, tensor in STATE.items()}


def test_the_largest_of_a_layers_own_weights_is_shown():
    assert weight_matrix(SHAPES, "a", list(STATE)) == "a.0.weight"
    assert weight_matrix(SHAPES, "b", list(STATE)) == "b.weight"


def test_a_layer_without_weights_shows_those_that_lead_to_it():
    assert weight_matrix(SHAPES, "pool", ["a.1.weight", "b.weight"]) == "a.1.weight"
    with pytest.raises(UserError, match=r"detector\.layers: norm"):
        weight_matrix(SHAPES, "norm", ["norm.weight"])


def test_where_the_last_stage_has_no_weights_the_largest_matrix_that_leads_to_it_stands_for_it():
    network = Network(name="timm:tf_efficientnet_lite0", image_size=32, channels=3)
    state = build(network.name, classes=4, channels=3, image_size=32, seed=0).state_dict()
    assert weight_matrices(network, state, None) == ["conv_head.weight"]
    assert weight_matrices(network, state, ["blocks.0"]) == ["blocks.0.0.conv_pw.weight"]


def test_a_convolution_is_an_image_of_outputs_by_everything_else():
    kernels = {name: torch.randn(4, 3, 2, 2) for name in ("p0", "c")}
    weights, _ = Episodes([kernels], [], ["p0"], {"c": "p0"}).batch(["c"], 99, torch.Generator())
    assert weights[0].shape == (1, 1, 2, 4, 12)
    scale = torch.stack(list(kernels.values())).square().mean().sqrt()
    torch.testing.assert_close(weights[0][0, 0, 0, 1], kernels["p0"][1].reshape(-1) / scale)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 20), columns=st.integers(1, 20), crop=st.integers(1, 24), seed=st.integers(0, 99))
def test_child_and_candidates_are_cropped_at_one_place(rows, columns, crop, seed):
    places = torch.arange(rows * columns, dtype=torch.float64).reshape(rows, columns) + 1
    parts = {"p0": places, "p1": 2 * places, "c": places}
    episodes = Episodes([parts], [parts], ["p0", "p1"], {"c": "p0"})
    weights, features = episodes.batch(["c", "c"], crop, torch.Generator().manual_seed(seed))
    for batch in (*weights, *features):
        assert batch.shape == (2, 2, 2, min(crop, rows), min(crop, columns))
        torch.testing.assert_close(batch[:, 0, 0], batch[:, 0, 1])
        torch.testing.assert_close(batch[:, 1, 0], 2 * batch[:, 1, 1])
        steps = batch[0, 0, 0].diff(dim=1)
        torch.testing.assert_close(steps, steps.flatten()[:1].expand_as(steps) if steps.numel() else steps)
        torch.testing.assert_close(batch.square().mean((2, 3, 4)), torch.ones(2, 2, dtype=torch.float64))


def test_scaling_all_networks_alike_changes_no_episode():
    def batch(scale: float) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        parts = {name: scale * torch.randn(9, 9, generator=generator) for name in ("p0", "p1", "c")}
        episodes = Episodes([parts], [parts], ["p0", "p1"], {"c": "p0"})
        return [*episodes.batch(["c"], 4, torch.Generator().manual_seed(1))[0]]

    for one, other in zip(batch(1.0), batch(1000.0), strict=True):
        torch.testing.assert_close(one, other)


def test_targets_are_the_places_of_the_parents():
    parts = {name: torch.ones(2, 2) for name in ("p0", "p1", "p2", "c", "d")}
    episodes = Episodes([parts], [parts], ["p0", "p1", "p2"], {"c": "p2", "d": "p0"})
    assert episodes.targets(["c", "d", "c"]).tolist() == [2, 0, 2]


@pytest.fixture
def files(tmp_path):
    """Two candidates and a child with another head, in files."""
    models = {
        "p0": build("fc", classes=10, channels=1, image_size=28, seed=0).state_dict(),
        "p1": build("fc", classes=10, channels=1, image_size=28, seed=1).state_dict(),
        "c": build("fc", classes=3, channels=1, image_size=28, seed=2).state_dict(),
    }
    write_weights(tmp_path / "w.h5", [({"id": name}, state) for name, state in models.items()])
    values = {
        name: {"layer2": torch.full((5, 256), float(place))} for place, name in enumerate(models, start=1)
    }
    write_features(tmp_path / "f.h5", list("abcde"), values.items())
    return models, Weights([tmp_path / "w.h5"]), Features([tmp_path / "f.h5"])


def loaded(files, crop: int = 10_000) -> tuple[Tensor, Tensor]:
    _, weights, features = files
    network = Network(name="fc", image_size=28, channels=1)
    episodes = load_episodes(weights, features, ["layer2"], ["p0", "p1"], {"c": "p1"}, network, KINDS)
    assert episodes.targets(["c"]).tolist() == [1]
    (of_weights,), (of_features,) = episodes.batch(["c"], crop, torch.Generator().manual_seed(0))
    return of_weights, of_features


def test_features_of_files_become_images_of_candidate_and_child(files):
    _, of_features = loaded(files)
    assert of_features.shape == (1, 2, 2, 5, 256)
    scale = torch.tensor([math.sqrt((1 + 9) / 2), math.sqrt((4 + 9) / 2)])
    torch.testing.assert_close(of_features[0, :, 0, 0, 0] * scale, torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(of_features[0, :, 1, 0, 0] * scale, torch.tensor([3.0, 3.0]))


def test_a_child_whose_features_died_leaves_its_candidates_of_ordinary_size():
    parts = {"p0": torch.randn(6, 6), "p1": torch.randn(6, 6), "c": torch.zeros(6, 6)}
    _, (features,) = Episodes([], [parts], ["p0", "p1"], {"c": "p0"}).batch(["c"], 4, torch.Generator())
    assert (features[:, :, 1] == 0).all()
    assert features.abs().max() < 10


def test_the_image_of_a_layers_weights_is_of_that_layer_not_of_an_earlier_one(files):
    of_weights, _ = loaded(files)
    child = files[0]["c"]["layer2.0.weight"]
    assert of_weights.shape == (1, 2, 2, 256, 1024)
    seen = torch.stack([files[0][name]["layer2.0.weight"] for name in ("p0", "c")])
    torch.testing.assert_close(of_weights[0, 0, 1], child / seen.square().mean().sqrt())


def test_modules_are_shown_as_the_models_of_files_are(files):
    models, weights, _ = files
    probe = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    sizes = {"p0": 10, "p1": 10, "c": 3}
    modules = {name: build("fc", classes=sizes[name], channels=1, image_size=28, seed=0) for name in models}
    for name, module in modules.items():
        module.load_state_dict(models[name])
    with torch.no_grad():
        features = {name: module.layer2(module.layer1(probe.flatten(1))) for name, module in modules.items()}
    matrices = {name: weights.dataset(name, "layer2.0.weight") for name in models}
    episodes = Episodes([matrices], [features], ["p0", "p1"], {"c": "p0"})
    net = detector(layers=["layer2"]).eval()
    (logits,) = predicted_logits(net, episodes, ["c"], CPU)
    answer = net.probabilities(modules["c"], {name: modules[name] for name in ("p0", "p1")}, probe)
    np.testing.assert_allclose(answer, logits.softmax(0), rtol=1e-4)
