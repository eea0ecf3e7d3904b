"""Writers of formats that networks are exported to: GGUF, ONNX, OpenVINO, Core ML, ncnn."""

import struct
from pathlib import Path

import gguf
import numpy as np
import onnx
from coreml_writer import Program
from openvino_writer import Graph
from reading_format import table_of_writers
from reading_networks import State

WRITERS, writer = table_of_writers()


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
