"""Copies of a network's matrices as tools make them: pruned, quantised, in half precision; by NumPy and PyTorch."""

from collections.abc import Callable

import numpy as np
import torch

State = dict[str, np.ndarray]
Change = Callable[[np.ndarray], np.ndarray]

NF4 = np.array(
    [-1, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0, 0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626,
     0.723, 1]
)  # fmt: skip
"""The code of Dettmers et al. (2023, QLoRA)."""


def pruned(share: float) -> Change:
    return lambda values: np.where(np.abs(values) < np.quantile(np.abs(values), share), 0, values)


def without_rows(values: np.ndarray) -> np.ndarray:
    """A structured pruning: the smallest 30 % of the neurons."""
    norms = np.abs(values).sum(1, keepdims=True)
    return np.where(norms < np.quantile(norms, 0.3), 0, values)


def to_levels(most: int) -> Change:
    """Symmetric: the largest value of each row sets the scale."""
    return lambda rows: np.round(rows / largest(rows) * most) * largest(rows) / most


def with_zero_point(values: np.ndarray) -> np.ndarray:
    """Unsigned 8 bits, as torch.fake_quantize_per_tensor_affine rounds to them."""
    step = float(np.ptp(values)) / 255
    zero = round(-float(values.min()) / step)
    return torch.fake_quantize_per_tensor_affine(torch.tensor(values), step, zero, 0, 255).numpy()


def with_offset(rows: np.ndarray) -> np.ndarray:
    """16 levels between the least and the largest value of each row."""
    low, step = rows.min(1, keepdims=True), np.ptp(rows, axis=1, keepdims=True) / 15
    return np.round((rows - low) / step) * step + low


def to_nf4(rows: np.ndarray) -> np.ndarray:
    return NF4[np.abs((rows / largest(rows))[..., None] - NF4).argmin(-1)] * largest(rows)


def largest(rows: np.ndarray) -> np.ndarray:
    return np.abs(rows).max(1, keepdims=True)


def whole(change: Change) -> Change:
    return lambda values: change(values.reshape(1, -1)).reshape(values.shape)


def groups(change: Change, size: int = 32) -> Change:
    """By groups of values that go on from row to row; by row where that does not come out even."""
    return lambda values: change(values if values.size % size else values.reshape(-1, size)).reshape(
        values.shape
    )


def through(dtype: torch.dtype) -> Change:
    return lambda values: torch.tensor(values).to(dtype).float().numpy()


def to_fp8(values: np.ndarray) -> np.ndarray:
    return through(torch.float8_e4m3fn)(values / np.abs(values).max() * 448) * np.abs(values).max() / 448


def cut(values: np.ndarray) -> np.ndarray:
    """bfloat16 by dropping bits."""
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def both(first: Change, second: Change) -> Change:
    return lambda values: second(first(values).astype(np.float32))


PRUNED: dict[str, Change] = {
    "pruned 30 %": pruned(0.3), "pruned 50 %": pruned(0.5), "pruned 80 %": pruned(0.8), "without rows": without_rows,
}  # fmt: skip
QUANTISED: dict[str, Change] = {
    "int8": whole(to_levels(127)),
    "int8 by row": to_levels(127),
    "int8 by column": lambda values: to_levels(127)(values.T).T,
    "int8 with zero point": with_zero_point,
    "int4 in groups": groups(to_levels(7)),
    "int4 with offset": groups(with_offset),
    "nf4": groups(to_nf4),
    "fp8": to_fp8,
    "int8 in fp16": both(to_levels(127), through(torch.float16)),
    "int4 in bf16": both(groups(to_levels(7)), through(torch.bfloat16)),
}
HALVED: dict[str, Change] = {
    "fp16": through(torch.float16),
    "bf16": through(torch.bfloat16),
    "bf16, cut": cut,
}
BOTH: dict[str, Change] = {
    "pruned, int8": both(pruned(0.5), whole(to_levels(127))),
    "pruned, fp16": both(pruned(0.5), through(torch.float16)),
}
CHANGES = PRUNED | QUANTISED | HALVED | BOTH


def copy_of(state: State, change: str) -> State:
    """The state with every matrix changed."""
    return {
        name: CHANGES[change](values.reshape(len(values), -1)).reshape(values.shape).astype(np.float32)
        if values.ndim >= 2
        else values
        for name, values in state.items()
    }  # fmt: skip
