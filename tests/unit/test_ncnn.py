"""ncnn's graphs and numbers, written here after src/layer/*.cpp and src/modelbin.cpp."""

import struct

import numpy as np
import pytest

from lineage.checkpoints.files import Unsupported
from lineage.checkpoints.folders import models_in_folder
from lineage.checkpoints.read import open_model

DRAWN = np.random.default_rng(0)
TAGS = {"f4": 0, "f2": 0x01306B47, "i1": 0x000D4B38}


def drawn(*shape):
    return DRAWN.normal(size=shape).astype(np.float32)


def stored(values: np.ndarray, kind: str | None = "f4") -> bytes:
    """Numbers behind the word that says how they are stored, or bare; a multiple of four bytes."""
    data = values.astype(f"<{kind or 'f4'}").tobytes()
    return (b"" if kind is None else struct.pack("<I", TAGS[kind])) + data + bytes(-len(data) % 4)


def written(tmp_path, layers: list[tuple[str, dict]], *numbers: bytes):
    lines = [f"{kind} l{place} 1 1 {place} {place + 1} " + " ".join(f"{key}={value}" for key, value in said.items())
             for place, (kind, said) in enumerate(layers)]  # fmt: skip
    (tmp_path / "m.param").write_text(f"7767517\n{len(lines)} {len(lines)}\n" + "\n".join(lines) + "\n")
    (tmp_path / "m.bin").write_bytes(b"".join(numbers))
    return open_model(tmp_path / "m.param")


@pytest.mark.parametrize("kind", ["f4", "f2"])
def test_layers_lie_one_after_the_other(tmp_path, kind):
    conv, depth, dense = drawn(5, 3, 3, 2), drawn(5, 1, 3, 3), drawn(7, 20)
    model = written(
        tmp_path,
        [("Input", {}), ("Convolution", {0: 5, 1: 2, 11: 3, 5: 1, 6: 90}), ("ReLU", {0: 0.1}),
         ("ConvolutionDepthWise", {0: 5, 1: 3, 6: 45, 7: 5}), ("BatchNorm", {0: 5}), ("PReLU", {0: 5}),
         ("InnerProduct", {0: 7, 1: 1, 2: 140, -23310: "1,0.1"})],
        stored(conv, kind), stored(conv[:, 0, 0, 0], None), stored(depth, kind),
        *(stored(np.full(5, number), None) for number in range(1, 6)), stored(dense, kind), stored(dense[:, 0], None),
    )  # fmt: skip
    expected = {"l1.weight": conv, "l3.weight": depth, "l6.weight": dense}
    assert [name for name in model.entries if name in expected] == list(expected)
    for name, values in expected.items():
        assert np.array_equal(model.read(name), values.astype(kind).astype(np.float32))
    assert np.array_equal(model.read("l4.running_var"), np.full(5, 3))
    assert np.array_equal(model.read("l5.weight"), np.full(5, 5))
    assert np.array_equal(model.read("l6.bias"), dense[:, 0])


def test_eight_bits_are_divided_by_the_scales_of_their_outputs(tmp_path):
    values, scale = DRAWN.integers(-127, 127, (5, 9)).astype(np.int8), np.linspace(1, 3, 5)
    model = written(
        tmp_path, [("InnerProduct", {0: 5, 1: 0, 2: 45, 8: 2})],
        stored(values, "i1"), stored(scale, None), stored(np.ones(1), None),
    )  # fmt: skip
    assert list(model.entries) == ["l0.weight"]
    assert np.allclose(model.read("l0.weight"), values / scale[:, None], rtol=1e-5)


def test_a_table_of_values(tmp_path):
    table, codes = drawn(256), DRAWN.integers(0, 256, (4, 6)).astype(np.uint8)
    data = struct.pack("<I", 0x01010101) + table.tobytes() + codes.tobytes()
    model = written(tmp_path, [("InnerProduct", {0: 4, 1: 0, 2: 24})], data)
    assert np.array_equal(model.read("l0.weight"), table[codes])


def test_recurrent_and_attention_layers(tmp_path):
    inner, bias, outer = drawn(24, 4), drawn(4, 6), drawn(24, 6)
    both = drawn(2, 9, 5), drawn(2, 4, 3), drawn(2, 9, 3)
    parts = [drawn(8, 8) for _ in range(4)]
    model = written(
        tmp_path,
        [("LSTM", {0: 6, 1: 96, 2: 0}), ("GRU", {0: 3, 1: 90, 2: 2}), ("LayerNorm", {0: 8, 1: 1e-5}),
         ("MultiHeadAttention", {0: 8, 1: 2, 2: 64}), ("Embed", {0: 3, 1: 10, 2: 0, 3: 30})],
        *map(stored, (inner, bias, outer, *both)), stored(np.ones(8), None), stored(np.zeros(8), None),
        *(data for part in parts for data in (stored(part), stored(part[0], None))), stored(drawn(10, 3)),
    )  # fmt: skip
    gates = [*range(12), *range(18, 24), *range(12, 18)]
    assert np.array_equal(model.read("l0.weight_ih_l0"), inner[gates])
    assert np.array_equal(model.read("l0.weight_hh_l0"), outer[gates])
    assert np.array_equal(model.read("l1.weight_ih_l0"), both[0][0])
    assert np.array_equal(model.read("l1.weight_hh_l0_reverse"), both[2][1])
    assert np.array_equal(model.read("l3.out.weight"), parts[3])
    assert model.entries["l4.weight"].shape == (10, 3)


def test_numbers_that_no_known_layer_has_are_unsupported(tmp_path):
    with pytest.raises(Unsupported, match="m.bin holds 400 bytes more"):
        written(tmp_path, [("InnerProduct", {0: 4, 2: 24}), ("Ours", {})], stored(drawn(4, 6)), bytes(400))


def test_a_folder_has_one_model_and_not_its_numbers_too(tmp_path):
    written(tmp_path, [("InnerProduct", {0: 4, 2: 24})], stored(drawn(4, 6)))
    assert models_in_folder(tmp_path).models == [tmp_path / "m.param"]
