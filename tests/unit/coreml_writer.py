"""A small writer of Core ML's programs as coremltools lays them out: a message, and numbers in a file beside it."""

import struct
from pathlib import Path

import numpy as np
from table_writer import varint

TYPES = {"float16": 10, "float32": 11, "int8": 21, "int32": 23, "uint8": 31, "uint32": 33}


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def kind(dtype: str, shape: tuple[int, ...]) -> bytes:
    axes = b"".join(field(3, field(1, field(1, length))) for length in shape)
    return field(2, field(1, field(1, TYPES[dtype]) + field(2, len(shape)) + axes))


class Program:
    """What is added goes to a folder `weights` beside the model."""

    def __init__(self, path: Path):
        self.path, self.operations = path, b""
        self.numbers = struct.pack("<II", 0, 2).ljust(64, b"\0")

    def stored(self, values: np.ndarray) -> bytes:
        """A value whose numbers lie in the file beside."""
        offset, data = len(self.numbers), values.tobytes()
        header = struct.pack("<IIQQ", 0xDEADBEEF, 2, len(data), offset + 64).ljust(64, b"\0")
        self.numbers += header + data + bytes(-len(data) % 64)
        place = field(1, "@model_path/weights/weight.bin") + field(2, offset)
        return kind(values.dtype.name, values.shape) + field(5, place)

    def operation(
        self, called: str, name: str, dtype: str, axes: tuple[int, ...], **attributes: bytes
    ) -> None:
        said = b"".join(field(5, field(1, key) + field(2, value)) for key, value in attributes.items())
        output = field(3, field(1, name) + kind(dtype, axes))
        self.operations += field(3, field(1, called) + output + said)

    def constant(self, name: str, values: np.ndarray) -> None:
        self.operation("const", name, values.dtype.name, values.shape, val=self.stored(values))

    def quantised(self, name: str, values: np.ndarray) -> None:
        """By a scale for each output, with the axis in the message, as coremltools does."""
        scale = np.abs(values.reshape(len(values), -1)).max(1) / 127
        whole = np.round(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
        axis = kind("int32", ()) + field(3, field(1, field(2, field(1, varint(0)))))
        parts = {
            "zero_point": np.zeros(len(values), np.int8),
            "scale": scale.astype(np.float16),
            "quantized_data": whole,
        }
        stored = {key: self.stored(part) for key, part in parts.items()}
        self.operation("constexpr_affine_dequantize", name, "float16", values.shape, **stored, axis=axis)

    def palette(self, name: str, values: np.ndarray, bits: int) -> None:
        """Each number by its place, of so many bits, in a table."""
        table = np.quantile(values, np.linspace(0, 1, 2**bits)).astype(np.float16)
        places = np.abs(values.reshape(-1, 1) - table.astype(np.float32)).argmin(1)
        spread = places[:, None] >> np.arange(bits) & 1
        indices = np.packbits(spread.astype(np.uint8).reshape(-1), bitorder="little")
        shape = kind("uint32", (values.ndim,)) + field(
            3, field(1, field(7, field(1, np.array(values.shape, "<u4").tobytes())))
        )
        stored = {"indices": self.stored(indices), "lut": self.stored(table)}
        self.operation("constexpr_lut_to_dense", name, "float16", values.shape, **stored, shape=shape)

    def saved(self) -> Path:
        """The file of the model."""
        block = field(1, "CoreML5") + field(2, self.operations)
        program = field(1, 1) + field(2, field(1, "main") + field(2, field(2, "CoreML5") + field(3, block)))
        self.path.write_bytes(field(1, 6) + field(2, field(100, "")) + field(502, program))
        (self.path.parent / "weights").mkdir(exist_ok=True)
        (self.path.parent / "weights" / "weight.bin").write_bytes(self.numbers)
        return self.path
