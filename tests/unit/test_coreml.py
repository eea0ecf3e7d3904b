"""Core ML's programs: what NumPy put in comes out, and what is broken or of another kind is refused with one line."""

import numpy as np
import pytest
from coreml_writer import Program, field

from lineage.checkpoints.read import open_model
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(24, 10, 3, 3)).astype(np.float32)
V = np.random.default_rng(1).normal(size=(24, 10)).astype(np.float32)


def test_constants_quantised_ones_and_tables_are_read_under_the_names_of_their_layers(tmp_path):
    program = Program(tmp_path / "model.mlmodel")
    program.constant("conv_weight", W)
    program.constant("fc_weight_to_fp16", V.astype(np.float16))
    program.quantised("head_weight_to_fp16_quantized", W)
    for bits in (1, 2, 4, 6, 8):
        program.palette(f"table_{bits}_palettized", V, bits)
    program.constant("shape", np.arange(3, dtype=np.int32))
    model = open_model(program.saved())
    tables = [f"table_{bits}" for bits in (1, 2, 4, 6, 8)]
    assert list(model.entries) == ["conv_weight", "fc_weight", "head_weight", *tables]
    np.testing.assert_array_equal(model.read("conv_weight"), W)
    np.testing.assert_array_equal(model.read("fc_weight"), V.astype(np.float16))
    steps = np.abs(W).max(axis=(1, 2, 3), keepdims=True) / 127
    assert (np.abs(model.read("head_weight") - W) <= 0.51 * steps + 1e-3).all()
    nearest = [np.abs(model.read(name) - V).mean() for name in tables]
    assert nearest == sorted(nearest, reverse=True)
    assert nearest[-1] < 0.02
    assert "shape" in model.left_out


@pytest.mark.parametrize("part", ["nonzero_data", ""])
def test_weights_of_a_kind_that_is_not_read_are_named(tmp_path, part):
    program = Program(tmp_path / "model.mlmodel")
    program.constant("conv_weight", W)
    program.operation(
        "constexpr_sparse_to_dense", "fc_weight", "float16", (24, 10), **{part: program.stored(V)}
    )
    assert "not read" in open_model(program.saved()).left_out["fc_weight"].reason


def broken(tmp_path, change):
    program = Program(tmp_path / "model.mlmodel")
    program.constant("conv_weight", W)
    program.quantised("fc_weight", V)
    path = program.saved()
    numbers = tmp_path / "weights" / "weight.bin"
    change(path, numbers)
    return path


def linked(path, numbers):
    numbers.unlink()
    numbers.symlink_to("/etc/passwd")


def elsewhere(path, numbers):
    path.write_bytes(path.read_bytes().replace(b"weights/weight.bin", b"weights/../../a.in"))


BROKEN = {
    "no numbers": (lambda path, numbers: numbers.unlink(), "beside it"),
    "numbers cut off": (lambda path, numbers: numbers.write_bytes(numbers.read_bytes()[:100]), "before"),
    "other numbers": (lambda path, numbers: numbers.write_bytes(bytes(9000)), "expected"),
    "a link that leads out": (linked, "leads out"),
    "a place elsewhere": (elsewhere, "expected a file in the folder weights"),
    "a message cut off": (lambda path, numbers: path.write_bytes(path.read_bytes()[:-9]), "truncated"),
    "no program": (lambda path, numbers: path.write_bytes(field(1, 6) + field(500, "x" * 40)), "no program"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_program_is_refused_with_one_line(tmp_path, kind):
    change, said = BROKEN[kind]
    with pytest.raises(UserError, match=said) as refused:
        model = open_model(broken(tmp_path, change))
        for name in model.entries:
            model.read(name)
    assert "\n" not in str(refused.value)
