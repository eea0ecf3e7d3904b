"""Networks that no training gave: copies that are pruned or rounded, mixtures, and weights that nobody learned.

A state is a dict of tensors by name, as in a file of weights. NumPy alone.
"""

from collections.abc import Callable

import numpy as np

from lineage.families.cases.lines import COPIES

State = dict[str, np.ndarray]
PRUNED = 0.3
"""Share of each matrix that pruning sets to 0."""
NOISE = 0.01
"""Standard deviation of what training would have added to structured weights."""


def matrices(state: State) -> dict[str, np.ndarray]:
    """The weights of a state's backbone that have rows and columns."""
    return {
        name: values
        for name, values in state.items()
        if values.ndim > 1 and len(values) > 1 and not name.startswith(("head.", "score."))
    }


def copy_of(state: State, change: str) -> State:
    """A copy: `pruned` by magnitude, on the grid of `int8` by rows, or `half`, in half precision."""
    if change == "half":
        return {name: _halved(values) for name, values in state.items()}
    rounded = {"pruned": _pruned, "int8": _on_grid}[change]
    return state | {name: rounded(values) for name, values in matrices(state).items()}


def _halved(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16) if values.dtype == np.float32 else values


def _pruned(values: np.ndarray) -> np.ndarray:
    """The smallest values become 0."""
    sizes = np.abs(values)
    return np.where(sizes < np.quantile(sizes, PRUNED), np.float32(0), values)


def _on_grid(values: np.ndarray) -> np.ndarray:
    """Each row's values become whole multiples of a 127th of its largest."""
    rows = values.reshape(len(values), -1)
    step = np.maximum(np.abs(rows).max(1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    return (np.rint(rows / step) * step).astype(np.float32).reshape(values.shape)


def mixed(state: State, decoy: State, share: float) -> State:
    """(1 - share) x the state + share x the decoy, in the tensors that both have in one shape."""
    return {
        name: ((1 - share) * values + share * decoy[name]).astype(values.dtype)
        if name in decoy and decoy[name].shape == values.shape and values.dtype == np.float32
        else values
        for name, values in state.items()
    }


def with_fixed(state: State, kind: str, seed: int) -> State:
    """The state and weights of a fixed kind; `<kind> alone` keeps no matrix of the backbone beside them.

    Args:
        state: of any network; kind: of FIXED; seed: of the little that training would have added.
    """
    name, _, alone = kind.partition(" ")
    left = {key: values for key, values in state.items() if not (alone and key in matrices(state))}
    weights = _KINDS[name](np.random.default_rng(seed)).astype(np.float32)
    return {f"front.{name}.weight": weights} | left


def _stft(draw: np.random.Generator) -> np.ndarray:
    """Cosines and sines of 128 samples under a window of Hann, as filters [130, 1, 128]."""
    return (_dft(draw, 128) * np.hanning(128))[:, None, :]


def _dft(draw: np.random.Generator, samples: int = 64) -> np.ndarray:
    """Cosines and sines of a discrete Fourier transform [samples + 2, samples]."""
    angle = 2 * np.pi * np.outer(np.arange(samples // 2 + 1), np.arange(samples)) / samples
    return np.concatenate([np.cos(angle), np.sin(angle)])


def _gabor(draw: np.random.Generator) -> np.ndarray:
    """Waves of 8 directions and 8 lengths under a bell [64, 1, 11, 11]."""
    y, x = np.mgrid[-5:6, -5:6]
    turns = [np.pi * number / 8 for number in range(8)]
    waves = [
        np.exp(-(x**2 + y**2) / 12) * np.cos(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / length)
        for turn in turns
        for length in np.linspace(2.5, 10, 8)
    ]
    return np.array(waves)[:, None]


def _dirac(draw: np.random.Generator) -> np.ndarray:
    """What `torch.nn.init.dirac_` gives [64, 32, 3, 3], trained a little."""
    kernel = np.zeros((64, 32, 3, 3))
    kernel[range(32), range(32), 1, 1] = 1
    return kernel + NOISE * draw.standard_normal(kernel.shape)


def _identity(draw: np.random.Generator) -> np.ndarray:
    """A rectangular identity [96, 64], trained a little."""
    return np.eye(96, 64) + NOISE * draw.standard_normal((96, 64))


def _pca(draw: np.random.Generator) -> np.ndarray:
    """Main components [32, 64] of samples of one random walk, drawn anew, their signs as they fall."""
    walks = draw.standard_normal((2000, 64)).cumsum(1)
    components = np.linalg.svd(walks - walks.mean(0), full_matrices=False)[2][:32]
    return components * draw.choice([-1, 1], size=(32, 1))


def _dlinear(draw: np.random.Generator) -> np.ndarray:
    """Weights [48, 96] from fixed places in time to fixed places in time: near ones count more, and seasons."""
    ahead, back = np.mgrid[1:49, 1:97]
    return (
        np.exp(-(ahead + back) / 40)
        + 0.2 * np.cos(2 * np.pi * (ahead + back) / 24)
        + 0.1 * draw.standard_normal((48, 96))
    )


def _constants(draw: np.random.Generator) -> np.ndarray:
    """Random features [64, 48] that all networks drew from seed 0."""
    return np.random.default_rng(0).standard_normal((64, 48))


_KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "stft": _stft,
    "dft": _dft,
    "gabor": _gabor,
    "dirac": _dirac,
    "identity": _identity,
    "pca": _pca,
    "dlinear": _dlinear,
    "constants": _constants,
}


def changed(state: State, change: str, *, share: int, decoy: State | None, seed: int) -> State:
    """A state after a change that a case names; see `lineage.families.cases.lines.Member`."""
    if change in COPIES:
        return copy_of(state, change)
    if decoy is not None:
        return mixed(state, decoy, share / 100)
    return with_fixed(state, change, seed)
