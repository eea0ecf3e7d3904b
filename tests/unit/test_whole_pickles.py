"""Pickles of whole objects are read for their tensors alone, as `state_dict()` gives them; nothing is called."""

import argparse
import collections
import datetime
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lineage.checkpoints.read import open_model, open_models

torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("sixteen", torch.randn(3).half())


class Average:
    def __init__(self, module):
        self.module, self.decay, self.steps = module, 0.99, 7


def network() -> nn.Module:
    return nn.Sequential(collections.OrderedDict(stem=Block(), gru=nn.GRU(4, 5), head=nn.Linear(5, 2)))


def assert_holds(model, state: dict) -> None:
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    assert set(model.entries) == set(floats)
    for name, value in floats.items():
        assert np.array_equal(model.read(name), value.detach().float().numpy()), name


@pytest.mark.parametrize("new", [True, False], ids=["archive", "before 1.6"])
@pytest.mark.filterwarnings("ignore")
def test_a_module_has_the_tensors_of_its_state_dict(tmp_path, new):
    module = network()
    torch.save(module, tmp_path / "m.pt", _use_new_zipfile_serialization=new)
    model = open_model(tmp_path / "m.pt")
    assert_holds(model, module.state_dict())
    assert "nothing was imported or called" in model.notes[0]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_every_protocol_of_pickle_is_read(tmp_path, protocol):
    module = network()
    torch.save({"net": module, "epoch": 3}, tmp_path / "m.pt", pickle_protocol=protocol)
    assert_holds(open_model(tmp_path / "m.pt"), module.state_dict())


def test_a_class_that_is_gone_is_not_needed(tmp_path):
    """The class is defined by a script that nobody else has."""
    script = (
        "import torch\n"
        "class Private(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = torch.nn.Linear(3, 2)\n"
        "    def __setstate__(self, state):\n"
        "        raise SystemExit('it ran')\n"
        "torch.manual_seed(0)\n"
        f"torch.save(Private(), {str(tmp_path / 'm.pt')!r})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert set(open_model(tmp_path / "m.pt").entries) == {"fc.weight", "fc.bias"}


def test_a_module_and_its_average_are_two_models_and_the_larger_is_read(tmp_path):
    module, average = network(), network()
    torch.save({"model": module, "ema": Average(average), "epoch": 1}, tmp_path / "m.pt")
    models = {model.name: model for model in open_models(tmp_path / "m.pt")}
    assert set(models) == {"m.pt::model", "m.pt::ema.module"}
    assert_holds(models["m.pt::ema.module"], average.state_dict())
    chosen = open_model(tmp_path / "m.pt")
    assert chosen.name == "m.pt::model"
    assert any("m.pt::ema.module" in note for note in chosen.notes)
    assert_holds(open_model(f"{tmp_path / 'm.pt'}::ema.module"), average.state_dict())


BESIDE = {
    "counter": collections.Counter({3: 1}),
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "path": Path("/x/y"),
    "numpy scalar": np.float64(0.9),
    "numpy array": np.arange(6.0).reshape(2, 3),
    "numpy random state": np.random.RandomState(0).get_state(),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "deque": collections.deque([1, 2], maxlen=5),
    "set": {1, "two", (3, 4)},
    "frozenset": frozenset({1}),
    "date": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "complex number": 1j,
    "complex tensor": torch.polar(torch.ones(8, 4), torch.ones(8, 4)),
    "float8": torch.zeros(4, 4).to(torch.float8_e4m3fn),
    "dtype": torch.bfloat16,
    "device": torch.device("cpu"),
    "generator": torch.get_rng_state(),
    "bytes": bytearray(b"abc"),
    "schedule": torch.optim.lr_scheduler.MultiStepLR(
        torch.optim.SGD([torch.zeros(1)], 0.1), [3, 6]
    ).state_dict(),
    "slice": slice(1, 2),
    "range": range(3),
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("new", [True, False], ids=["archive", "before 1.6"])
def test_a_harmless_object_beside_the_weights_changes_nothing(tmp_path, name, new):
    if name == "float8" and not new:
        pytest.skip("PyTorch itself cannot write it")
    state = network().state_dict()
    torch.save(
        {"state_dict": state, "x": BESIDE[name]}, tmp_path / "m.pt", _use_new_zipfile_serialization=new
    )
    model = open_model(tmp_path / "m.pt")
    assert_holds(model, state)
    assert model.notes == []


def test_optimisers_are_no_models(tmp_path):
    module = network()
    optimiser = torch.optim.AdamW(module.parameters())
    sum(value.sum() for value in module.parameters()).backward()
    optimiser.step()
    torch.save({"net": module.state_dict(), "optimizer": optimiser.state_dict()}, tmp_path / "m.pt")
    assert [model.name for model in open_models(tmp_path / "m.pt")] == ["m.pt"]


def test_student_and_teacher_are_two_models(tmp_path):
    student, teacher = network().state_dict(), network().state_dict()
    torch.save({"student": student, "teacher": teacher, "loss": torch.ones(3)}, tmp_path / "m.pt")
    models = {model.name: model for model in open_models(tmp_path / "m.pt")}
    assert set(models) == {"m.pt::student", "m.pt::teacher"}
    assert_holds(models["m.pt::teacher"], teacher)


def test_nested_dictionaries_without_dots_are_one_model(tmp_path):
    tree = {f"layer_{n}": {part: torch.randn(3, 3) for part in ("query", "key")} for n in range(2)}
    torch.save({"params": tree}, tmp_path / "m.pt")
    (model,) = open_models(tmp_path / "m.pt")
    assert set(model.entries) == {f"layer_{n}.{part}" for n in range(2) for part in ("query", "key")}


def test_copies_of_nested_dictionaries_are_models_of_their_own(tmp_path):
    def tree():
        return {f"layer_{n}": {"w": torch.randn(3, 3), "b": torch.randn(3)} for n in range(2)}

    torch.save({"params": tree(), "averages": tree()}, tmp_path / "m.pt")
    assert {model.name for model in open_models(tmp_path / "m.pt")} == {"m.pt::params", "m.pt::averages"}


def test_a_list_of_averaged_tensors_is_a_model(tmp_path):
    values = [torch.randn(4, 4) for _ in range(3)]
    torch.save({"decay": 0.9, "shadow_params": values}, tmp_path / "m.pt")
    assert set(open_model(tmp_path / "m.pt").entries) == {f"shadow_params.{n}" for n in range(3)}


def test_nothing_is_imported(tmp_path):
    torch.save(network(), tmp_path / "m.pt")
    code = (
        "import sys; from lineage.checkpoints.read import open_model; "
        f"open_model({str(tmp_path / 'm.pt')!r}).read('head.weight'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "False"
