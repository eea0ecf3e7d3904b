"""MatMulNBits of ONNX Runtime: weights [outputs, inputs] of few bits, in blocks along the inputs.

Source: github.com/microsoft/onnxruntime, docs/ContribOperators.md, `com.microsoft.MatMulNBits`.
"""

import numpy as np

from lineage.checkpoints.checkpoint import Entry
from lineage.checkpoints.files import SafeFile
from lineage.checkpoints.formats.onnx.graph import Contents, Node
from lineage.checkpoints.formats.onnx.values import dtype_name, values_of

KIND = "MatMulNBits"
WEIGHTS, SCALES, ZEROS = 1, 2, 3
BITS = (2, 4, 8)


def of_blocks(file: SafeFile, found: Contents) -> dict[str, tuple[Entry, list[str]]]:
    """The weights of each such operator, by the name of their tensor; and the tensors that are parts of them."""
    weights = {}
    for node in found.nodes:
        names = [*node.inputs, "", "", "", ""][:4] if node.kind == KIND else []
        if names and names[WEIGHTS] in found.tensors and names[SCALES] in found.tensors:
            entry = _entry(file, found, node, names)
            if entry is not None:
                weights[names[WEIGHTS]] = entry, [name for name in names[SCALES:] if name in found.tensors]
    return weights


def _entry(file: SafeFile, found: Contents, node: Node, names: list[str]) -> Entry | None:
    bits, block = node.numbers.get("bits", 4), node.numbers.get("block_size", 0)
    inputs, outputs = node.numbers.get("K", 0), node.numbers.get("N", 0)
    if bits not in BITS or not 0 < block <= 65_536 or inputs < 1 or outputs < 1 or block * bits % 8:
        return None
    count = -(-inputs // block)
    stored = found.tensors[names[WEIGHTS]]
    if dtype_name(stored) != "uint8" or list(stored.dims) != [outputs, count, block * bits // 8]:
        return None

    def load() -> np.ndarray:
        values = _unpacked(values_of(file, stored), bits).astype(np.float32)
        scales = values_of(file, found.tensors[names[SCALES]]).astype(np.float32).reshape(outputs, count, 1)
        zero = np.float32(2 ** (bits - 1))
        if names[ZEROS] in found.tensors:
            zeros = values_of(file, found.tensors[names[ZEROS]])
            if zeros.dtype == np.uint8:
                zeros = _unpacked(zeros.reshape(outputs, -1), bits)[:, :count]
            zero = zeros.astype(np.float32).reshape(outputs, count, 1)
        return ((values - zero) * scales).reshape(outputs, -1)[:, :inputs]

    return Entry((outputs, inputs), f"int{bits}", load)


def _unpacked(codes: np.ndarray, bits: int) -> np.ndarray:
    """The numbers in bytes along the last axis, the lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return ((codes[..., None] >> shifts) & np.uint8(2**bits - 1)).reshape(*codes.shape[:-1], -1)
