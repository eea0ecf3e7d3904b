"""NumPy's arrays in pickles, bare or PyTorch's, as every protocol writes them; nothing is called."""

import pickle
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import torch

from lineage.checkpoints.read import open_model, open_models
from lineage.errors import UserError

DRAWN = np.random.default_rng(0)
W = DRAWN.normal(size=(6, 5)).astype(np.float32)
ARRAYS = {
    "conv.weight": W,
    "columns.first": np.asfortranarray(W),
    "half.weight": W.astype(np.float16),
    "big.endian": W.astype(">f8"),
    "norm.bias": W[0],
    "brain.weight": W.astype(ml_dtypes.bfloat16),
}


def assert_holds(model, arrays):
    assert set(model.entries) == set(arrays)
    for name, values in arrays.items():
        assert np.array_equal(model.read(name), np.asarray(values, np.float32)), name


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_bare_pickle_of_arrays(tmp_path, protocol):
    (tmp_path / "m.pkl").write_bytes(
        pickle.dumps({"model": ARRAYS, "author": "x", "steps": np.arange(3)}, protocol)
    )
    model = open_model(tmp_path / "m.pkl")
    assert_holds(model, ARRAYS)
    assert model.format == "pickle of arrays"


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("new", [True, False], ids=["archive", "before 1.6"])
@pytest.mark.filterwarnings("ignore")
def test_arrays_that_pytorch_saved(tmp_path, protocol, new):
    torch.save(
        {"state_dict": ARRAYS},
        tmp_path / "m.pt",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=new,
    )
    assert_holds(open_model(tmp_path / "m.pt"), ARRAYS)


def test_dictionaries_in_dictionaries_as_haiku_writes_them(tmp_path):
    tree = {"mlp/~/linear_0": {"w": W, "b": W[0]}, "mlp/~/linear_1": {"w": W.T.copy(), "b": W[:, 0].copy()}}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(tree))
    expected = {
        f"{module}.{name}": values for module, parts in tree.items() for name, values in parts.items()
    }
    assert_holds(open_model(tmp_path / "m.pkl"), expected)


def test_arrays_beside_a_model_are_none(tmp_path):
    state = {"a.weight": torch.tensor(W), "b.weight": torch.tensor(W.T.copy())}
    torch.save(
        {"state_dict": state, "losses": np.zeros(10_000), "rng": np.random.get_state()}, tmp_path / "m.pt"
    )
    (model,) = open_models(tmp_path / "m.pt")
    assert_holds(model, {name: value.numpy() for name, value in state.items()})


def test_an_array_in_many_pieces_of_text_is_one_copy_at_a_time(tmp_path):
    """Protocol 2 has bytes as text, up to twice as long."""
    values = DRAWN.normal(size=(300, 1000))
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"a.weight": values, "b.weight": values}, 2))
    model = open_model(tmp_path / "m.pkl")
    assert np.array_equal(model.read("b.weight"), values.astype(np.float32))


@pytest.mark.parametrize("state", [
    (1, (2, 2), "no type", False, b"1234"), (1, (2**40, 2**40), np.dtype("f4"), False, b"1234"),
    (1, (-1, 2), np.dtype("f4"), False, b"1234"), "nothing", (1, (1,), np.dtype("f4"), False, b"12345"),
])  # fmt: skip
def test_arrays_that_say_what_cannot_be_are_no_weights(tmp_path, state):
    class Liar:
        def __reduce__(self):
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), state

    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"a.weight": Liar()}))
    with pytest.raises(UserError, match="holds no dictionary of float tensors"):
        open_model(tmp_path / "m.pkl")


def test_objects_in_an_array_are_never_made(tmp_path):
    class Prints:
        def __reduce__(self):
            return print, ("ran",)

    (tmp_path / "m.pkl").write_bytes(
        pickle.dumps({"a.weight": W, "b.weight": np.array([Prints()], dtype=object)})
    )
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from lineage.checkpoints.read import open_model\n"
         "print(list(open_model(sys.argv[1]).entries))", tmp_path / "m.pkl"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "['a.weight']\n"


def test_what_lies_after_a_bare_pickle_is_refused(tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"a.weight": W}) + b"more")
    with pytest.raises(UserError, match="nor one of NumPy's arrays alone"):
        open_model(tmp_path / "m.pkl")
