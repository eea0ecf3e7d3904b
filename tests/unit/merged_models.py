"""Merges of models by their published formulas, tensor by tensor: for tests and benches of family trees."""

from collections.abc import Callable

import numpy as np

Merging = Callable[..., np.ndarray]
"""Takes a base's tensor and those of two parents."""
DROPPED = 0.6


def average(base: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first + second) / 2


def weighted(base: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return 0.3 * first + 0.7 * second


def slerp(base: np.ndarray, first: np.ndarray, second: np.ndarray, share: float = 0.7) -> np.ndarray:
    """Spherical interpolation (Shoemake 1985)."""
    sizes = np.linalg.norm(first) * np.linalg.norm(second)
    angle = np.arccos(np.clip(np.vdot(first, second) / max(sizes, 1e-30), -1, 1))
    if angle < 1e-6:
        return (1 - share) * first + share * second
    return (np.sin((1 - share) * angle) * first + np.sin(share * angle) * second) / np.sin(angle)


def wise_ft(base: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return 0.6 * base + 0.4 * second


def task_arithmetic(base: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return base + 0.4 * (first - base) + 0.4 * (second - base)


def strong_task_arithmetic(base: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return base + 0.7 * (first - base) + 0.6 * (second - base)


def ties(base: np.ndarray, first: np.ndarray, second: np.ndarray, share: float = 0.3) -> np.ndarray:
    """The largest changes of each stay, their sum elects a sign, and agreeing ones are averaged."""
    changes = np.stack([first - base, second - base])
    flat = np.abs(changes).reshape(2, -1)
    limits = np.quantile(flat, 1 - share, axis=1).reshape(2, *[1] * base.ndim)
    trimmed = np.where(np.abs(changes) >= limits, changes, 0)
    agreeing = np.where(np.sign(trimmed) == np.sign(trimmed.sum(0)), trimmed, 0)
    return base + agreeing.sum(0) / np.maximum((agreeing != 0).sum(0), 1)


def dare(base: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Changes are dropped at random, those that stay are scaled up, and half of each is added."""
    draw = np.random.default_rng(base.size)
    total = np.zeros_like(base)
    for model in (first, second):
        total += np.where(draw.random(base.shape) >= DROPPED, model - base, 0) / (2 * (1 - DROPPED))
    return base + total


MERGINGS: dict[str, tuple[Merging, dict[str, float]]] = {
    "average": (average, {"first": 0.5, "second": 0.5}),
    "weighted average": (weighted, {"first": 0.3, "second": 0.7}),
    "SLERP": (slerp, {"first": 0.3, "second": 0.7}),
    "WiSE-FT": (wise_ft, {"base": 0.6, "second": 0.4}),
    "task arithmetic": (task_arithmetic, {"base": 0.2, "first": 0.4, "second": 0.4}),
    "task arithmetic, strong": (strong_task_arithmetic, {"base": -0.3, "first": 0.7, "second": 0.6}),
    "TIES": (ties, {"first": 1.0, "second": 1.0}),
    "DARE": (dare, {"first": 0.5, "second": 0.5}),
}
"""By recipe, and the weights of those that take part."""


def recipe_of(name: str) -> str:
    """What the tool calls it."""
    return name.partition(",")[0]
