"""Kinds of files that are known and not read are refused by name, and beside them nothing is `none of these`."""

import json
import pickle
import random
import zipfile
import zlib

import joblib
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from small_networks import ROOTS

from lineage.auditing.run import audit
from lineage.checkpoints.files import NoWeights
from lineage.checkpoints.folders import NO_MODEL, models_in_folder
from lineage.checkpoints.read import open_model, open_models
from lineage.checkpoints.several import parted
from lineage.errors import UserError

STATE = {name: torch.tensor(values) for name, values in ROOTS["p0"].items()}


def archives(path):
    """As PyTorch's distributed checkpoints: an archive for each tensor, one behind the other."""
    with path.open("wb") as stream:
        for tensor in list(STATE.values())[:2]:
            torch.save(tensor, stream)


def package(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/.data/extern_modules", "torch\n")


def exported(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/archive_format", "pt2")


def keras_shards(path):
    path.write_text(json.dumps({"metadata": {}, "weight_map": {"/layers/a/vars": "m_00000.weights.h5"}}))


REFUSED = {
    "m.pt2": (exported, "torch.export"),
    "m.weights.json": (keras_shards, "Keras' shards"),
    "__0_0.distcp": (archives, "distributed checkpoint of PyTorch"),
    "packaged.pt": (package, "torch.package"),
    "m.ort": (lambda path: path.write_bytes(b"\x14\0\0\0ORTM" + bytes(40)), "ONNX Runtime"),
    "m.pte": (lambda path: path.write_bytes(b"\x14\0\0\0ET12" + bytes(40)), "ExecuTorch"),
    "m.joblib": (lambda path: path.write_bytes(zlib.compress(pickle.dumps(ROOTS["p0"]))), "compress=0"),
    "m.npy": (lambda path: np.save(path, np.ones(9)), "numpy.savez"),
    "m.mat": (lambda path: path.write_bytes(b"MATLAB 5.0 MAT-file, Platform: posix"), "MATLAB"),
    "m.ggml": (lambda path: path.write_bytes(b"lmgg" + bytes(40)), "GGUF"),
    "m.plan": (lambda path: path.write_bytes(b"ftrt" + bytes(40)), "TensorRT"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_name_and_counts_as_left_out(tmp_path, name):
    make, said = REFUSED[name]
    save_file(ROOTS["p1"], tmp_path / "p1.safetensors")
    make(tmp_path / name)
    with pytest.raises(UserError, match=said) as refused:
        open_model(tmp_path / name)
    assert refused.value.exit_code == 5
    assert "\n" not in str(refused.value)
    save_file(ROOTS["p0"], tmp_path.with_suffix(".safetensors"))
    report = audit(tmp_path.with_suffix(".safetensors"), tmp_path, store_digests=False)
    assert report.verdict == "cannot tell"
    assert [said in line for line in report.refused.values()] == [True]


def test_trees_are_no_networks_and_are_passed_over(tmp_path):
    save_file(ROOTS["p1"], tmp_path / "p1.safetensors")
    (tmp_path / "booster.json").write_text('{"learner":{"attributes":{},"feature_names":[]}}')
    assert models_in_folder(tmp_path).passed_over == {tmp_path / "booster.json": NO_MODEL}
    with pytest.raises(UserError, match="decision trees"):
        open_model(tmp_path / "booster.json")


def of_training(folder):
    """What a trainer leaves beside a model."""
    network = torch.nn.Linear(9, 9)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(9)).sum().backward()
    optimiser.step()
    torch.save(optimiser.state_dict(), folder / "optimizer.pt")
    torch.save({"last_epoch": 1, "base_lrs": [0.1]}, folder / "scheduler.pt")
    torch.save({"cpu": torch.get_rng_state(), "numpy": np.random.get_state()}, folder / "rng_state.pth")
    (folder / "random_states_0.pkl").write_bytes(
        pickle.dumps({"python": random.getstate(), "torch": torch.get_rng_state()})
    )
    torch.save({"optimizer_state_dict": {"fp32": [torch.ones(9)]}}, folder / "zero_optim_states.pt")


def test_none_of_these_is_said_beside_what_a_training_leaves(tmp_path):
    folder, child = tmp_path / "checkpoint-10", tmp_path / "child.safetensors"
    folder.mkdir()
    save_file(ROOTS["p1"], folder / "model.safetensors")
    of_training(folder)
    save_file(ROOTS["p0"], child)
    report = audit(child, folder, store_digests=False)
    assert report.verdict == "none of these"
    assert len(report.refused) == 5
    for path in folder.glob("*.p*"):
        with pytest.raises(NoWeights, match="beside a model"):
            open_models(path)


def test_a_shard_of_zero_stage_3_is_refused_by_name(tmp_path):
    torch.save({"module": {name: torch.empty(0) for name in STATE}}, tmp_path / "model_states.pt")
    with pytest.raises(UserError, match="zero_to_fp32"):
        open_model(tmp_path / "model_states.pt")


def module(path):
    network = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.Linear(5, 3))
    path.write_bytes(pickle.dumps(network))
    return {name: values.numpy() for name, values in network.state_dict().items()}


def plain(path):
    state = {name: torch.tensor(values) for name, values in ROOTS["p0"].items()}
    path.write_bytes(pickle.dumps({"epoch": 3, "model": state | {"half.weight": torch.ones(4, 4).half()}}))
    return ROOTS["p0"] | {"half.weight": np.ones((4, 4), np.float32)}


def by_joblib(path):
    state = ROOTS["p0"] | {"turned.weight": np.asfortranarray(np.arange(12.0).reshape(3, 4))}
    joblib.dump(state, path)
    return state


@pytest.mark.parametrize("write", [module, plain, by_joblib])
def test_tensors_that_lie_in_a_bare_pickle_are_read(tmp_path, write):
    expected = write(tmp_path / "m.pkl")
    found = open_model(tmp_path / "m.pkl")
    assert found.entries.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found.read(name), values.astype(np.float32))


@pytest.mark.parametrize("write", [plain, by_joblib])
@pytest.mark.parametrize("cut", [10, 300, 5000])
def test_a_bare_pickle_that_is_cut_off_is_refused_with_one_line(tmp_path, write, cut):
    write(tmp_path / "m.pkl")
    (tmp_path / "m.pkl").write_bytes((tmp_path / "m.pkl").read_bytes()[:-cut])
    with pytest.raises(UserError) as refused:
        open_model(tmp_path / "m.pkl")
    assert "\n" not in str(refused.value)


def test_a_folder_may_have_colons_in_its_name(tmp_path):
    folder = tmp_path / "run::2:b"
    folder.mkdir()
    (tmp_path / "run").mkdir()
    again = {name: tensor.clone() for name, tensor in STATE.items()}
    torch.save({"ema": STATE, "model": again}, folder / "m.pt")
    save_file(ROOTS["p0"], folder / "p0.safetensors")
    assert [model.name for model in open_models(folder / "m.pt")] == ["m.pt::ema", "m.pt::model"]
    assert open_model(f"{folder}/m.pt::ema").name == "m.pt::ema"
    assert (
        audit(f"{folder}/m.pt::ema", folder / "p0.safetensors", store_digests=False).verdict == "same weights"
    )
    assert audit(folder / "p0.safetensors", folder, store_digests=False).closest in ("m::ema", "m::model")
    with pytest.raises(UserError, match="no model 'other'"):
        open_model(f"{folder}/m.pt::other")


@pytest.mark.parametrize("given", ["missing::a", "a::b::c", "", "::", "x"])
def test_a_name_is_parted_where_no_file_is_called_so(given):
    assert parted(given) == (given.partition("::")[0], given.partition("::")[2])


def test_json_of_shards_is_no_tree(tmp_path):
    (tmp_path / "m.index.json").write_text(json.dumps({"weight_map": {"learner": "attributes"}}))
    with pytest.raises(UserError, match="attributes"):
        open_model(tmp_path / "m.index.json")
