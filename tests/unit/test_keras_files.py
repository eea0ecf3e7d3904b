"""Files of Keras, written by Keras: the weights that its models give, those of the optimiser left out."""

import os
import zipfile

import numpy as np
import pytest

from lineage.checkpoints.read import open_model


@pytest.fixture(scope="module")
def model():
    """Imports Keras, for seconds, in the one worker that has these tests."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    net = keras.Sequential(
        [layers.Input((6, 6, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten()]
        + [layers.Dense(5) for _ in range(12)]
    )
    net.compile("adam", "mse")
    net.train_on_batch(np.ones((2, 6, 6, 1)), np.ones((2, 5)))
    return net


def packed(model, path):
    model.save(path.with_suffix(".keras"))
    with zipfile.ZipFile(path.with_suffix(".keras")) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    path.with_suffix(".keras").unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


WRITERS = {
    "m.keras": lambda model, path: model.save(path),
    "m.h5": lambda model, path: model.save(path),
    "m.weights.h5": lambda model, path: model.save_weights(path),
    "packed": packed,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITERS)
def test_all_weights_and_nothing_else_is_read(tmp_path, model, name):
    WRITERS[name](model, tmp_path / name)
    read = open_model(tmp_path / name)
    assert read.format == "keras"
    found = sorted(
        (read.read(key) for key in read.entries), key=lambda values: (values.shape, values.tobytes())
    )
    expected = sorted(
        (np.float32(values) for values in model.get_weights() if values.dtype.kind == "f"),
        key=lambda values: (values.shape, values.tobytes()),
    )
    assert len(found) == len(expected)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["m.h5", "m.weights.h5"])
def test_layers_come_in_the_order_of_their_numbers(tmp_path, model, name):
    WRITERS[name](model, tmp_path / name)
    kernels = [key for key, entry in open_model(tmp_path / name).entries.items() if len(entry.shape) == 2]
    layer = -2 if name == "m.h5" else -3
    assert [key.split(".")[layer] for key in kernels][-3:] == ["dense_9", "dense_10", "dense_11"]
