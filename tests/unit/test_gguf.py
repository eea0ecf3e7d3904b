"""GGUF as its own library writes it, dequantised as that library does."""

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFEndian, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

from lineage.checkpoints.read import open_model
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(6, 512)).astype(np.float32)
WRITTEN_BY_GGUF = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_1"]
OF_RANDOM_BYTES = ["Q4_K", "Q5_K", "Q6_K", "Q2_K", "IQ4_NL"]
"""gguf reads these, but cannot write them: any bytes are some numbers."""


def write(path, tensors, **options):
    writer = GGUFWriter(path, "llama", **options)
    writer.add_block_count(1)
    writer.add_token_list([f"token {n}" for n in range(100)])
    writer.add_array("nested.floats", [0.5, 1.5])
    for name, values, kind in tensors:
        writer.add_tensor(name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("name", WRITTEN_BY_GGUF)
def test_every_type_is_read_as_gguf_dequantises_it(tmp_path, name):
    kind = GGMLQuantizationType[name]
    stored = quantize(W, kind)
    write(tmp_path / "m.gguf", [("blk.0.ffn_up.weight", stored, kind), ("norm.weight", W[0], None)])
    model = open_model(tmp_path / "m.gguf")
    assert list(model.entries) == ["blk.0.ffn_up.weight", "norm.weight"]
    assert np.array_equal(model.read("blk.0.ffn_up.weight"), dequantize(stored, kind).reshape(W.shape))
    assert np.array_equal(model.read("norm.weight"), W[0])
    assert np.abs(model.read("blk.0.ffn_up.weight") - W).max() < 0.5


@pytest.mark.parametrize("name", OF_RANDOM_BYTES)
def test_types_of_blocks_of_256_are_read_as_gguf_dequantises_them(tmp_path, name):
    kind = GGMLQuantizationType[name]
    block, size = GGML_QUANT_SIZES[kind]
    stored = np.random.default_rng(1).integers(0, 100, (4, 512 // block * size)).astype(np.uint8)
    write(tmp_path / "m.gguf", [("w", stored, kind)])
    model = open_model(tmp_path / "m.gguf")
    assert model.entries["w"].shape == (4, 512)
    with np.errstate(all="ignore"):
        assert np.array_equal(model.read("w"), dequantize(stored, kind), equal_nan=True)


def test_a_file_in_big_endian(tmp_path):
    write(tmp_path / "m.gguf", [("w", W, None)], endianess=GGUFEndian.BIG)
    assert np.array_equal(open_model(tmp_path / "m.gguf").read("w"), W)


def test_a_truncated_file_is_refused(tmp_path):
    write(tmp_path / "m.gguf", [("w", W, None)])
    (tmp_path / "m.gguf").write_bytes((tmp_path / "m.gguf").read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated"):
        open_model(tmp_path / "m.gguf")
