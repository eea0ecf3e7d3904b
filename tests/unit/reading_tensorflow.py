"""Writers of Flax, Keras and TensorFlow, which have kernels with inputs before outputs and space first."""

import json
import zipfile
from pathlib import Path

import h5py
import msgpack
import numpy as np
from reading_format import as_tree, table_of_writers
from reading_networks import State
from table_writer import bundle, graph
from tflite_writer import tflite_of

WRITERS, writer = table_of_writers()


@writer("Flax msgpack")
def _(state, folder):
    def extended(values):
        return msgpack.ExtType(1, msgpack.packb((values.shape, values.dtype.name, values.tobytes())))

    (folder / "m.msgpack").write_bytes(msgpack.packb({"params": as_tree(state)}, default=extended))
    return folder / "m.msgpack"


@writer("Keras .weights.h5")
def _(state, folder):
    layers = as_tree({name: values for name, values in state.items() if "_l" not in name})
    recurrent = {name: values.T for name, values in state.items() if "weight_" in name and "_l" in name}
    with h5py.File(folder / "m.weights.h5", "w") as file:
        for name, values in recurrent.items():
            _, kind, layer = name.split("_")
            file[f"layers/lstm_{layer[1:]}/cell/vars/{int(kind == 'hh')}"] = values
        for number, (layer, parts) in enumerate(layers.items()):
            for place, values in enumerate(parts.values()):
                file[f"layers/{layer}_{number}/vars/{place}"] = values
    return folder / "m.weights.h5"


@writer("Keras .keras")
def _(state, folder):
    inner = WRITERS["Keras .weights.h5"](state, folder)
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(inner, "model.weights.h5")
    return folder / "m.keras"


@writer("TensorFlow checkpoint")
def _(state, folder):
    flat = {
        f"{layer}/{name}": values for layer, parts in as_tree(state).items() for name, values in parts.items()
    }
    return bundle(folder / "m.ckpt.index", flat)


@writer("SavedModel")
def _(state, folder):
    (folder / "variables").mkdir()
    names = {f"{layer}/{name}/.ATTRIBUTES/VARIABLE_VALUE": values
             for layer, parts in as_tree(state).items() for name, values in parts.items()}  # fmt: skip
    return bundle(folder / "variables" / "variables.index", names)


@writer("TensorFlow graph")
def _(state, folder):
    flat = {
        f"{layer}/{name}": values for layer, parts in as_tree(state).items() for name, values in parts.items()
    }
    (folder / "frozen.pb").write_bytes(graph(flat))
    return folder / "frozen.pb"


def of_tfjs(state: State, folder: Path, *, is_packed: bool) -> Path:
    """A model of TensorFlow.js in two files of numbers, the cut in the middle of a tensor."""
    weights, data = [], b""
    for layer, parts in as_tree(state).items():
        for name, values in parts.items():
            weight = {"name": f"{layer}/{name}", "shape": values.shape, "dtype": "float32"}
            if is_packed and values.ndim > 1:
                low, scale = float(values.min()), float(np.ptp(values) / 255)
                weight["quantization"] = {"dtype": "uint8", "min": low, "scale": scale}
                values = np.round((values - low) / scale).astype(np.uint8)
            weights.append(weight)
            data += values.tobytes()
    half = len(data) // 2 + 1
    paths = ["group1-shard1of2.bin", "group1-shard2of2"]
    for path, part in zip(paths, (data[:half], data[half:]), strict=True):
        (folder / path).write_bytes(part)
    manifest = [{"paths": paths, "weights": weights}]
    (folder / "model.json").write_text(json.dumps({"modelTopology": {}, "weightsManifest": manifest}))
    return folder / "model.json"


@writer("TensorFlow.js")
def _(state, folder):
    return of_tfjs(state, folder, is_packed=False)


@writer("TensorFlow.js, 8 bits")
def _(state, folder):
    return of_tfjs(state, folder, is_packed=True)


@writer("TensorFlow Lite")
def _(state, folder):
    def arranged(values):
        return np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if values.ndim == 4 else values

    (folder / "m.tflite").write_bytes(
        tflite_of({name: (arranged(values), "float32", {}) for name, values in state.items()})
    )
    return folder / "m.tflite"
