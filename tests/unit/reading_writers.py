"""The same network in every format that is read: by the format's own library where one is installed, else by small
writers. Frameworks that lay kernels out otherwise get them so: inputs before outputs, and space first.
"""

import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import gguf
import h5py
import msgpack
import numpy as np
import onnx
import torch
from coreml_writer import Program
from openvino_writer import Graph
from reading_networks import State
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file
from table_writer import bundle, graph
from tflite_writer import tflite_of

Writer = Callable[[State, Path], Path]
WRITERS: dict[str, Writer] = {}
"""By name: writes a state into a folder, and gives the file to read."""


def writer(name: str):
    def keep(function: Writer) -> Writer:
        WRITERS[name] = function
        return function

    return keep


def of_tensors(state: State, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(values).to(dtype) for name, values in state.items()}


def module_of(state: State) -> torch.nn.Module:
    """Modules in modules, as the dots in the names say."""
    root = torch.nn.Module()
    for name, values in state.items():
        at, (*path, own) = root, name.split(".")
        for part in path:
            if part not in at._modules:
                at.add_module(part, torch.nn.Module())
            at = at._modules[part]
        at.register_parameter(own, torch.nn.Parameter(torch.tensor(values)))
    return root


def inputs_first(values: np.ndarray) -> np.ndarray:
    """As TensorFlow, Keras and Flax have kernels."""
    return np.ascontiguousarray(values.transpose(2, 3, 1, 0) if values.ndim == 4 else values.T)


def as_tree(state: State) -> dict[str, dict[str, np.ndarray]]:
    """Layers of kernels, as those frameworks call them; recurrent matrices and tables keep their names."""
    tree: dict[str, dict[str, np.ndarray]] = {}
    for name, values in state.items():
        layer, _, own = name.rpartition(".")
        is_kernel = own == "weight" and values.ndim > 1 and "embed" not in name
        called = "kernel" if is_kernel else "embedding" if "embed" in layer and own == "weight" else own
        tree.setdefault(layer.replace(".", "_"), {})[called] = inputs_first(values) if is_kernel else values
    return tree


@writer("safetensors")
def _(state, folder):
    save_file(state, folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("safetensors, float16")
def _(state, folder):
    save_torch_file(of_tensors(state, torch.float16), folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("safetensors, bfloat16")
def _(state, folder):
    save_torch_file(of_tensors(state, torch.bfloat16), folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("safetensors, 8-bit floats with a scale")
def _(state, folder):
    tensors = {}
    for name, value in of_tensors(state).items():
        tensors[name] = value
        if value.ndim == 2:
            scale = value.abs().max() / 448
            tensors |= {name: (value / scale).to(torch.float8_e4m3fn), f"{name}_scale": scale}
    save_torch_file(tensors, folder / "m.safetensors")
    return folder / "m.safetensors"


@writer("bitsandbytes, 8 bits")
def _(state, folder):
    tensors = {}
    for name, values in state.items():
        tensors[name] = values
        if values.ndim == 2:
            scale = np.abs(values).max(1)
            tensors[name] = np.round(values / scale[:, None] * 127).astype(np.int8)
            tensors[f"{name.removesuffix('weight')}SCB" if name.endswith("weight") else f"{name}.SCB"] = scale
    save_file(tensors, folder / "m.safetensors")
    return folder / "m.safetensors"


def in_shards(state: State, folder: Path, index: str, suffix: str, save) -> Path:
    names = list(state)
    parts = {f"part-{number + 1}{suffix}": names[number::2] for number in range(2)}
    for shard, members in parts.items():
        save({name: state[name] for name in members}, folder / shard)
    of_name = {name: shard for shard, members in parts.items() for name in members}
    (folder / index).write_text(json.dumps({"weight_map": {name: of_name[name] for name in names}}))
    return folder / index


@writer("shards of safetensors")
def _(state, folder):
    return in_shards(state, folder, "model.safetensors.index.json", ".safetensors", save_file)


@writer("shards of PyTorch")
def _(state, folder):
    def save(part: State, path: Path) -> None:
        torch.save(of_tensors(part), path)

    return in_shards(state, folder, "pytorch_model.bin.index.json", ".bin", save)


@writer("PyTorch, state dict")
def _(state, folder):
    torch.save(of_tensors(state), folder / "m.pt")
    return folder / "m.pt"


@writer("PyTorch before 1.6, as pth.tar with an epoch")
def _(state, folder):
    saved = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in of_tensors(state).items()}}
    torch.save(saved, folder / "m.pth.tar", _use_new_zipfile_serialization=False)
    return folder / "m.pth.tar"


@writer("PyTorch, whole module")
def _(state, folder):
    torch.save(module_of(state), folder / "m.pt")
    return folder / "m.pt"


@writer("TorchScript")
def _(state, folder):
    class Holder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = module_of(state)

        def forward(self, x):
            return x

    torch.jit.save(torch.jit.trace(Holder(), torch.zeros(1), check_trace=False), folder / "m.pt")
    return folder / "m.pt"


@writer("NumPy .npz")
def _(state, folder):
    np.savez(folder / "m.npz", **state)
    return folder / "m.npz"


@writer("pickle of arrays, protocol 2")
def _(state, folder):
    (folder / "m.pkl").write_bytes(pickle.dumps({"model": state}, 2))
    return folder / "m.pkl"


@writer("pickle of arrays, protocol 5")
def _(state, folder):
    (folder / "m.pkl").write_bytes(pickle.dumps(as_tree(state), 5))
    return folder / "m.pkl"


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


def of_gguf(state: State, folder: Path, kind: gguf.GGMLQuantizationType) -> Path:
    out = gguf.GGUFWriter(folder / "m.gguf", "llama")
    for name, values in state.items():
        is_packed = values.ndim == 2 and values.shape[1] % 32 == 0
        stored = gguf.quants.quantize(values, kind) if is_packed else values
        out.add_tensor(name, stored, raw_dtype=kind if is_packed else None)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return folder / "m.gguf"


@writer("GGUF, F16")
def _(state, folder):
    return of_gguf(state, folder, gguf.GGMLQuantizationType.F16)


@writer("GGUF, Q8_0")
def _(state, folder):
    return of_gguf(state, folder, gguf.GGMLQuantizationType.Q8_0)


def of_onnx(folder: Path, nodes, initialisers, **options) -> Path:
    graph = onnx.helper.make_graph(nodes, "g", [], [], initializer=initialisers)
    onnx.save(onnx.helper.make_model(graph), folder / "m.onnx", **options)
    return folder / "m.onnx"


@writer("ONNX")
def _(state, folder):
    return of_onnx(folder, [], [onnx.numpy_helper.from_array(values, name) for name, values in state.items()])


@writer("ONNX, Constant nodes")
def _(state, folder):
    tensors = [onnx.numpy_helper.from_array(values, name) for name, values in state.items()]
    return of_onnx(folder, [onnx.helper.make_node("Constant", [], [t.name], value=t) for t in tensors], [])


@writer("ONNX, data in another file")
def _(state, folder):
    tensors = [onnx.numpy_helper.from_array(values, name) for name, values in state.items()]
    return of_onnx(folder, [], tensors, save_as_external_data=True, location="data", size_threshold=0)


@writer("ONNX, DequantizeLinear")
def _(state, folder):
    nodes, tensors = [], []
    for name, values in state.items():
        if values.ndim < 2:
            tensors.append(onnx.numpy_helper.from_array(values, name))
            continue
        scale = np.float32(np.abs(values).max() / 127)
        parts = {name: np.round(values / scale).astype(np.int8), f"{name}.s": scale, f"{name}.z": np.int8(0)}
        tensors += [onnx.numpy_helper.from_array(np.asarray(part), key) for key, part in parts.items()]
        nodes.append(onnx.helper.make_node("DequantizeLinear", list(parts), [f"{name}.y"]))
    return of_onnx(folder, nodes, tensors)


@writer("OpenVINO, 32 bits")
def _(state, folder):
    graph = Graph(folder / "m.xml")
    for name, values in state.items():
        graph.constant(f"self.{name}", "f32", values)
    return graph.saved()


@writer("OpenVINO, 8 bits")
def _(state, folder):
    graph = Graph(folder / "m.xml")
    for name, values in state.items():
        if values.ndim < 2:
            graph.constant(name, "f16", values.astype(np.float16))
            continue
        scale = np.abs(values.reshape(len(values), -1)).max(1).reshape(-1, *[1] * (values.ndim - 1)) / 127
        stored = graph.constant(name, "i8", np.round(values / scale).astype(np.int8))
        factors = graph.constant(f"{name}/scale", "f16", scale.astype(np.float16))
        graph.operator("Multiply", graph.operator("Convert", stored), factors)
    return graph.saved()


def of_core_ml(state: State, folder: Path, packed) -> Path:
    program = Program(folder / "model.mlmodel")
    for name, values in state.items():
        if values.ndim < 2:
            program.constant(name.replace(".", "_"), values)
        else:
            packed(program, f"{name.replace('.', '_')}_to_fp16", values)
    return program.saved()


@writer("Core ML, 16 bits")
def _(state, folder):
    return of_core_ml(
        state, folder, lambda program, name, values: program.constant(name, values.astype(np.float16))
    )


@writer("Core ML, 8 bits")
def _(state, folder):
    return of_core_ml(state, folder, Program.quantised)


@writer("Core ML, tables of 6 bits")
def _(state, folder):
    return of_core_ml(state, folder, lambda program, name, values: program.palette(name, values, 6))


def plain(values: np.ndarray) -> bytes:
    return struct.pack("<I", 0) + values.astype("<f4").tobytes()


@writer("ncnn, 16 bits")
def _(state, folder):
    lines, data = [], b""
    for number, (name, values) in enumerate(state.items()):
        size, length = values.size, len(values)
        if "_l" in name and "weight_ih" not in name:
            continue
        if "_l" in name:
            gates, half = values.reshape(4, -1, values.shape[1]), length // 4
            data += plain(gates[[0, 1, 3, 2]]) + plain(np.zeros(length))
            data += plain(state[name.replace("_ih", "_hh")].reshape(4, half, half)[[0, 1, 3, 2]])
            lines.append(f"LSTM lstm{name[-1]} 1 1 {number} {number + 1} 0={half} 1={size} 2=0")
            continue
        if values.ndim == 4:
            kind, said = "Convolution", f"0={length} 1={values.shape[3]} 11={values.shape[2]} 6={size}"
        elif values.ndim == 2:
            kind, said = "InnerProduct", f"0={length} 2={size}"
        else:
            kind, said = "PReLU", f"0={size}"
        layer = name.removesuffix(".weight") if values.ndim > 1 else name.replace(".", "_")
        lines.append(f"{kind} {layer} 1 1 {number} {number + 1} {said}")
        stored = values.astype("<f2" if values.ndim > 1 else "<f4").tobytes()
        data += (struct.pack("<I", 0x01306B47) if values.ndim > 1 else b"") + stored + bytes(-len(stored) % 4)
    (folder / "m.param").write_text(f"7767517\n{len(lines)} {len(lines)}\n" + "\n".join(lines) + "\n")
    (folder / "m.bin").write_bytes(data)
    return folder / "m.param"


def written(name: str, state: State, folder: Path) -> Path:
    """The file of a state in a format, in a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return WRITERS[name](state, folder)
