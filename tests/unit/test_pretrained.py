"""Roots from weights on disk or on a hub, for which local files stand in."""

import os
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_training import STEPS, model_of
from safetensors.torch import save_file
from torch import Tensor, nn

from lineage.data.images import Images
from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.networks.architectures import build
from lineage.training.fit import trained
from lineage.training.pretrained import load_pretrained, read_state
from lineage.types.recipe import Recipe
from lineage.types.scoring import Data, Network

REST = {"data": Data(source="sklearn:digits"), "learning_rate": 0.1, "epochs": 1}
CONVNET = Network(name="convnet", image_size=16, channels=3)
LITE = Network(name="timm:tf_efficientnet_lite0", image_size=32, channels=3)


def network_of(network: Network, classes: int = 10, seed: int = 1) -> nn.Module:
    size = {"image_size": network.image_size, "channels": network.channels}
    return build(network.name, classes=classes, **size, seed=seed)


def saved(net: nn.Module, path) -> dict[str, Tensor]:
    state = net.state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return state


def fresh_with(network: Network, **recipe) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network of 3 classes with loaded weights, and its state before that."""
    net = network_of(network, classes=3, seed=2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    load_pretrained(net, network, Recipe(**REST | recipe))
    return net, before


def told(network: Network, **recipe) -> str:
    with pytest.raises(UserError) as caught:
        fresh_with(network, **recipe)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_a_file_gives_the_backbone_and_leaves_the_head(tmp_path, name):
    state = saved(network_of(CONVNET), tmp_path / name)
    net, before = fresh_with(CONVNET, weights=str(tmp_path / name))
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key] if key.startswith("head.") else state[key]), key


def test_a_checkpoint_that_holds_a_state_dict_is_one(tmp_path):
    state = network_of(CONVNET).state_dict()
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "checkpoint.pt")
    floats = [name for name, value in state.items() if value.is_floating_point()]
    assert list(read_state(tmp_path / "checkpoint.pt")) == floats


@pytest.mark.parametrize("with_counters", [True, False])
def test_tensors_by_other_names_are_found_by_their_order(tmp_path, with_counters):
    state = network_of(LITE, classes=1000).state_dict()
    renamed = OrderedDict(
        (f"_{number}.{name.rpartition('.')[2]}", value)
        for number, (name, value) in enumerate(state.items())
        if with_counters or not name.endswith("num_batches_tracked")
    )
    torch.save(renamed, tmp_path / "lite.pth")
    net, before = fresh_with(LITE, weights=str(tmp_path / "lite.pth"), match="order")
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key] if key.startswith("classifier.") else state[key]), key
    assert "roots.match to order" in told(LITE, weights=str(tmp_path / "lite.pth"))


def test_weights_of_another_network_are_told(tmp_path):
    path = tmp_path / "other.pth"
    net = network_of(CONVNET)
    state = saved(net, path)
    assert "conv_stem.weight" in told(LITE, weights=str(path))
    assert "but got 17" in told(LITE, weights=str(path), match="order")
    torch.save(state | {"block2.0.weight": torch.zeros(1, 2)}, path)
    assert "block2.0.weight: expected shape [128, 128, 3, 3]" in told(CONVNET, weights=str(path))


def test_safetensors_have_no_order(tmp_path):
    saved(network_of(CONVNET), tmp_path / "w.safetensors")
    assert "keep no order" in told(CONVNET, weights=str(tmp_path / "w.safetensors"), match="order")


class Harm:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path):
    torch.save({"weight": Harm(str(tmp_path / "ran"))}, tmp_path / "bad.pth")
    assert "would call" in told(CONVNET, weights=str(tmp_path / "bad.pth"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["no.pth", "no.safetensors"])
def test_a_missing_file_is_told(tmp_path, name):
    assert "no such file" in told(CONVNET, weights=str(tmp_path / name))


@pytest.mark.parametrize("name", ["torn.pth", "torn.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x80\x02nonsense"])
def test_a_broken_file_is_told(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "expected a checkpoint that `lineage audit` reads" in told(CONVNET, weights=str(tmp_path / name))


def test_anything_but_tensors_is_told(tmp_path):
    torch.save(["nothing"], tmp_path / "list.pth")
    assert "no dictionary of float tensors" in told(CONVNET, weights=str(tmp_path / "list.pth"))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.encoder.", "module._orig_mod."])
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"epoch": 3, "model_ema": state}])
def test_what_wrappers_put_before_the_names_is_dropped(tmp_path, prefix, wrap):
    state = network_of(CONVNET).state_dict()
    torch.save(wrap({f"{prefix}{name}": value for name, value in state.items()}), tmp_path / "w.pth")
    net, before = fresh_with(CONVNET, weights=str(tmp_path / "w.pth"))
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key] if key.startswith("head.") else state[key]), key


def test_arrays_and_whole_modules_are_weights_too(tmp_path):
    source = network_of(CONVNET)
    torch.save(source, tmp_path / "module.pt")
    np.savez(tmp_path / "w.npz", **{name: value.numpy() for name, value in source.state_dict().items()})
    for name in ("module.pt", "w.npz"):
        net, _ = fresh_with(CONVNET, weights=str(tmp_path / name))
        for key, value in net.state_dict().items():
            assert key.startswith("head.") or torch.equal(value, source.state_dict()[key]), key


def test_torchvisions_published_weights_come_from_its_cache(tmp_path, monkeypatch):
    network = Network(name="torchvision:mobilenet_v3_small", image_size=32, channels=3)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "mobilenet_v3_small-047dcff4.pth"  # the name of torchvision's own file
    state = saved(network_of(network, classes=1000), path)
    net, before = fresh_with(network, weights="hub")
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key] if key.startswith("classifier.3.") else state[key]), key


def test_timms_published_weights_fit_the_channels_that_the_network_takes(tmp_path, monkeypatch):
    colour = Network(name="timm:resnet18", image_size=32, channels=3)
    state = saved(network_of(colour, classes=1000), tmp_path / "resnet18.pth")
    monkeypatch.setattr(
        "timm.models._builder.load_state_dict_from_hf",
        lambda *place, **options: torch.load(tmp_path / "resnet18.pth", weights_only=True),
    )
    net, _ = fresh_with(replace(colour, channels=1), weights="hub")
    assert torch.equal(net.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])
    torch.testing.assert_close(net.conv1.weight, state["conv1.weight"].sum(1, keepdim=True))
    assert net.fc.out_features == 3


def test_weights_can_be_published_under_another_name(monkeypatch):
    asked = []

    def published(place, **options):
        asked.append(place)
        return network_of(network, classes=1000).state_dict()

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", published)
    network = Network(name="timm:resnet18", image_size=32, channels=3)
    fresh_with(network, weights="hub:resnet18.tv_in1k")
    assert asked == ["timm/resnet18.tv_in1k"]


def test_a_hub_out_of_reach_or_without_the_network_is_told(monkeypatch):
    def unreachable(*place, **options):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", unreachable)
    network = Network(name="timm:resnet18", image_size=32, channels=3)
    assert "timm says: no route to host; " in told(network, weights="hub")
    assert "expected timm:<name> or torchvision:<name>" in told(CONVNET, weights="hub")


def images() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype(np.uint8)
    names = {"ids": list("abcdefghijkl"), "class_names": list("xyz")}
    return Images(pixels=pixels, labels=np.arange(12) % 3, **names)


GIVEN = CONVNET, images(), None, torch.device("cpu")
"""What a root is trained with: a network, images, no parent, a device."""


def root(path, **recipe) -> Model:
    given = STEPS | {"learning_rate": 0.1, "batch_size": 4, "weights": str(path)}
    return model_of(given | recipe, seed=4)


def test_a_root_of_no_epochs_is_the_pretrained_backbone_under_a_new_head(tmp_path):
    state = saved(network_of(CONVNET), tmp_path / "w.pth")
    row, found = trained(root(tmp_path / "w.pth", epochs=0), *GIVEN, start=load_pretrained)
    fresh = network_of(CONVNET, classes=3, seed=4).state_dict()
    for key, value in found.items():
        assert torch.equal(value, fresh[key] if key.startswith("head.") else state[key]), key
    assert (row["epochs"], row["loss"], row["accuracy"]) == (0, None, None)


def test_a_root_starts_its_training_from_the_weights(tmp_path):
    state = saved(network_of(CONVNET), tmp_path / "w.pth")
    again = root(tmp_path / "w.pth", epochs=1, learning_rate=0.01)
    _, found = trained(again, *GIVEN, start=load_pretrained)
    fresh = network_of(CONVNET, classes=3, seed=4).state_dict()
    name = "block3.0.weight"
    assert not torch.equal(found[name], state[name])
    assert (found[name] - state[name]).norm() < 0.1 * (found[name] - fresh[name]).norm()


def test_weights_are_neither_left_out_nor_made_up(tmp_path):
    saved(network_of(CONVNET), tmp_path / "w.pth")
    with pytest.raises(ValueError, match="start is None"):
        trained(root(tmp_path / "w.pth", epochs=0), *GIVEN)


def test_a_file_may_hold_its_weights_in_parts(tmp_path):
    """As torch.nn.utils.prune leaves them, and behind the prefix of a wrapper."""
    state = network_of(CONVNET).state_dict()
    name = next(key for key, value in state.items() if value.ndim == 4)
    mask = (torch.rand(state[name].shape, generator=torch.Generator().manual_seed(0)) > 0.3).float()
    parts = {f"{name}_orig": state[name], f"{name}_mask": mask}
    rest = {key: value for key, value in state.items() if key != name}
    torch.save({f"module.{key}": value for key, value in (parts | rest).items()}, tmp_path / "pruned.pt")
    net, _ = fresh_with(CONVNET, weights=str(tmp_path / "pruned.pt"))
    assert torch.equal(net.state_dict()[name], state[name] * mask)
