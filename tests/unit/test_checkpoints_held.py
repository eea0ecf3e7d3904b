"""Tensors that stay in memory: each is read once, none is changed, and they are no more than their limit."""

import numpy as np
import pytest

from lineage.checkpoints import checkpoint
from lineage.checkpoints.checkpoint import Checkpoint, Entry, held
from lineage.checkpoints.files import safe_file


def counting(values: dict[str, np.ndarray], path) -> tuple[Checkpoint, list[str]]:
    """A model, and the names of the tensors that were loaded, one more for each time."""
    path.write_bytes(bytes(64))
    loaded: list[str] = []

    def entry(name: str, array: np.ndarray) -> Entry:
        def load() -> np.ndarray:
            loaded.append(name)
            return array.copy()

        return Entry(array.shape, str(array.dtype), load)

    entries = {name: entry(name, array) for name, array in values.items()}
    return Checkpoint("model", "a format", [safe_file(path)], entries), loaded


VALUES = {
    "large": np.arange(11.0),
    "first": np.arange(6, dtype=np.float16).reshape(2, 3),
    "second": np.arange(4.0),
    "last": np.ones(1),
}


def test_tensors_up_to_the_limit_are_loaded_once_and_the_others_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "HELD", 10)
    model, loaded = counting(VALUES, tmp_path / "model")
    kept = held(model)
    for _ in range(3):
        for name, values in VALUES.items():
            np.testing.assert_array_equal(kept.read(name), values.astype(np.float32))
    assert loaded == ["large", "first", "second", "last", "large", "last", "large", "last"]


def test_a_tensor_that_is_held_cannot_be_changed(tmp_path):
    model, _ = counting(
        {"weights": np.ones((2, 2), np.float32), "scale": np.float32(2)[None]}, tmp_path / "model"
    )
    kept = held(model)
    with pytest.raises(ValueError, match="read-only"):
        kept.read("weights")[0] = 0
    assert kept.read("weights").min() == 1


def test_a_scalar_of_numpy_is_held_as_any_tensor(tmp_path):
    model, _ = counting({"weights": np.ones(2, np.float32)}, tmp_path / "model")
    model.entries["scale"] = Entry((), "float32", lambda: np.float32(3))
    assert held(model).read("scale") == 3
