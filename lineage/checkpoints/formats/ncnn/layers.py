"""The numbers of ncnn's layers, in the order in which they lie in the file of numbers.

Source: github.com/Tencent/ncnn, src/layer/*.cpp, `load_param` and `load_model`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lineage.checkpoints.files import LIMITS

Shape = tuple[int, ...]
SCALED_BY_8_BITS = 100
"""From this on, a layer of 8 bits has the scale of its output too."""


@dataclass(frozen=True)
class Run:
    """Numbers of a layer: what they are called, their shape, and whether a word in front says how they are stored."""

    name: str
    shape: Shape
    tagged: bool = False


class Settings:
    """The numbers that the graph says of a layer, by their keys."""

    def __init__(self, said: dict[int, float]):
        self.said = said

    def number(self, key: int, default: int = 0) -> int:
        """A whole number."""
        found = self.said.get(key, default)
        if not math.isfinite(found) or not -1 <= found <= LIMITS.tensor_elements:
            raise ValueError(f"setting {key} is {found}")
        return int(found)

    def first(self, keys: tuple[int, ...]) -> int:
        """The number of the first key that is there: other axes of a kernel are as long as the first."""
        for key in keys:
            if key in self.said:
                return self.number(key)
        raise ValueError(f"setting {keys[-1]} is missing")

    def part(self, size: int, *others: int) -> int:
        """A length, from that of the whole and of the other axes."""
        product = math.prod(others)
        if product < 1 or size % product:
            raise ValueError(f"{size:,} weights do not fill the axes {others}")
        return size // product


def _convolution(axes: int, *, grouped: bool = False) -> Callable[[Settings], Iterator[Run]]:
    keys = {1: ((1,),), 2: ((11, 1), (1,)), 3: ((21, 1), (11, 1), (1,))}[axes]

    def runs(said: Settings) -> Iterator[Run]:
        outputs, size = said.number(0), said.number(6)
        kernel = [said.first(tried) for tried in keys]
        if said.number(19):
            return
        yield Run("weight", (outputs, said.part(size, outputs, *kernel), *kernel), tagged=True)
        if said.number(5):
            yield Run("bias", (outputs,))
        scaled, groups = said.number(8), said.number(7, 1)
        if scaled:
            of_groups = groups if scaled in (1, SCALED_BY_8_BITS + 1) else 1
            yield Run("weight_scale", (of_groups if grouped else outputs,))
            yield Run("input_scale", (1,))
            if scaled > SCALED_BY_8_BITS:
                yield Run("output_scale", (1,))

    return runs


def _linear(said: Settings) -> Iterator[Run]:
    outputs = said.number(0)
    yield Run("weight", (outputs, said.part(said.number(2), outputs)), tagged=True)
    if said.number(1):
        yield Run("bias", (outputs,))
    if said.number(8):
        yield from (Run("weight_scale", (outputs,)), Run("input_scale", (1,)))


def _batch_norm(said: Settings) -> Iterator[Run]:
    channels = (said.number(0),)
    yield from (Run(name, channels) for name in ("weight", "running_mean", "running_var", "bias"))


def _scale(said: Settings) -> Iterator[Run]:
    channels = said.number(0)
    if channels > 0:
        yield Run("weight", (channels,))
        if said.number(1):
            yield Run("bias", (channels,))


def _norm(size: int, affine: int, *, bias: bool = True) -> Callable[[Settings], Iterator[Run]]:
    def runs(said: Settings) -> Iterator[Run]:
        if said.number(affine, 1):
            yield Run("weight", (said.number(size),))
            if bias:
                yield Run("bias", (said.number(size),))

    return runs


def _one(name: str, size: int) -> Callable[[Settings], Iterator[Run]]:
    def runs(said: Settings) -> Iterator[Run]:
        yield Run(name, (said.number(size),))

    return runs


def _embedding(said: Settings) -> Iterator[Run]:
    outputs, inputs = said.number(0), said.number(1)
    yield Run("weight", (inputs, said.part(said.number(3), inputs)), tagged=True)
    if said.number(2):
        yield Run("bias", (outputs,))
    if said.number(18):
        yield Run("weight_scale", (1,))


def _recurrent(gates: int, biases: int) -> Callable[[Settings], Iterator[Run]]:
    def runs(said: Settings) -> Iterator[Run]:
        outputs, both = said.number(0), (2,) if said.number(2) == 2 else ()
        hidden = said.number(3, outputs) if gates == 4 else outputs
        yield Run(
            "weight_ih", (*both, gates * hidden, said.part(said.number(1), *both, gates, hidden)), tagged=True
        )
        yield Run("bias_of_gates", (*both, biases, hidden), tagged=True)
        yield Run("weight_hh", (*both, gates * hidden, outputs), tagged=True)
        if hidden != outputs:
            yield Run("weight_hr", (*both, outputs, hidden), tagged=True)
        if said.number(8):
            yield from (
                Run("weight_ih_scale", (*both, gates * hidden)),
                Run("weight_hh_scale", (*both, gates * hidden)),
            )

    return runs


def _attention(said: Settings) -> Iterator[Run]:
    width, size = said.number(0), said.number(2)
    of_queries = said.part(size, width)
    of_keys, of_values = said.number(3, width), said.number(4, width)
    for name, inputs in (("q", of_queries), ("k", of_keys), ("v", of_values)):
        yield Run(f"{name}.weight", (width, inputs), tagged=True)
        yield Run(f"{name}.bias", (width,))
    yield Run("out.weight", (of_queries, width), tagged=True)
    yield Run("out.bias", (of_queries,))


def _data(said: Settings) -> Iterator[Run]:
    shape = tuple(length for key in (2, 11, 1, 0) if (length := said.number(key)))
    if shape:
        yield Run("data", shape, tagged=said.number(21, 1) == 0)


def _product(said: Settings) -> Iterator[Run]:
    rows, columns, inner = (said.number(key) for key in (7, 8, 9))
    if said.number(4):
        yield Run("A", (inner, rows) if said.number(2) else (rows, inner), tagged=True)
    if said.number(5):
        yield Run("B", (columns, inner) if said.number(3) else (inner, columns), tagged=True)
    broadcast = said.number(10)
    if said.number(6) and broadcast != -1:
        yield Run(
            "C",
            {0: (1,), 1: (rows,), 2: (rows, 1), 3: (rows, columns), 4: (columns,)}[broadcast],
            tagged=True,
        )
    if said.number(18):
        yield from (Run("A_scale", (rows,)) for _ in range(bool(said.number(4))))
        yield from (Run("B_scale", (1,)) for _ in range(bool(said.number(5))))


LAYERS: dict[str, Callable[[Settings], Iterator[Run]]] = {
    "Convolution": _convolution(2),
    "ConvolutionDepthWise": _convolution(2, grouped=True),
    "Deconvolution": _convolution(2),
    "DeconvolutionDepthWise": _convolution(2, grouped=True),
    "Convolution1D": _convolution(1),
    "ConvolutionDepthWise1D": _convolution(1, grouped=True),
    "Deconvolution1D": _convolution(1),
    "Convolution3D": _convolution(3),
    "ConvolutionDepthWise3D": _convolution(3, grouped=True),
    "Deconvolution3D": _convolution(3),
    "InnerProduct": _linear,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "PReLU": _one("weight", 0),
    "Bias": _one("bias", 0),
    "InstanceNorm": _norm(0, 2),
    "LayerNorm": _norm(0, 2),
    "GroupNorm": _norm(1, 3),
    "RMSNorm": _norm(0, 2, bias=False),
    "Embed": _embedding,
    "LSTM": _recurrent(4, 4),
    "GRU": _recurrent(3, 4),
    "RNN": _recurrent(1, 1),
    "MultiHeadAttention": _attention,
    "MemoryData": _data,
    "Gemm": _product,
}
"""The kinds that have numbers."""
