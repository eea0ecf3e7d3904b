"""Networks that are functions of NumPy, for suspects that are asked: a shared part, and a part of each one's own."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest

CLASSES, SIZE = 10, 8
DIGITS = {"data": "sklearn:digits", "image_size": SIZE, "channels": 1}
"""What queries are chosen from, as `lineage.ask` takes it."""
Function = Callable[[np.ndarray], np.ndarray]


def logits(weights: np.ndarray) -> Function:
    """A linear network on pixels."""
    return lambda images: (images.reshape(len(images), -1) / 255 - 0.3) @ weights


def labels(weights: np.ndarray) -> Function:
    """What it answers to a stranger: labels alone."""
    return lambda images: logits(weights)(images).argmax(1)


def probabilities(weights: np.ndarray) -> Function:
    def answer(images: np.ndarray) -> np.ndarray:
        values = logits(weights)(images)
        shares = np.exp(values - values.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    return answer


def unrelated_functions(count: int) -> dict[str, Function]:
    """So many candidates that are independent of each other, by id."""
    world = World(seed=1)
    return {f"p{number}": logits(world.unrelated()) for number in range(count)}


@contextlib.contextmanager
def trained_briefly() -> Iterator[None]:
    """Copies of candidates are trained for 3 steps in place of 50, where no test looks at what they learn."""
    from lineage.asking.choosing import networks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "STEPS", 3)
        yield


class World:
    """Independent networks that learned the same: a part that all share, and noise of their own."""

    def __init__(self, seed: int = 0, own: float = 0.6):
        self._random, self._own = np.random.default_rng(seed), own
        self._shared = self._random.normal(size=(SIZE**2, CLASSES))

    def unrelated(self) -> np.ndarray:
        return self._shared + self._own * self._random.normal(size=self._shared.shape)

    def child(self, parent: np.ndarray, drift: float = 0.2) -> np.ndarray:
        return parent + drift * self._random.normal(size=parent.shape)
