"""Quantised weights against numbers packed here, one at a time, as each scheme's own documentation says."""

import json

import h5py
import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from lineage.checkpoints.files import Unsupported
from lineage.checkpoints.read import open_model

DRAWN = np.random.default_rng(0)
W = DRAWN.normal(size=(16, 32)).astype(np.float32)
NF4 = np.sort(DRAWN.normal(size=16)).astype(np.float32)
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
"""Which of eight outputs AWQ puts at each place of an integer."""


def read(tmp_path, tensors):
    save_file(
        {name: np.ascontiguousarray(values) for name, values in tensors.items()}, tmp_path / "m.safetensors"
    )
    return open_model(tmp_path / "m.safetensors")


def test_bitsandbytes_of_8_bits(tmp_path):
    scale = np.abs(W).max(1)
    stored = np.round(W / scale[:, None] * 127).astype(np.int8)
    model = read(tmp_path, {"a.fc.weight": stored, "a.fc.SCB": scale, "a.fc.weight_format": np.uint8(0)})
    assert list(model.entries) == ["a.fc.weight"]
    assert model.left_out == {}
    assert np.allclose(model.read("a.fc.weight"), W, atol=scale.max() / 127)


def nf4(nested: bool) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """512 numbers in blocks of 64; with `nested`, the blocks' limits are themselves codes in blocks of 4."""
    codes = DRAWN.integers(0, 16, W.size)
    limits = DRAWN.random(8).astype(np.float32) + 0.5
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": list(W.shape)}
    parts = {"absmax": limits, "quant_map": NF4}
    if nested:
        table, inner = np.linspace(0, 1, 256).astype(np.float32), np.float32([0.5, 2.0])
        limit_codes = DRAWN.integers(0, 256, 8).astype(np.uint8)
        state |= {"nested_blocksize": 4, "nested_offset": 0.25, "nested_dtype": "float32"}
        limits = np.float32(
            [table[code] * inner[place // 4] + 0.25 for place, code in enumerate(limit_codes)]
        )
        parts = {"absmax": limit_codes, "quant_map": NF4, "nested_absmax": inner, "nested_quant_map": table}
    values = np.float32([NF4[code] * limits[place // 64] for place, code in enumerate(codes)])
    packed = np.uint8([high << 4 | low for high, low in codes.reshape(-1, 2)])[:, None]
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    tensors = {"fc.weight": packed, "fc.weight.quant_state.bitsandbytes__nf4": text}
    return tensors | {f"fc.weight.{name}": part for name, part in parts.items()}, values.reshape(W.shape)


@pytest.mark.parametrize("nested", [False, True])
def test_bitsandbytes_of_4_bits(tmp_path, nested):
    tensors, expected = nf4(nested)
    model = read(tmp_path, tensors | {"norm.weight": W[0]})
    assert set(model.entries) == {"fc.weight", "norm.weight"}
    assert model.left_out == {}
    assert np.allclose(model.read("fc.weight"), expected, atol=1e-6)


def packed(values: np.ndarray, bits: int, order=None) -> np.ndarray:
    """Rows of unsigned numbers, so many to an integer of 32 bits, the first in the lowest bits."""
    count = 32 // bits
    order = order or range(count)
    rows = []
    for row in values:
        words = [
            sum(int(row[at + place]) << bits * slot for slot, place in enumerate(order))
            for at in range(0, len(row), count)
        ]
        rows.append(words)
    return np.uint32(rows).view(np.int32)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("reordered", [False, True])
def test_gptq(tmp_path, bits, reordered):
    inputs, outputs, groups = 64, 16, 4
    values = DRAWN.integers(0, 2**bits, (inputs, outputs))
    zeros = DRAWN.integers(0, 2**bits - 1, (groups, outputs))
    scales = DRAWN.random((groups, outputs)).astype(np.float16)
    belongs = DRAWN.permutation(inputs) % groups if reordered else np.arange(inputs) // (inputs // groups)
    tensors = {
        "fc.qweight": packed(values.T, bits).T, "fc.qzeros": packed(zeros, bits), "fc.scales": scales
    }  # fmt: skip
    if reordered:
        tensors["fc.g_idx"] = belongs.astype(np.int32)
    model = read(tmp_path, tensors)
    assert list(model.entries) == ["fc.weight"]
    expected = np.empty((outputs, inputs), np.float32)
    for column, group in enumerate(belongs):
        expected[:, column] = (values[column] - (zeros[group] + 1)) * scales[group].astype(np.float32)
    assert np.allclose(model.read("fc.weight"), expected, atol=1e-5)


def test_awq(tmp_path):
    inputs, outputs, groups = 64, 16, 4
    values, zeros = DRAWN.integers(0, 16, (inputs, outputs)), DRAWN.integers(0, 16, (groups, outputs))
    scales = DRAWN.random((groups, outputs)).astype(np.float16)
    model = read(tmp_path, {
        "fc.qweight": packed(values, 4, AWQ_ORDER), "fc.qzeros": packed(zeros, 4, AWQ_ORDER), "fc.scales": scales
    })  # fmt: skip
    expected = np.stack(
        [(values[n] - zeros[n // 16]) * scales[n // 16].astype(np.float32) for n in range(inputs)]
    )
    assert np.allclose(model.read("fc.weight"), expected.T, atol=1e-5)


def test_compressed_tensors_of_4_bits(tmp_path):
    values = DRAWN.integers(0, 16, W.shape)
    scale = DRAWN.random((16, 4)).astype(np.float32)
    model = read(tmp_path, {
        "fc.weight_packed": packed(values, 4), "fc.weight_scale": scale, "fc.weight_shape": np.int64(W.shape)
    })  # fmt: skip
    expected = (values - 8) * np.repeat(scale, 8, axis=1)
    assert np.allclose(model.read("fc.weight"), expected, atol=1e-5)


FLOAT8 = W.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
SCALES = {
    "a number": ("weight_scale", np.float32(0.5), lambda: FLOAT8 * 0.5),
    "by row": ("weight_scale", np.linspace(1, 2, 16)[:, None], lambda: FLOAT8 * np.linspace(1, 2, 16)[:, None]),
    "by block": ("weight_scale_inv", np.float32([[1, 2], [3, 4]]),
                 lambda: FLOAT8 * np.kron([[1, 2], [3, 4]], np.ones((8, 16)))),
    "called otherwise": ("scale_weight", np.float32([2]), lambda: FLOAT8 * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", SCALES)
def test_floats_of_8_bits_with_a_scale(tmp_path, name):
    called, scale, expected = SCALES[name]
    stored = torch.tensor(W).to(torch.float8_e4m3fn)
    assert np.array_equal(stored.float().numpy(), FLOAT8)
    tensors = {"fc.weight": stored, f"fc.{called}": torch.tensor(np.float32(scale))}
    save_torch_file(tensors, tmp_path / "m.safetensors")
    torch.save(tensors, tmp_path / "m.pt")
    for file in ("m.safetensors", "m.pt"):
        model = open_model(tmp_path / file)
        assert list(model.entries) == ["fc.weight"]
        assert np.allclose(model.read("fc.weight"), expected(), rtol=1e-6)


def test_floats_of_8_bits_without_a_scale_are_what_they_are(tmp_path):
    save_torch_file({"fc.weight": torch.tensor(W).to(torch.float8_e5m2)}, tmp_path / "m.safetensors")
    expected = torch.tensor(W).to(torch.float8_e5m2).float().numpy()
    assert np.array_equal(open_model(tmp_path / "m.safetensors").read("fc.weight"), expected)


def test_quantised_weights_without_a_scale_are_named(tmp_path):
    model = read(tmp_path, {"fc.weight": np.ones((8, 8), np.int8), "head.weight": W, "steps": np.arange(3)})
    assert list(model.entries) == ["head.weight"]
    (note,) = model.notes
    assert "fc.weight" in note
    assert "int8: quantised weights, without a scale that is known" in note


def test_nothing_but_quantised_weights_without_a_scale_is_unsupported(tmp_path):
    with pytest.raises(Unsupported, match="int8"):
        read(tmp_path, {"fc.weight": np.ones((8, 8), np.int8)})


@pytest.mark.parametrize("groups", [[0, 9], [-1, 0]])
def test_groups_that_no_scale_has_are_refused(tmp_path, groups):
    index = np.int32((groups * 4) + [0] * 56)
    model = read(tmp_path, {
        "fc.qweight": np.zeros((8, 16), np.int32), "fc.qzeros": np.zeros((4, 2), np.int32),
        "fc.scales": np.ones((4, 16), np.float16), "fc.g_idx": index,
    })  # fmt: skip
    with pytest.raises(Exception, match="its groups are not those of its scales"):
        model.read("fc.weight")


FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]


def test_mxfp4_of_experts(tmp_path):
    codes, powers = DRAWN.integers(0, 16, (2, 6, 3, 32)), DRAWN.integers(120, 130, (2, 6, 3))
    packed_codes = np.uint8(codes[..., 0::2] | codes[..., 1::2] << 4)
    tensors = {"mlp.gate_up_proj_blocks": packed_codes, "mlp.gate_up_proj_scales": powers.astype(np.uint8)}
    model = read(tmp_path, tensors | {"norm.weight": W[0]})
    assert set(model.entries) == {"mlp.gate_up_proj", "norm.weight"}
    expected = np.empty((2, 6, 96), np.float32)
    for expert, row, column in np.ndindex(expected.shape):
        group, place = divmod(column, 32)
        power = int(powers[expert, row, group]) - 127
        expected[expert, row, column] = FP4[codes[expert, row, group, place]] * 2.0**power
    assert np.array_equal(model.read("mlp.gate_up_proj"), expected)


@pytest.mark.parametrize(
    "names", [("fc.weight_packed", "fc.weight_global_scale"), ("fc.weight", "fc.weight_scale_2")]
)
def test_nvfp4(tmp_path, names):
    codes = DRAWN.integers(0, 16, (8, 64))
    local = DRAWN.uniform(1, 2, (8, 4)).astype(ml_dtypes.float8_e4m3fn)
    tensors = {
        names[0]: torch.tensor(np.uint8(codes[:, 0::2] | codes[:, 1::2] << 4)),
        "fc.weight_scale": torch.tensor(local.astype(np.float32)).to(torch.float8_e4m3fn),
        names[1]: torch.tensor([4.0]),
    }
    save_torch_file(tensors, tmp_path / "m.safetensors")
    model = open_model(tmp_path / "m.safetensors")
    assert list(model.entries) == ["fc.weight"]
    common = 4.0 if names[1].endswith("_2") else 1 / 4.0
    expected = [[FP4[code] * float(local[row, column // 16]) * common for column, code in enumerate(line)]
                for row, line in enumerate(codes)]  # fmt: skip
    assert np.allclose(model.read("fc.weight"), expected)


@pytest.mark.parametrize("has_bias", [True, False])
def test_keras_8_bits_are_divided_by_the_scale_which_comes_last(tmp_path, has_bias):
    kernel = DRAWN.integers(-127, 128, (12, 7)).astype(np.int8)
    scale, bias = DRAWN.uniform(10, 90, 7).astype(np.float32), DRAWN.normal(size=7).astype(np.float32)
    table, of_table = (
        DRAWN.integers(-127, 128, (9, 5)).astype(np.int8),
        DRAWN.uniform(10, 90, 9).astype(np.float32),
    )
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for number, values in enumerate([kernel, *([bias] if has_bias else []), scale]):
            file[f"layers/dense/vars/{number}"] = values
        for number, values in enumerate([table, of_table]):
            file[f"layers/embedding/vars/{number}"] = values
    model = open_model(tmp_path / "m.weights.h5")
    expected = [
        "layers.dense.vars.0",
        *(["layers.dense.vars.1"] if has_bias else []),
        "layers.embedding.vars.0",
    ]
    assert list(model.entries) == expected
    assert np.allclose(model.read("layers.dense.vars.0"), kernel / scale)
    assert np.allclose(model.read("layers.embedding.vars.0"), table / of_table[:, None])


def test_keras_4_bits_are_named_and_not_read_as_8(tmp_path):
    halves = DRAWN.integers(-7, 8, (2, 12, 7))
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.int8(halves[0] & 15 | halves[1] << 4)
        file["layers/dense/vars/1"] = np.ones(7, np.float32)
        file["layers/other/vars/0"] = W
    model = open_model(tmp_path / "m.weights.h5")
    assert list(model.entries) == ["layers.other.vars.0"]
    assert "quantised weights, without a scale that is known" in model.notes[0]


@pytest.mark.parametrize(
    ("bits", "zeros"), [(4, None), (4, "packed"), (4, "floats"), (8, "packed"), (2, None)]
)
def test_blocks_of_onnx_runtime(tmp_path, bits, zeros):
    """MatMulNBits: 50 inputs in blocks of 16, so that the last is not full."""
    outputs, inputs, block, count = 6, 50, 16, 4
    codes = DRAWN.integers(0, 2**bits, (outputs, count, block))
    scales = DRAWN.random((outputs, count)).astype(np.float32)
    points = np.full((outputs, count), 2 ** (bits - 1))
    initialisers = [
        onnx.numpy_helper.from_array(bytes_of(codes, bits), "w"),
        onnx.numpy_helper.from_array(scales.ravel(), "s"),
    ]
    if zeros:
        points = DRAWN.integers(0, 2**bits, (outputs, count))
        stored = bytes_of(points, bits).ravel() if zeros == "packed" else points.astype(np.float32)
        initialisers.append(onnx.numpy_helper.from_array(stored, "z"))
    settings = {"K": inputs, "N": outputs, "bits": bits, "block_size": block}
    names = ["x", "w", "s", *(["z"] if zeros else [])]
    node = onnx.helper.make_node("MatMulNBits", names, ["y"], domain="com.microsoft", **settings)
    graph = onnx.helper.make_graph([node], "g", [], [], initializer=initialisers)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    model = open_model(tmp_path / "m.onnx")
    assert list(model.entries) == ["w"]
    expected = np.empty((outputs, inputs), np.float32)
    for row, column in np.ndindex(outputs, inputs):
        group, place = divmod(column, block)
        expected[row, column] = (codes[row, group, place] - points[row, group]) * scales[row, group]
    assert np.allclose(model.read("w"), expected)


def bytes_of(codes: np.ndarray, bits: int) -> np.ndarray:
    """Numbers of few bits in bytes along the last axis, the lowest bits first."""
    each = 8 // bits
    padded = np.concatenate([codes, np.zeros((*codes.shape[:-1], -codes.shape[-1] % each), int)], axis=-1)
    parts = padded.reshape(*codes.shape[:-1], -1, each)
    return np.uint8(sum(parts[..., place] << bits * place for place in range(each)))
