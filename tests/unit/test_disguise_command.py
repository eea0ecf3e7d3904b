"""`lineage disguise`: a copy whose outputs were compared, or one line that says why there is none."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from lineage.auditing import disguised_copy
from lineage.auditing.disguised_copy import write_disguised
from lineage.cli import app
from lineage.errors import UserError
from lineage.networks.architectures import ARCHITECTURES, build

SIZE = {"image_size": 8, "channels": 1}


@pytest.fixture
def fc(tmp_path):
    state = build("fc", classes=3, seed=0, **SIZE).state_dict()
    path = tmp_path / "fc.safetensors"
    save_file({name: values.numpy() for name, values in state.items()}, path)
    return path


def test_the_command_writes_a_copy_whose_outputs_are_those_of_the_model(fc, tmp_path):
    out = tmp_path / "copy.safetensors"
    size = ["--image-size", "8", "--channels", "1"]
    command = ["disguise", str(fc), "--how", "permute,rescale", "--out", str(out), "--arch", "fc", *size]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "its outputs differ by " in result.output
    before, after = load_file(fc), load_file(out)
    x = np.random.default_rng(0).random((5, 64), np.float32)
    assert np.allclose(forward(before, x), forward(after, x), atol=1e-5)
    assert not np.allclose(before["layer2.0.weight"], after["layer2.0.weight"], atol=0.01)


def forward(state, x):
    for name in ("layer1.0", "layer2.0", "layer3.0"):
        x = np.maximum(x @ state[f"{name}.weight"].T + state[f"{name}.bias"], 0)
    return x @ state["head.weight"].T + state["head.bias"]


def test_the_same_seed_writes_the_same_copy(fc, tmp_path):
    copies = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for copy, seed in zip(copies, (1, 1, 2), strict=True):
        assert write_disguised(str(fc), ["permute"], copy, seed=seed) is None
    assert copies[0].read_bytes() == copies[1].read_bytes() != copies[2].read_bytes()


def test_a_copy_is_written_by_way_of_one_file_alone_which_is_removed_when_the_command_is_stopped(
    fc, tmp_path, monkeypatch
):
    with (tmp_path / "part").open("wb") as part:
        number = Path(f"/dev/fd/{part.fileno()}")  # in that folder no other file can be made
        monkeypatch.setattr(disguised_copy, "written_whole", lambda to: contextlib.nullcontext(number))
        write_disguised(str(fc), ["permute"], tmp_path / "copy.safetensors")
    assert load_file(tmp_path / "part").keys() == load_file(fc).keys()


def test_a_copy_does_not_take_the_place_of_its_model(fc):
    before = fc.read_bytes()
    with pytest.raises(UserError, match=r"--out: .* is the checkpoint itself, which would be lost"):
        write_disguised(str(fc), ["permute"], fc.parent / "." / fc.name)
    assert fc.read_bytes() == before


def test_what_cannot_be_disguised_is_one_line(fc, tmp_path):
    out = tmp_path / "copy.safetensors"
    with pytest.raises(UserError, match=r"--how: expected some of permute, .*, got 'hide'"):
        write_disguised(str(fc), ["hide"], out)
    with pytest.raises(UserError, match=r"cannot be disguised: rotate: this network has nothing of the kind"):
        write_disguised(str(fc), ["rotate"], out)
    with pytest.raises(UserError, match=r"convnet: tensor 'block1.0.weight' is not in both"):
        write_disguised(str(fc), ["permute"], out, arch="convnet", **SIZE)
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--seed", "-1"), ("--head-width", "0"), ("--image-size", "0")]
)
def test_an_option_out_of_range_is_refused(fc, tmp_path, option, value):
    out = tmp_path / "copy.safetensors"
    result = CliRunner().invoke(
        app, ["disguise", str(fc), "--how", "permute", "--out", str(out), option, value]
    )
    assert result.exit_code == 2
    assert not out.exists()


def test_a_copy_whose_outputs_differ_is_not_written(tmp_path, monkeypatch):
    def bent(*, classes, channels, image_size):
        """No ReLU, so that scales do not go through."""
        layers = [
            nn.Flatten(),
            nn.Linear(channels * image_size**2, 32),
            nn.Tanh(),
            nn.Linear(32, 32),
            nn.Tanh(),
        ]
        return nn.Sequential(*layers, nn.Linear(32, classes))

    monkeypatch.setitem(ARCHITECTURES, "bent", bent)
    path, out = tmp_path / "bent.safetensors", tmp_path / "copy.safetensors"
    state = build("bent", classes=3, seed=0, **SIZE).state_dict()
    save_file({name: values.numpy() for name, values in state.items()}, path)
    with pytest.raises(UserError, match="the disguised copy's outputs differ by .*, more than 1e-05"):
        write_disguised(str(path), ["rescale"], out, arch="bent", **SIZE)
    assert not out.exists()
    assert write_disguised(str(path), ["permute"], out, arch="bent", **SIZE) < 1e-5


CHAIN = {"encoder.0": (64, 49), "encoder.2": (32, 64), "decoder.0": (64, 32), "decoder.2": (49, 64)}


def chain(folder, names):
    """A chain of matrices under some names, in a file that has sorted them."""
    draw = np.random.default_rng(0)
    shapes = dict(zip(names, CHAIN.values(), strict=True))
    state = {f"{name}.weight": draw.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    save_file(state, folder / "chain.safetensors")
    return folder / "chain.safetensors", state


def through(state, names, x):
    for name in names[:-1]:
        x = np.tanh(x @ state[f"{name}.weight"].T)
    return x @ state[f"{names[-1]}.weight"].T


def test_a_copy_of_an_autoencoder_whose_file_has_the_decoder_first_does_what_it_does(tmp_path):
    path, state = chain(tmp_path, CHAIN)
    write_disguised(str(path), ["permute"], tmp_path / "copy.safetensors")
    x = np.random.default_rng(1).normal(size=(5, 49))
    copy = load_file(tmp_path / "copy.safetensors")
    assert not np.array_equal(copy["encoder.2.weight"], state["encoder.2.weight"])
    assert np.allclose(through(copy, list(CHAIN), x), through(state, list(CHAIN), x), atol=1e-5)


@pytest.mark.parametrize(
    "names",
    [("reads", "squeezes", "grows", "paints"), ("trunk.0", "trunk.1", "body.0", "body.1")],
    ids=" ".join,
)
def test_no_copy_is_written_where_the_order_of_modules_is_a_guess_and_outputs_are_not_compared(
    tmp_path, names
):
    path, _ = chain(tmp_path, names)
    with pytest.raises(UserError, match=r"whether data pass .* or .* first is a guess; give --arch"):
        write_disguised(str(path), ["permute"], tmp_path / "copy.safetensors")
    assert not (tmp_path / "copy.safetensors").exists()
