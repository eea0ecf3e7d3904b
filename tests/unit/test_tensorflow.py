"""Checkpoints that TensorFlow 2.21 wrote (tests/unit/data/tensorflow), and others of a small writer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_networks import network
from table_writer import bundle, constant, graph, part

from lineage.auditing.run import audit
from lineage.checkpoints.checkpoint import Entry
from lineage.checkpoints.files import Unsupported
from lineage.checkpoints.folders import models_in_folder
from lineage.checkpoints.formats.tensorflow.lists import held_once
from lineage.checkpoints.read import open_model, open_models
from lineage.errors import UserError

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
WRITTEN = Path(__file__).parent / "data" / "tensorflow"


def counted(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 4


def test_variables_of_objects_come_in_the_order_of_their_numbers():
    model = open_model(WRITTEN / "objects.index")
    layers = [f"model.layers.{number}" for number in range(11)]
    assert list(model.entries) == ["model.half", "model.kernel", *layers]
    assert np.array_equal(model.read("model.kernel"), counted(6, 5))
    assert np.array_equal(model.read("model.half"), counted(4, 4))
    for number, name in enumerate(layers):
        assert np.array_equal(model.read(name), counted(2, 3) + number)
    assert model.left_out == {}


def test_variables_of_a_graph_and_their_averages_are_two_models_and_the_optimisers_none():
    own, averaged = open_models(WRITTEN / "graph.index")
    assert set(own.entries) == set(averaged.entries) == {"conv.weights", "fc.kernel"}
    assert np.array_equal(own.read("conv.weights"), counted(3, 3, 2, 4) + 1)
    assert np.array_equal(averaged.read("conv.weights"), counted(3, 3, 2, 4) + 0.5)
    assert averaged.name == "graph.index::ExponentialMovingAverage"
    assert open_model(WRITTEN / "graph.index").name == "graph.index"


def test_a_saved_model_is_found_by_its_variables(tmp_path):
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "keras_metadata.pb"):
        (tmp_path / "saved" / name).write_bytes(b"\x08\x01\x12\x03abc")
    for path in WRITTEN.glob("objects.*"):
        shutil.copy(path, tmp_path / "saved" / "variables" / path.name.replace("objects", "variables"))
    variables = tmp_path / "saved" / "variables" / "variables.index"
    assert models_in_folder(tmp_path).models == [variables]
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01" + part(2, part(9, b"abc")))
    with pytest.raises(Unsupported, match=f"saved_model.pb: a TensorFlow graph .* give {variables}"):
        open_model(tmp_path / "saved" / "saved_model.pb")


def test_many_blocks_and_types(tmp_path):
    tensors = {f"layer_{number}/kernel": counted(4, 3) + number for number in range(300)}
    tensors |= {
        "sixteen/kernel": counted(4, 4).astype(np.float16),
        "step": np.int64(9),
        "wide": counted(2, 2).astype(float),
    }
    model = open_model(bundle(tmp_path / "m.ckpt.index", tensors))
    assert set(model.entries) == {name.replace("/", ".") for name in tensors} - {"step"}
    for name in model.entries:
        assert np.array_equal(model.read(name), tensors[name.replace(".", "/")].astype(np.float32))
    assert model.counts == {"step": 9}


def test_variables_in_slices_are_named(tmp_path):
    path = bundle(tmp_path / "m.index", {"a/kernel": counted(4, 4)}, table=b"\x08\x01\x3a\x02\x0a\x00")
    assert "table" in open_model(path).notes[0]


def test_every_truncation_and_a_missing_file_are_one_line(tmp_path):
    path = bundle(tmp_path / "m.index", {"a/kernel": counted(4, 4)})
    whole = path.read_bytes()
    for start in range(1, len(whole) - 8):
        path.write_bytes(whole[start:])
        with pytest.raises(UserError):
            open_model(path)
    path.write_bytes(whole)
    (tmp_path / "m.data-00000-of-00001").unlink()
    with pytest.raises(UserError, match=r"m\.index: its numbers lie beside it: .*m\.data-00000-of-00001"):
        open_model(path)


GRAPH = {
    "conv/weights": np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype("<f4"),
    "fc/weights": np.random.default_rng(1).normal(size=(8, 5)).astype("<f2"),
    "steps": np.arange(6, dtype="<i4"),
}


def test_the_constants_of_a_frozen_graph_are_its_weights(tmp_path):
    (tmp_path / "g").write_bytes(graph(GRAPH))
    model = open_model(tmp_path / "g")
    assert model.format == "tensorflow graph"
    assert list(model.entries) == ["conv/weights", "fc/weights"]
    assert list(model.left_out) == ["steps"]
    for name in model.entries:
        assert np.array_equal(model.read(name), GRAPH[name].astype(np.float32))


@pytest.mark.parametrize("first", ["a", "a_name/with/parts-1.2", "x" * 127])
def test_a_graph_is_told_by_its_first_node(tmp_path, first):
    values = np.random.default_rng(0).normal(size=(4, len(first) ** 2)).astype("<f4")
    (tmp_path / "g").write_bytes(constant(first, values))
    assert np.array_equal(open_model(tmp_path / "g").read(first), values)
    (tmp_path / "h").write_bytes(constant(first, values, in_fields=True))
    assert np.array_equal(open_model(tmp_path / "h").read(first), values)


W = np.ones((4, 4), np.float32)
GRAPHS = {
    "without constants": (part(1, part(1, b"input") + part(2, b"Placeholder")), "without weights"),
    "truncated": (graph(GRAPH)[:-300], "broken graph"),
    "of more than it holds": (constant("w", W, shape=(4, 40)), "takes 640 bytes, found 64"),
    "of a huge constant": (constant("w", W, shape=(2**40, 2**20)), "more than the limit"),
    "of a type in words": (constant("w", W, dtype=b"float"), "a type that is no number"),
    "of many axes": (constant("w", W, shape=(2**62,) * 100), "axes; expected 64 at most"),
    "whose names are numbers": (constant("w", W) + part(1, part(1, 7) + part(2, 8) + part(5, 9)), None),
    "whose attributes have none": (constant("w", W) + part(1, part(2, b"Const") + part(5, part(2, 5))), None),
    "of one number repeated": (constant("w", W, numbers=part(5, W[0, :1].tobytes())), "without weights"),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_other_graphs_are_refused_in_one_line_and_odd_nodes_passed_over(tmp_path, kind):
    data, said = GRAPHS[kind]
    (tmp_path / "g.pb").write_bytes(data)
    if said is None:
        assert list(open_model(tmp_path / "g.pb").entries) == ["w"]
        return
    with pytest.raises(UserError, match=said) as caught:
        open_model(tmp_path / "g.pb")
    assert "\n" not in str(caught.value)


def of_export(folder: Path, *, is_twice: bool) -> Path:
    """Variables as Keras 3 exports them: in the order of the layers, and all once more in another."""
    values = [counted(3, 3, 2, 4), counted(4), counted(4) + 1, counted(8, 6), counted(6), counted(8, 6) + 9]
    tensors = {f"variables/{number}{VALUE}": value for number, value in enumerate(values)}
    last = values[-1] if is_twice else values[-1] + 1
    again = [values[3], values[2], values[0], last, values[1], values[4]]
    return bundle(
        folder / "m.index", tensors | {f"_all_variables/{n}{VALUE}": v for n, v in enumerate(again)}
    )


def test_variables_that_keras_exports_twice_are_read_once(tmp_path):
    model = open_model(of_export(tmp_path, is_twice=True))
    assert list(model.entries) == [f"variables.{number}" for number in range(6)]
    assert np.array_equal(model.read("variables.5"), counted(8, 6) + 9)


def test_lists_of_other_values_are_both_read(tmp_path):
    assert len(open_model(of_export(tmp_path, is_twice=False)).entries) == 12


def test_lists_that_take_more_than_is_stored_are_not_read():
    def load():
        raise AssertionError("was read")

    raw = {f"{owner}.{number}": Entry((9, 9), "float32", load) for owner in "abc" for number in range(2)}
    assert held_once(raw, 9 * 9 * 6 - 1) == raw


def test_what_is_no_entry_of_a_list_stays_under_its_name():
    entry = Entry((3,), "float32", lambda: np.ones(3))
    raw = {"a.0": entry, "b.0": entry, "b.kernel": entry}
    assert list(held_once(raw, 10**6)) == ["a.0", "b.kernel"]


def test_many_lists_are_told_apart_at_once():
    raw = {
        f"l{owner}.{number}": Entry((2,), "float32", lambda owner=owner: np.full(2, owner // 2))
        for owner in range(20_000)
        for number in range(2)
    }
    assert len(held_once(raw, 10**6)) == 20_000


def test_a_stranger_that_was_exported_is_none_of_these(tmp_path):
    (tmp_path / "bases").mkdir()
    for seed in range(2):
        save_file(network(seed), tmp_path / "bases" / f"p{seed}.safetensors")
    for seed, word in ((0, "same weights"), (5, "none of these")):
        state = {name: values.T if values.ndim == 2 else values for name, values in network(seed).items()}
        names = list(state)
        drawn = np.random.default_rng(1).permutation(len(names))
        path = bundle(
            tmp_path / "m.index",
            {f"variables/{number}{VALUE}": state[name] for number, name in enumerate(names)}
            | {f"_all_variables/{number}{VALUE}": state[names[at]] for number, at in enumerate(drawn)},
        )
        assert audit(path, tmp_path / "bases").verdict == word


def test_a_checkpoint_that_is_called_by_its_folder_alone_is_found(tmp_path):
    (tmp_path / "musician").mkdir()
    bundle(tmp_path / "musician" / "m.index", {"a/kernel": counted(4, 4)})
    for path in (tmp_path / "musician").iterdir():
        path.rename(path.with_name(path.name.removeprefix("m")))
    (tmp_path / ".cache").mkdir()
    bundle(tmp_path / ".cache" / "m.index", {"a/kernel": counted(4, 4)})
    assert models_in_folder(tmp_path).models == [tmp_path / "musician" / ".index"]
    assert list(open_model(tmp_path / "musician" / ".index").entries) == ["a.kernel"]


def test_a_graph_of_mediapipe_is_no_graph_of_weights(tmp_path):
    node = part(1, b"ConstantSidePacketCalculatorFaces") + part(2, b"ConstantSidePacketCalculator")
    (tmp_path / "m.binarypb").write_bytes(part(1, node + part(6, b"PACKET:faces")) * 3)
    with pytest.raises(Unsupported, match="no format that is known"):
        open_model(tmp_path / "m.binarypb")
