"""ONNX: initialisers and constants, also in the bodies of If and Loop; quantised ones with their scales."""

import math
import mmap
from functools import partial

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry, LeftOut, check_elements
from lineage.checkpoints.files import SafeFile, Unsupported, safe_file
from lineage.checkpoints.formats.onnx.blocks import of_blocks
from lineage.checkpoints.formats.onnx.graph import (
    DEQUANTISERS,
    RECURRENT,
    Contents,
    Node,
    Tensor,
    contents_of,
)
from lineage.checkpoints.formats.onnx.operators import graph_of
from lineage.checkpoints.formats.onnx.values import dtype_name, values_of
from lineage.checkpoints.formats.protobuf import message
from lineage.checkpoints.quantised.arithmetic import scaled
from lineage.checkpoints.quantised.weights import FLOATS, left_out_of
from lineage.checkpoints.sniffing import variables_beside
from lineage.errors import UserError, one_line

QUANTISED = {"int8", "uint8", "int4", "uint4", "int16", "uint16", "int32"}
AXES = {"DequantizeLinear": 1, "QLinearConv": 0, "QLinearMatMul": -1}
"""Along which axis a scale for each channel goes, unless the operator says."""
SMALL = 65_536
"""A constant of so few numbers is looked at before it counts as weights: masks are infinite."""


def read_onnx(file: SafeFile) -> list[Checkpoint]:
    """The float tensors of a graph, and the integers that an operator or their names give a scale.

    Raises:
        UserError: for a file that is no ONNX, is truncated, or points to data elsewhere.
    """
    try:
        with file.real.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        found = contents_of(message(data))
        entries, left_out = _entries(file, found)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{file.path}: broken ONNX file: {one_line(error)}") from None
    if not entries and (variables := variables_beside(file.path)):
        raise Unsupported(f"{file.path}: a TensorFlow graph without its weights; give {variables}")
    if not entries:
        raise Unsupported(
            f"{file.path}: this ONNX graph holds no float tensors; expected a network's weights"
        )
    parts = [file, *_parts(file, found)]
    graph = partial(graph_of, file, found)
    return [Checkpoint(file.path.name, "onnx", parts, entries, left_out, graph=graph)]


def _entries(file: SafeFile, found: Contents) -> tuple[dict[str, Entry], dict[str, LeftOut]]:
    entries, left_out = {}, {}
    scales = _scales(found)
    parameters = {name for _, scale, zero in scales.values() for name in (scale, zero)}
    blocks = of_blocks(file, found)
    parameters |= {name for _, parts in blocks.values() for name in parts}
    for name, tensor in found.tensors.items():
        if name in parameters:
            continue
        shape, dtype = tuple(tensor.dims), dtype_name(tensor)
        check_elements(file.path, name, shape)
        if name in found.woven:
            reason = "woven by ONNX Runtime for one processor; export the model anew"
            left_out[name] = LeftOut.of(reason, shape, dtype)
        elif name in blocks:
            entries[name] = blocks[name][0]
        elif name in scales:
            entries[name] = Entry(
                shape, dtype, lambda name=name: _dequantised(file, found, name, *scales[name])
            )
        elif dtype not in FLOATS and not dtype.startswith("float8"):
            left_out[name] = left_out_of(name, shape, dtype)
        elif math.prod(shape) <= 1 or _is_mask(file, tensor):
            left_out[name] = LeftOut.of("a constant of the graph, no weights", shape, dtype)
        else:
            entries[name] = Entry(shape, dtype, lambda tensor=tensor: values_of(file, tensor))
    return _in_pairs(entries, found), left_out


def _in_pairs(entries: dict[str, Entry], found: Contents) -> dict[str, Entry]:
    """The tensors, those that a recurrent layer has for its neurons behind those that it has for its inputs."""
    pairs = [node.inputs[1:3] for node in found.nodes if node.kind in RECURRENT and len(node.inputs) > 2]
    following = {first: second for first, second in pairs if first in entries and second in entries}
    moved = set(following.values()) - following.keys()
    placed: dict[str, Entry] = {}
    for name, entry in entries.items():
        if name in moved:
            continue
        placed[name] = entry
        if (second := following.get(name)) in moved:
            placed[second] = entries[second]
    return placed


def _is_mask(file: SafeFile, tensor: Tensor) -> bool:
    """Whether a small constant holds infinite numbers."""
    if math.prod(tensor.dims) > SMALL or tensor.is_external:
        return False
    try:
        return bool(np.isinf(values_of(file, tensor).astype(np.float32)).any())
    except ValueError:
        return False


def _scales(found: Contents) -> dict[str, tuple[int | None, str, str]]:
    """For each quantised tensor the axis, the scale and the zero point that go with it."""
    scales = {}
    for node in found.nodes:
        if node.kind not in DEQUANTISERS:
            continue
        weights, scale, zero = (
            node.inputs[place] if place < len(node.inputs) else "" for place in DEQUANTISERS[node.kind]
        )
        if _fit(found, weights, scale):
            scales[weights] = _axis(node), scale, zero if zero in found.tensors else ""
    for name in found.tensors:
        whole = name.removesuffix("_quantized")
        if whole != name and name not in scales and _fit(found, name, f"{whole}_scale"):
            zero = f"{whole}_zero_point"
            scales[name] = None, f"{whole}_scale", zero if zero in found.tensors else ""
    return scales


def _fit(found: Contents, weights: str, scale: str) -> bool:
    return (
        weights in found.tensors
        and scale in found.tensors
        and dtype_name(found.tensors[weights]) in QUANTISED
    )


def _axis(node: Node) -> int:
    return node.numbers.get("axis", AXES[node.kind])


def _dequantised(
    file: SafeFile, found: Contents, name: str, axis: int | None, scale: str, zero: str
) -> np.ndarray:
    """(q − zero point) · scale; without an axis, a scale per channel goes along the last of its length."""
    values = values_of(file, found.tensors[name])
    steps = np.asarray(values_of(file, found.tensors[scale]), np.float32)
    offset = (
        np.asarray(values_of(file, found.tensors[zero]), np.float32) if zero else np.zeros((), np.float32)
    )
    if steps.size > 1 and steps.ndim == 1:
        if axis is None:
            fitting = [place for place, length in enumerate(values.shape) if length == steps.size]
            axis = fitting[-1] if fitting else 0
        if not -values.ndim <= axis < values.ndim or values.shape[axis] != steps.size:
            raise ValueError(
                f"its scale has {steps.size} values, which axis {axis} of {values.shape} has not"
            )
        along = [1] * values.ndim
        along[axis] = -1
        steps = steps.reshape(along)
        offset = offset if offset.size == 1 else offset.reshape(along)
    return scaled(values, steps, offset)


def _parts(file: SafeFile, found: Contents) -> list[SafeFile]:
    """The files that hold what this one does not.

    Raises:
        UserError: for one that is missing, or leads out of the folder.
    """
    names = dict.fromkeys(
        tensor.external.get("location", "") for tensor in found.tensors.values() if tensor.is_external
    )
    try:
        return [safe_file(file.path.parent / name) for name in names if name and "/" not in name]
    except UserError as error:
        raise UserError(f"{file.path}: its numbers lie beside it: {error}") from None
