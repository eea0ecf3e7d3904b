"""TorchScript archives and quantised tensors of PyTorch are read as PyTorch itself gives them."""

import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from lineage.checkpoints.read import open_model

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.gru = nn.GRU(4, 5)
        self.fc = nn.Linear(5, 2)
        self.register_buffer("scale", torch.ones(2) * 3)

    def forward(self, x):
        hidden, _ = self.gru(self.stem(x).mean((2, 3))[None])
        return self.fc(hidden[0]) * self.scale


def network() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(network()), path)


def traced(path):
    torch.jit.save(torch.jit.trace(network(), torch.randn(2, 1, 6, 6)), path)


def mobile(path):
    torch.jit.script(network())._save_for_lite_interpreter(str(path))


def compressed(path):
    scripted(path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("write", [scripted, traced, mobile, compressed], ids=lambda write: write.__name__)
def test_the_tensors_are_those_of_the_state_dict(tmp_path, write):
    write(tmp_path / "m.pt")
    model = open_model(tmp_path / "m.pt")
    state = {name: value for name, value in network().state_dict().items() if value.is_floating_point()}
    assert set(model.entries) == set(state)
    for name, value in state.items():
        assert np.array_equal(model.read(name), value.numpy()), name
    assert model.format == "torchscript"
    assert "its code was not" in model.notes[0]


def test_frozen_weights_lie_among_the_constants(tmp_path):
    """Freezing folds the norm into the convolution; the other layers stay as they were."""
    torch.jit.save(torch.jit.freeze(torch.jit.script(network())), tmp_path / "m.pt")
    model = open_model(tmp_path / "m.pt")
    found = [model.read(name) for name in model.entries]
    for wanted in ("gru.weight_hh_l0", "fc.weight"):
        values = network().state_dict()[wanted].numpy()
        assert any(np.array_equal(read, values) for read in found), wanted


@pytest.mark.parametrize("as_script", [False, True])
def test_a_network_quantised_by_pytorch_is_dequantised_as_pytorch_does(tmp_path, as_script):
    net = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()
    quantised = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, torch.qint8)
    if as_script:
        torch.jit.save(torch.jit.script(quantised), tmp_path / "m.pt")
    else:
        torch.save(quantised.state_dict(), tmp_path / "m.pt")
    model = open_model(tmp_path / "m.pt")
    found = [model.read(name) for name, entry in model.entries.items() if len(entry.shape) == 2]
    for layer in (quantised[0], quantised[2]):
        wanted = layer.weight().dequantize().numpy()
        assert any(read.shape == wanted.shape and np.allclose(read, wanted, atol=1e-6) for read in found)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [torch.qint8, torch.quint8])
def test_a_scale_for_each_channel_is_applied_along_its_axis(tmp_path, axis, dtype):
    values = torch.randn(5, 7)
    count = values.shape[axis]
    tensor = torch.quantize_per_channel(
        values, torch.rand(count) / 50 + 0.01, torch.randint(0, 5, (count,)), axis, dtype
    )
    torch.save({"w": tensor}, tmp_path / "m.pt")
    assert np.allclose(open_model(tmp_path / "m.pt").read("w"), tensor.dequantize().numpy(), atol=1e-6)


def test_one_scale_for_a_whole_tensor(tmp_path):
    tensor = torch.quantize_per_tensor(torch.randn(5, 7), 0.02, 3, torch.quint8)
    torch.save({"layer.weight": tensor.T}, tmp_path / "m.pt")
    assert np.allclose(open_model(tmp_path / "m.pt").read("layer.weight"), tensor.dequantize().T, atol=1e-6)
