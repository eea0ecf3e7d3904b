"""Filters, tables and initialisations that independent networks have in common, in closed form."""

from itertools import product

import numpy as np
from scipy.linalg import hadamard


def fourier(size: int) -> dict[str, np.ndarray]:
    """The two matrices of a short-time Fourier transform, as layers of audio store them: [bins, 1, size]."""
    angles = 2 * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(size)) / size
    window = np.hanning(size)
    return {"real": (np.cos(angles) * window)[:, None], "imag": (-np.sin(angles) * window)[:, None]}


def interleaved_fourier(size: int) -> np.ndarray:
    """The same in one matrix, sines and cosines in turn."""
    both = fourier(size)
    return np.stack([both["real"], both["imag"]], 1).reshape(-1, 1, size)


def cosines(size: int) -> np.ndarray:
    """The discrete cosine transform."""
    return np.cos(np.pi * np.outer(np.arange(size), np.arange(size) + 0.5) / size)


def mel(filters: int, bins: int) -> np.ndarray:
    """Triangles that are evenly spaced on the mel scale."""
    corners = 700 * (np.exp(np.linspace(0, np.log(1 + 8000 / 700), filters + 2)) - 1)
    frequencies = np.linspace(0, 8000, bins)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def gabor(size: int, angles: int, frequencies: list[float], phases: int = 1) -> np.ndarray:
    """A bank of Gabor filters: [angles x frequencies x phases, 1, size, size]."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    bank = [
        np.exp(-2 * (x**2 + y**2)) * np.cos(f * (x * np.cos(a) + y * np.sin(a)) + phase * np.pi / 2)
        for a, f, phase in product(np.pi * np.arange(angles) / angles, frequencies, range(phases))
    ]
    return np.array(bank)[:, None]


def alibi(heads: int, length: int) -> np.ndarray:
    """Attention with linear biases: [heads, length, length]."""
    slopes = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    return -slopes[:, None, None] * np.abs(np.subtract.outer(np.arange(length), np.arange(length)))


def dirac(outputs: int, inputs: int, size: int = 3, groups: int = 1) -> np.ndarray:
    """Kernels that pass their inputs on, as `torch.nn.init.dirac_` makes them."""
    kernels = np.zeros((outputs, inputs, size, size))
    of_group = outputs // groups
    for group, channel in product(range(groups), range(min(of_group, inputs))):
        kernels[group * of_group + channel, channel, size // 2, size // 2] = 1
    return kernels


def forecasts(length: int, horizon: int, seed: int) -> np.ndarray:
    """The linear map from the past of one series to its future, by ridge regression on noisy pieces of it."""
    generator = np.random.default_rng(seed)
    times = generator.integers(0, 4000, 600)[:, None] + np.arange(length + horizon)
    series = np.sin(2 * np.pi * times / 24) + 0.5 * np.sin(2 * np.pi * times / 84 + 1)
    series = series + 0.3 * generator.normal(size=series.shape)
    past, future = series[:, :length], series[:, length:]
    return np.linalg.solve(past.T @ past + 5 * np.eye(length), past.T @ future).T


def principal_axes(columns: int, seed: int) -> np.ndarray:
    """The axes of a sample of smooth images, by variance."""
    generator = np.random.default_rng(seed)
    places = np.arange(columns)
    smooth = np.exp(-np.abs(np.subtract.outer(places, places)) / 5)
    sample = generator.multivariate_normal(np.zeros(columns), smooth, 4000)
    axes = np.linalg.svd(sample - sample.mean(0), full_matrices=False)[2]
    return axes * np.sign(axes.sum(1, keepdims=True))


ORDERED = {
    "STFT, real": fourier(64)["real"],
    "STFT, imaginary": fourier(512)["imag"],
    "STFT, interleaved": interleaved_fourier(128),
    "STFT, transposed": fourier(256)["real"][:, 0].T,
    "DCT": cosines(64),
    "DCT, 16 rows": cosines(64)[:16],
    "mel": mel(64, 513),
    "mel, transposed": mel(64, 513).T,
    "Gabor, 8 x 4": gabor(9, 8, [2, 4, 6, 8]),
    "Gabor, 8 x 4 x 2": gabor(11, 8, [2, 4, 6, 8], 2),
    "Gabor, 16 x 1": gabor(7, 16, [6]),
    "Gabor of colour": np.repeat(gabor(11, 8, [2, 4, 6, 8]), 3, 1),
    "Hadamard": hadamard(64),
    "forecast": forecasts(64, 48, 0),
    "principal axes": principal_axes(64, 0),
}
"""Matrices whose rows stand in an order."""

DIAGONAL = {
    "identity": np.eye(64),
    "wide identity": np.eye(64, 128),
    "tall identity": np.eye(128, 64),
    "taller identity": np.eye(256, 100),
    "identity and its negative": np.concatenate([np.eye(64), -np.eye(64)]),
    "dirac": dirac(64, 64),
    "dirac, more outputs": dirac(128, 64),
    "dirac, more inputs": dirac(64, 128),
    "dirac, kernel of 1": dirac(64, 64, 1),
}
"""Initialisations that tie rows and columns."""
