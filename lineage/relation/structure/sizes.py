"""Tensors of two sizes: a longer vocabulary, more positions, more input channels; and rows of other sizes."""

import numpy as np

EXPLAINED = 0.7
"""Rows were scaled if that leaves less than this share of the difference, and of the rows themselves."""


def common_part(theirs: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of two tensors that differ in the length of an axis, what both have: the first of the longer one's places.

    Where inputs were added or taken away, a kernel's sum over its inputs may be what stayed (a grey image is one of
    three equal channels): then the two sums, if they are nearer each other than the first places.

    Args:
        theirs, ours: [n, k, ...], with as many axes.
    """
    common = tuple(slice(min(lengths)) for lengths in zip(theirs.shape, ours.shape, strict=True))
    first = theirs[common], ours[common]
    if theirs.ndim < 3 or theirs.shape[0] != ours.shape[0] or min(theirs.shape[1], ours.shape[1]) != 1:
        return first
    sums = theirs.sum(1, keepdims=True), ours.sum(1, keepdims=True)
    return min(first, sums, key=lambda pair: _distance(*pair))


def _distance(theirs: np.ndarray, ours: np.ndarray) -> float:
    return float(np.linalg.norm((ours - theirs).ravel()) / max(np.linalg.norm(theirs.ravel()), 1e-30))


def scaled_to(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """Rows with the sizes that fit other rows best: a normalisation that was folded into a layer scales its rows."""
    rows, others = theirs.reshape(len(theirs), -1), ours.reshape(len(ours), -1)
    products = np.einsum("ij,ij->i", rows, others)
    squares = np.maximum(np.einsum("ij,ij->i", rows, rows), 1e-30)
    return (rows * (products / squares)[:, None]).reshape(ours.shape).astype(ours.dtype)


def is_scaled(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Whether the sizes of rows explain most of the difference between two tensors of one shape."""
    before = float(np.linalg.norm((ours - theirs).ravel()))
    after = float(np.linalg.norm((ours - scaled_to(theirs, ours)).ravel()))
    return after < EXPLAINED * min(before, float(np.linalg.norm(ours.ravel())))
