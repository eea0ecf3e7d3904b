"""The vectors of a model say nothing of names, dtype, container, head, and the order and scale of neurons."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from lineage.checkpoints import checkpoint
from lineage.checkpoints.plain.form import open_plain_model
from lineage.errors import UserError
from lineage.families.networks import ARCHITECTURES, network
from lineage.index import coordinates
from lineage.index.coordinates import LONGEST
from lineage.index.vectors import Vectors, vectors_of
from lineage.relation.alignment.axes import UnknownStructureError
from lineage.relation.alignment.disguises import disguised

WIDTH = 64
ALIKE = 0.999
"""Rounding may change a byte by one."""


def state_of(architecture: str, seed: int = 0) -> dict[str, np.ndarray]:
    """A network whose vectors of BatchNorm are not all alike."""
    draw = np.random.default_rng(seed)
    state = network(architecture, width=WIDTH, classes=5, seed=seed).state_dict()
    return {
        name: (values.numpy() * draw.uniform(0.5, 1.5, values.shape)).astype(np.float32)
        for name, values in state.items()
        if values.is_floating_point()
    }


@pytest.fixture
def vectors(tmp_path):
    """Gives the vectors of a state, from a file."""

    def of(state: dict[str, np.ndarray]) -> Vectors:
        path = tmp_path / "model.safetensors"
        save_file({name: np.ascontiguousarray(values) for name, values in state.items()}, path)
        return vectors_of(open_plain_model(path))

    return of


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(float), b.astype(float)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def by_hand(state: dict[str, np.ndarray], draw: np.random.Generator) -> dict[str, np.ndarray]:
    """A perceptron of ReLUs whose hidden neurons changed places and scales."""
    changed = dict(state)
    for this, after in (("layer1.0", "layer2.0"), ("layer2.0", "layer3.0"), ("layer3.0", "head")):
        order, factors = draw.permutation(WIDTH), np.exp(draw.standard_normal(WIDTH)).astype(np.float32)
        changed[f"{this}.weight"] = (changed[f"{this}.weight"] * factors[:, None])[order]
        changed[f"{this}.bias"] = (changed[f"{this}.bias"] * factors)[order]
        changed[f"{after}.weight"] = (changed[f"{after}.weight"] / factors)[:, order]
    return changed


def test_a_perceptron_whose_neurons_changed_places_and_scales_has_the_same_vector(vectors):
    state = state_of("mlp")
    other = by_hand(state, np.random.default_rng(1))
    x = np.random.default_rng(2).standard_normal((3, 256)).astype(np.float32)
    assert np.allclose(forward(state, x), forward(other, x), rtol=1e-3, atol=1e-4)
    assert cosine(vectors(state).own, vectors(other).own) > ALIKE
    assert vectors(state).content != vectors(other).content


def forward(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    for name in ("layer1.0", "layer2.0", "layer3.0"):
        x = np.maximum(x @ state[f"{name}.weight"].T + state[f"{name}.bias"], 0)
    return x @ state["head.weight"].T + state["head.bias"]


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - {"lstm", "gru"}))
@pytest.mark.parametrize("how", ["permute", "rescale", "stream", "heads"])
def test_a_disguised_copy_has_the_same_vector(vectors, architecture, how):
    state = state_of(architecture)
    try:
        other = disguised(state, [how], np.random.default_rng(1), head_width=32)
    except UnknownStructureError:
        pytest.skip("has nothing of the kind")
    assert cosine(vectors(state).own, vectors(other).own) > ALIKE


@pytest.mark.parametrize("architecture", ["mlp", "conv", "llama", "vit"])
def test_independent_networks_have_other_vectors(vectors, architecture):
    first, second = (vectors(state_of(architecture, seed)) for seed in (0, 1))
    assert abs(cosine(first.own, second.own)) < 0.5
    assert abs(cosine(first.given, second.given)) < 0.5


@pytest.mark.parametrize("architecture", ["mlp", "resnet", "vit", "lstm"])
def test_prefix_dtype_and_head_say_nothing(vectors, architecture):
    state = state_of(architecture)
    expected = vectors(state)
    head = [name for name in state if name.startswith("head")]
    variants = {
        "prefix": {f"module.encoder.{name}": values for name, values in state.items()},
        "half": {name: values.astype(np.float16) for name, values in state.items()},
        "head": state | {name: np.ones((9, *state[name].shape[1:]), np.float32) for name in head},
    }
    for variant in variants.values():
        found = vectors(variant)
        assert cosine(found.given, expected.given) > ALIKE
        if expected.own.any():
            assert cosine(found.own, expected.own) > ALIKE
    assert expected.own.any() == (architecture != "lstm")


def test_names_say_nothing_to_the_vector_of_tensors_as_given(vectors):
    state = state_of("conv")
    names = np.random.default_rng(0).permutation(len(state))
    named = {f"tensor_{number}": values for number, values in zip(names, state.values(), strict=True)}
    head = f"tensor_{names[list(state).index('head.weight')]}"
    named[f"{head}.head"] = named.pop(head)
    found, expected = vectors(named), vectors(state)
    assert found.content == expected.content
    assert cosine(found.given, expected.given) > ALIKE


def test_the_container_says_nothing(vectors, tmp_path):
    state = state_of("vit")
    torch.save({name: torch.from_numpy(values) for name, values in state.items()}, tmp_path / "model.pt")
    np.savez(tmp_path / "model.npz", **state)
    expected = vectors(state)
    for name in ("model.pt", "model.npz"):
        found = vectors_of(open_plain_model(tmp_path / name))
        assert found.content == expected.content
        assert cosine(found.own, expected.own) > ALIKE


@pytest.mark.parametrize("architecture", ["resnet", "vit", "lstm"])
def test_each_tensor_is_read_once(tmp_path, architecture, monkeypatch):
    save_file(state_of(architecture), tmp_path / "model.safetensors")
    model = open_plain_model(tmp_path / "model.safetensors")
    asked = []
    read = model.parts
    monkeypatch.setattr(model, "parts", lambda name: asked.append(name) or read(name))
    vectors_of(model)
    assert sorted(asked) == sorted(model.entries)


@pytest.mark.parametrize("architecture", ["conv", "vit", "llama"])
def test_a_large_tensor_is_read_in_runs_of_rows_each_once(tmp_path, architecture, monkeypatch):
    state = state_of(architecture)
    save_file(state, tmp_path / "model.safetensors")
    whole = vectors_of(open_plain_model(tmp_path / "model.safetensors"))
    monkeypatch.setattr(checkpoint, "PART", 500)
    model = open_plain_model(tmp_path / "model.safetensors")
    seen = {name: [] for name in state}
    parts = model.parts

    def counted(name):
        for values in parts(name):
            seen[name].append(values)
            yield values

    monkeypatch.setattr(model, "parts", counted)
    found = vectors_of(model)
    assert all(np.array_equal(np.concatenate(runs), state[name]) for name, runs in seen.items())
    assert all(run.size <= 500 or len(run) == 1 for runs in seen.values() for run in runs)
    assert found.content == whole.content
    assert cosine(found.own, whole.own) > ALIKE
    assert cosine(found.given, whole.given) > ALIKE


def test_a_matrix_of_very_long_rows_is_left_out_without_the_memory_that_its_probes_would_take(vectors):
    state = state_of("mlp")
    found, few, many = (
        vectors(state | more)
        for more in (
            {},
            {"table": np.ones((2, LONGEST + 1), np.float32)},
            {"table": np.ones((LONGEST + 1, 2), np.float32)},
        )
    )
    for other in (few, many):
        assert np.array_equal(other.given, found.given)
        assert other.content != found.content


def test_nothing_is_sent_in_along_an_axis_that_is_too_long(vectors, monkeypatch):
    drawn, lengths = coordinates._probes, []
    monkeypatch.setattr(
        coordinates, "_probes", lambda length, axis: lengths.append(length) or drawn(length, axis)
    )
    assert vectors(state_of("mlp")).own.any()
    assert max(lengths) == 256
    lengths.clear()
    monkeypatch.setattr(coordinates, "LONGEST", 255)
    assert not vectors(state_of("mlp")).own.any()
    assert max(lengths) == WIDTH


def test_a_value_that_is_no_number_is_named_by_its_row_in_the_whole_tensor(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PART", 500)
    state = state_of("mlp")
    state["layer2.0.weight"][33, 4] = np.inf
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(
        UserError, match=r"layer2.0.weight.*0 NaN and 1 infinite values, the first at \[33, 4\]"
    ):
        vectors_of(open_plain_model(tmp_path / "model.safetensors"))


def test_a_model_with_a_value_that_is_no_number_is_refused(vectors):
    state = state_of("mlp")
    state["layer2.0.weight"][3, 4] = np.nan
    with pytest.raises(UserError, match=r"layer2.0.weight.*1 NaN"):
        vectors(state)
