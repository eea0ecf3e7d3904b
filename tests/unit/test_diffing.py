"""`lineage diff` and `lineage hash` on pairs that are constructed: what was done to each tensor is known exactly."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_networks import child_of, network
from typer.testing import CliRunner

from lineage.checkpoints.read import open_model
from lineage.cli import app
from lineage.diffing.diff import ModelDifference, diff
from lineage.diffing.hashes import Hashes, hashes_of
from lineage.diffing.tensors import Change, TensorDifference
from lineage.diffing.terminal import sentence
from lineage.errors import UserError

State = dict[str, np.ndarray]
A = network(5)
STACK = {
    f"layers.{number}.{name}": values
    for number in range(5)
    for name, values in network(20 + number, widths=(64, 64, 10)).items()
    if not name.startswith("head")
}
"""Five layers of one shape."""


def stored(folder, state: State, name: str = "b.safetensors"):
    save_file({key: np.ascontiguousarray(values) for key, values in state.items()}, folder / name)
    return folder / name


@pytest.fixture
def differ(tmp_path):
    """The difference of two states."""

    def of(a: State, b: State) -> ModelDifference:
        return diff(stored(tmp_path, a, "a.safetensors"), stored(tmp_path, b))

    return of


def states(found: ModelDifference) -> dict[str, str]:
    return {tensor.name: str(tensor.state) for tensor in found.tensors}


def all_but(changed: dict[str, str], state: State = A) -> dict[str, str]:
    return dict.fromkeys(state, "identical") | changed


def test_equal_tensors_are_identical(differ):
    found = differ(A, A)
    assert (found.is_same, states(found)) == (True, all_but({}))


def test_wrappers_prefixes_and_the_order_of_tensors_do_not_count(differ):
    found = differ(A, {f"module.net.{name}": A[name] for name in reversed(A)})
    assert (found.is_same, set(states(found).values())) == (True, {"identical"})


def test_other_names_are_identical_tensors_with_a_source(differ):
    found = differ(A, {f"part{number}.{name}": A[name] for number, name in enumerate(A)})
    assert not found.is_same
    assert found.hashes[0].values == found.hashes[1].values
    assert {(tensor.name.partition(".")[2], str(tensor.state)) for tensor in found.tensors} == {
        (name, "identical") for name in A
    }
    assert all(tensor.name.endswith(str(tensor.source)) for tensor in found.tensors)


def test_a_copy_in_half_precision_is_frozen(differ):
    found = differ(A, {name: values.astype(np.float16) for name, values in A.items()})
    assert set(states(found).values()) == {"frozen"}


def test_values_that_half_precision_holds_are_identical_in_both(differ):
    half = {name: values.astype(np.float16) for name, values in A.items()}
    assert differ(half, {name: values.astype(np.float32) for name, values in half.items()}).is_same


def test_transposed_matrices_are_identical(differ):
    found = differ(A, {name: values.T if values.ndim == 2 else values for name, values in A.items()})
    assert set(states(found).values()) == {"identical"}


def test_the_relative_change_is_the_ratio_of_norms(differ):
    child = A | {"layer1.weight": A["layer1.weight"] * np.float32(1.5)}
    found = differ(A, child)
    assert states(found) == all_but({"layer1.weight": "fine-tuned"})
    (changed,) = [tensor for tensor in found.tensors if tensor.name == "layer1.weight"]
    assert changed.change == pytest.approx(0.5, abs=1e-9)
    assert changed.rank == changed.of == 80


def test_a_fine_tuned_network_with_a_new_head(differ):
    child = child_of(A, 3)
    found = differ(A, child)
    assert states(found) == dict.fromkeys(A, "fine-tuned") | {
        "head.weight": "re-initialised",
        "head.bias": "re-initialised",
    }
    for tensor in found.tensors:
        before, after = (state[tensor.name].astype(np.float64) for state in (A, child))
        assert tensor.change == pytest.approx(
            np.linalg.norm(after - before) / np.linalg.norm(before), abs=1e-9
        )


def test_a_bias_alone(differ):
    found = differ(A, A | {"layer2.bias": A["layer2.bias"] + np.float32(1e-3)})
    assert states(found) == all_but({"layer2.bias": "fine-tuned"})
    (layer,) = [layer for layer in found.layers if layer.differing]
    assert (layer.layer, layer.state, layer.tensors, layer.differing) == ("layer2", "fine-tuned", 2, 1)


def test_a_layer_of_fresh_random_numbers_is_reinitialised(differ):
    fresh = np.random.default_rng(1).normal(0, 0.1, A["layer1.weight"].shape).astype(np.float32)
    found = differ(A, A | {"layer1.weight": fresh, "layer1.bias": np.zeros(80, np.float32)})
    assert states(found) == all_but({"layer1.weight": "re-initialised", "layer1.bias": "re-initialised"})


def test_a_layer_of_another_trained_network_is_replaced(differ):
    trained = child_of(network(77), 1, strength=3)
    found = differ(A, A | {"layer1.weight": trained["layer1.weight"]})
    assert states(found) == all_but({"layer1.weight": "replaced"})


def test_tensors_that_only_one_of_both_has(differ):
    added = {"extra.weight": network(9)["layer0.weight"][:32], "extra.bias": np.ones(32, np.float32)}
    assert states(differ(A, A | added)) == all_but(dict.fromkeys(added, "added"))
    found = differ(A | added, A)
    assert states(found) == all_but(dict.fromkeys(added, "removed"))


def test_a_longer_vocabulary_is_resized(differ):
    table = np.random.default_rng(2).normal(size=(100, 32)).astype(np.float32)
    longer = np.concatenate([table, np.zeros((8, 32), np.float32)])
    found = differ({"wte.weight": table} | A, {"wte.weight": longer} | A)
    assert states(found) == all_but({"wte.weight": "resized"})
    assert found.tensors[0].change == 0


def test_two_layers_that_changed_places_are_moved(differ):
    swap = {"layers.1": "layers.3", "layers.3": "layers.1"}
    moved = {swap.get(name[:8], name[:8]) + name[8:]: values for name, values in STACK.items()}
    found = differ(STACK, moved)
    assert states(found) == all_but({name: "moved" for name in STACK if name[:8] in swap}, STACK)
    assert all(
        tensor.source == swap.get(tensor.name[:8], tensor.name[:8]) + tensor.name[8:]
        for tensor in found.tensors
    )


def test_a_layer_that_was_taken_out_moves_those_after_it(differ):
    shorter = {
        f"layers.{number}.{part}": STACK[f"layers.{number + (number >= 2)}.{part}"]
        for number in range(4)
        for part in ("layer0.weight", "layer0.bias")
    }
    found = differ(STACK, shorter)
    sources = {
        tensor.name[:8]: str(tensor.source)[:8] for tensor in found.tensors if tensor.state != "removed"
    }
    assert sources == {f"layers.{number}": f"layers.{number + (number >= 2)}" for number in range(4)}
    assert {tensor.name[:8] for tensor in found.tensors if tensor.state == "removed"} == {"layers.2"}


def test_a_layer_that_was_moved_and_then_trained_is_found_by_its_rows(differ):
    layer = {name[9:]: values for name, values in STACK.items() if name[:8] == "layers.1"}
    trained = child_of(layer | {"head.weight": A["head.weight"]}, 8)
    changed = STACK | {f"layers.3.{name}": values for name, values in trained.items() if name[:4] != "head"}
    tensors = differ(STACK, changed).tensors
    assert [tensor.name[:8] for tensor in tensors if tensor.state == "removed"] == ["layers.3"] * 2
    found = {tensor.name: tensor for tensor in tensors if tensor.state != "removed"}
    weight, bias = found["layers.3.layer0.weight"], found["layers.3.layer0.bias"]
    assert (weight.state, weight.source) == ("moved", "layers.1.layer0.weight")
    assert (bias.state, bias.source) == ("moved", "layers.1.layer0.bias")
    assert weight.change > 0.05


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 8, 16, 31, 32, 48, 63, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_rank_of_a_lora_is_found(differ, rank, dtype):
    draw = np.random.default_rng(rank)
    base = {
        "q.weight": draw.normal(0, 0.05, (128, 160)), "up.weight": draw.normal(0, 0.05, (500, 128)),
        "norm.weight": draw.normal(1, 0.1, 128),
    }  # fmt: skip
    tuned = {
        name: values + draw.normal(0, 0.1, (len(values), rank)) @ draw.normal(0, 0.1, (rank, values.shape[1]))
        if values.ndim == 2
        else values
        for name, values in base.items()
    }
    found = differ(
        *({name: values.astype(dtype) for name, values in state.items()} for state in (base, tuned))
    )
    assert {tensor.rank for tensor in found.tensors if tensor.state == "fine-tuned"} == {rank}
    assert found.low_rank == rank


@pytest.mark.parametrize(("rank", "said"), [(None, None), (5, 5)])
def test_a_large_matrix_whose_rank_is_measured_up_to_a_limit_is_a_lora_only_below_it(differ, rank, said):
    """A change of every entry has the rank 800, of which 384 are seen."""
    draw = np.random.default_rng(8)
    base = draw.normal(0, 0.05, (800, 900))
    change = draw.normal(0, 0.01, base.shape)
    if rank:
        change = draw.normal(0, 0.05, (800, rank)) @ draw.normal(0, 0.05, (rank, 900))
    found = differ({"w": base.astype(np.float32)}, {"w": (base + change).astype(np.float32)})
    assert found.low_rank == said
    assert ("LoRA" in sentence(found)) == (said is not None)


def test_a_change_within_rounding_is_no_lora():
    tensors = [TensorDifference(name="w", state=Change.FINE_TUNED, shape=(64, 64), rank=0, of=64)]
    found = ModelDifference(("a", "b"), (Hashes("1", "1"), Hashes("2", "2")), tensors)
    assert found.low_rank is None
    assert "LoRA" not in sentence(found)


def test_training_of_all_weights_is_no_lora(differ):
    assert differ(A, child_of(A, 3)).low_rank is None


def test_a_hash_is_of_tensors_alone(tmp_path):
    import torch

    save_file(A, tmp_path / "plain.safetensors")
    save_file(dict(reversed(A.items())), tmp_path / "noted.safetensors", metadata={"base_model": "other"})
    np.savez(tmp_path / "arrays.npz", **{f"model.{name}": values for name, values in A.items()})
    torch.save(
        {"state_dict": {f"module.{name}": torch.tensor(values) for name, values in A.items()}, "epoch": 3},
        tmp_path / "trained.pt",
    )
    hashes = {hashes_of(open_model(path)) for path in sorted(tmp_path.iterdir())}
    assert len(hashes) == 1


@pytest.mark.parametrize("change", ["value", "name", "shape", "swap"])
def test_a_hash_changes_with_what_a_model_is(tmp_path, change):
    changed = {name: values.copy() for name, values in STACK.items()}
    first, second = "layers.0.layer0.weight", "layers.1.layer0.weight"
    if change == "value":
        changed[first][3, 5] = np.nextafter(changed[first][3, 5], np.float32(1))
    elif change == "name":
        changed["layers.9.layer0.weight"] = changed.pop(first)
    elif change == "shape":
        changed[first] = changed[first].reshape(32, 128)
    else:
        changed[first], changed[second] = changed[second], changed[first]
    before, after = (hashes_of(open_model(stored(tmp_path, state))) for state in (STACK, changed))
    assert before.tensors != after.tensors
    assert (before.values == after.values) == (change in ("name", "swap"))


def test_the_commands_print_and_write(tmp_path):
    a, b = stored(tmp_path, A, "a.safetensors"), stored(tmp_path, child_of(A, 3))
    run = CliRunner().invoke
    hashed = run(app, ["hash", str(a), str(b)])
    assert hashed.exit_code == 0
    assert [line.split("  ")[1] for line in hashed.stdout.splitlines()] == [str(a), str(b)]
    assert len({len(line.split("  ")[0]) for line in hashed.stdout.splitlines()} | {64}) == 1
    assert run(app, ["diff", str(a), str(a)]).exit_code == 0
    differs = run(app, ["diff", str(a), str(b), "--json", str(tmp_path / "d.json")])
    assert differs.exit_code == 1
    assert "differs from" in differs.stdout
    report = json.loads((tmp_path / "d.json").read_text())
    assert report["counts"] == {"fine-tuned": 6, "re-initialised": 2}
    assert report["a"]["hash"] == hashed.stdout.split()[0]
    assert {layer["layer"] for layer in report["layers"]} == {"layer0", "layer1", "layer2", "head"}


def test_values_that_are_no_numbers_are_named(tmp_path):
    broken = A | {"layer0.bias": np.full(96, np.nan, np.float32)}
    with pytest.raises(UserError, match=r"b\.safetensors: tensor 'layer0.bias' holds 96 NaN"):
        diff(stored(tmp_path, A, "a.safetensors"), stored(tmp_path, broken))
    assert load_file(tmp_path / "b.safetensors").keys() == A.keys()


def test_a_tensor_without_entries_is_none_that_changed(tmp_path):
    added = diff(
        stored(tmp_path, A, "a.safetensors"), stored(tmp_path, A | {"none": np.zeros((0, 5), np.float32)})
    )
    assert added.counts == {"identical": len(A), "added": 1}
