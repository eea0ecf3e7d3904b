"""ncnn: a graph in text (`.param`), and the numbers of its layers, one after the other, in a file beside it (`.bin`).

Source: github.com/Tencent/ncnn, src/net.cpp, src/paramdict.cpp, src/modelbin.cpp.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, check_elements
from lineage.checkpoints.files import LIMITS, SafeFile, Unsupported, companion
from lineage.checkpoints.formats.ncnn.layers import LAYERS, Run, Settings
from lineage.errors import UserError, one_line

MAGIC = "7767517"
HALF, INT8, FLOAT, PLAIN = 0x01306B47, 0x000D4B38, 0x0002C056, 0
"""The words in front of numbers; any other means 256 values, and a byte for each number."""
OF_RECURRENT = ("weight_ih", "weight_hh", "bias_of_gates")
OF_LSTM = (0, 1, 3, 2)
"""Where each of PyTorch's gates (input, forget, cell, output) lies; those of a GRU lie as PyTorch's."""
ARRAYS = -23300
"""Keys from here down have several values."""


@dataclass(frozen=True)
class Stored:
    """Numbers in the file: where they begin, how many, of which type; `table`: where 256 values for bytes lie."""

    start: int
    shape: tuple[int, ...]
    dtype: np.dtype
    table: int | None = None

    @property
    def end(self) -> int:
        """Where the next ones begin, at a multiple of four bytes."""
        return self.start + -(-math.prod(self.shape) * self.dtype.itemsize // 4) * 4

    def values(self, part: SafeFile) -> np.ndarray:
        """The numbers."""
        found = np.fromfile(part.real, self.dtype, math.prod(self.shape), offset=self.start)
        if self.table is not None:
            found = np.fromfile(part.real, "<f4", 256, offset=self.table)[found]
        return found.reshape(self.shape)


def read_ncnn(file: SafeFile) -> list[Checkpoint]:
    """The numbers of a graph's layers; those of 8 bits are divided by their scales.

    Raises:
        UserError: for a broken graph, or numbers that the file beside it does not hold.
        Unsupported: if it holds more than the graph's known layers have.
    """
    part = companion(file, ".bin")
    entries: dict[str, Entry] = {}
    seen: set[str] = set()
    at = 0
    with part.real.open("rb") as stream:
        for kind, name, said in _layers(file):
            if kind not in LAYERS:
                continue
            where = f"{file.path}: layer {name!r} ({kind})"
            found: dict[str, Stored] = {}
            try:
                for run in LAYERS[kind](Settings(said)):
                    check_elements(file.path, f"{name}.{run.name}", run.shape)
                    found[run.name] = _stored(stream, at, run)
                    at = found[run.name].end
                    if at > part.size:
                        raise ValueError(f"its {run.name} of shape {run.shape} ends after {part.path.name}")
            except (ValueError, KeyError) as error:
                raise UserError(f"{where}: {one_line(error)}; it is truncated or broken") from None
            layer = f"{name}#{len(entries)}" if name in seen else name
            seen.add(name)
            for called, numbers in found.items():
                if math.prod(numbers.shape) > 1 and not called.endswith("_scale"):
                    entries |= _entries(part, f"{layer}.{called}", found, called)
            if len(entries) > LIMITS.tensors:
                raise UserError(f"{file.path}: more than {LIMITS.tensors:,} tensors")
    if part.size - at >= 4:
        raise Unsupported(
            f"{file.path}: {part.path.name} holds {part.size - at:,} bytes more than the layers that are known; "
            "convert it to safetensors"
        )
    return [Checkpoint(file.path.name, "ncnn", [file, part], entries)]


def _stored(stream, at: int, run: Run) -> Stored:
    """Where the numbers of a run lie, and how they are stored."""
    if not run.tagged:
        return Stored(at, run.shape, np.dtype("<f4"))
    stream.seek(at)
    word = stream.read(4)
    tag = int.from_bytes(word, "little")
    if tag == HALF:
        return Stored(at + 4, run.shape, np.dtype("<f2"))
    if tag == INT8:
        return Stored(at + 4, run.shape, np.dtype(np.int8))
    if tag in (FLOAT, PLAIN):
        return Stored(at + 4, run.shape, np.dtype("<f4"))
    return Stored(at + 4 + 1024, run.shape, np.dtype(np.uint8), table=at + 4)


def _entries(part: SafeFile, name: str, found: dict[str, Stored], called: str) -> dict[str, Entry]:
    """The numbers of a run; those of a recurrent layer by direction, as PyTorch calls and orders them."""
    numbers = found[called]
    dtype = "float32" if numbers.table is not None else numbers.dtype.name
    if called not in OF_RECURRENT:
        return {name: Entry(numbers.shape, dtype, lambda: _values(part, found, called))}
    shape = numbers.shape if len(numbers.shape) == 3 else (1, *numbers.shape)
    single = (math.prod(shape[1:]),) if called == "bias_of_gates" else shape[1:]
    is_lstm = found["weight_ih"].shape[-2] == 4 * found["bias_of_gates"].shape[-1]

    def load(direction: int) -> np.ndarray:
        values = _values(part, found, called).reshape(shape)[direction]
        if is_lstm:
            values = values.reshape(4, -1, shape[2])[list(OF_LSTM)]
        return values.reshape(single)

    return {
        f"{name}_l0{suffix}": Entry(single, dtype, functools.partial(load, direction))
        for direction, suffix in enumerate(("", "_reverse")[: shape[0]])
    }


def _values(part: SafeFile, found: dict[str, Stored], name: str) -> np.ndarray:
    values = found[name].values(part)
    scale = found.get(f"{name}_scale")
    if values.dtype != np.int8 or scale is None:
        return values
    factors = scale.values(part).reshape(-1)
    rows = values.reshape(len(factors), -1).astype(np.float32)
    return (rows / factors[:, None]).reshape(values.shape)


def _layers(file: SafeFile) -> Iterator[tuple[str, str, dict[int, float]]]:
    """Kind, name and settings of each layer."""
    if file.size > LIMITS.header_bytes:
        raise UserError(
            f"{file.path}: a graph of {file.size:,} bytes is over the limit of {LIMITS.header_bytes:,}"
        )
    lines = file.real.read_text("utf-8", "replace").splitlines()
    for number, line in enumerate(lines[2:], start=3):
        words = line.split()
        if not words:
            continue
        try:
            kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
            said = {}
            for word in words[4 + inputs + outputs :]:
                key, _, value = word.partition("=")
                if int(key) > ARRAYS:
                    said[int(key)] = float(value)
        except (ValueError, IndexError):
            raise UserError(f"{file.path}, line {number}: expected a layer of ncnn; it is broken") from None
        yield kind, name[:1000], said
