"""Weights that a file stores in parts: pruned, weight-normalised or spectrally normalised layers.

Sources: torch.nn.utils.prune (`weight_orig`, `weight_mask`), weight_norm (Salimans & Kingma 2016, arXiv:1602.07868:
`weight_g`, `weight_v`), spectral_norm (Miyato et al. 2018, arXiv:1802.05957: `weight_orig`, `weight_u`) and
torch.nn.utils.parametrize (`parametrizations.weight.original`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lineage.checkpoints.checkpoint import Entry

Entries = Mapping[str, Entry]
PARAMETRISED = re.compile(r"(?:^|(?<=\.))parametrizations\.(\w+)\.")


@dataclass(frozen=True)
class Put:
    """A whole weight: what it is called, how it is read, and the names of its parts."""

    name: str
    entry: Entry
    parts: tuple[str, ...]


def whole(entries: Entries) -> tuple[dict[str, Entry], str | None]:
    """The tensors with the weights that lie in parts put together, each in the place of its first part."""
    found = [put for name in entries for rule in RULES if (put := rule(name, entries))]
    return together(
        entries, found
    ), f"{len(found)} weights lie in parts and were put together" if found else None


def together(entries: Entries, found: list[Put]) -> dict[str, Entry]:
    """The tensors with whole weights in the place of the first of their parts; a name in use is left alone."""
    found = [put for put in found if put.name not in entries or put.name in put.parts]
    places = {name: place for place, name in enumerate(entries)}
    first = {min(put.parts, key=places.__getitem__): put for put in found}
    used = {part for put in found for part in put.parts}
    result = {}
    for name, entry in entries.items():
        if name in first:
            result[first[name].name] = first[name].entry
        elif name not in used:
            result[name] = entry
    return result


def read(entry: Entry) -> np.ndarray:
    """A part, as float32."""
    return np.asarray(entry.load(), np.float32)


def _pruned(name: str, entries: Entries) -> Put | None:
    """`weight_orig` times `weight_mask`."""
    stem = name.removesuffix("_orig")
    mask = entries.get(f"{stem}_mask")
    if stem == name or mask is None or mask.shape != entries[name].shape:
        return None
    return _put(stem, entries, (name, f"{stem}_mask"), lambda values, stays: values * stays)


def _spectral(name: str, entries: Entries) -> Put | None:
    """`weight_orig` over its largest singular value, beside which `weight_u` lies."""
    stem = name.removesuffix("_orig")
    if stem == name or f"{stem}_u" not in entries or f"{stem}_mask" in entries:
        return None
    parts = tuple(part for part in (name, f"{stem}_u", f"{stem}_v") if part in entries)
    return _put(stem, entries, parts, lambda values, *vectors: values / _largest(values))


def _largest(values: np.ndarray) -> float:
    """The largest singular value of a weight [n, ...]."""
    if not values.ndim or not values.size:
        raise ValueError(f"its shape is {values.shape}; spectral normalisation is of rows and columns")
    rows = values.reshape(len(values), -1)
    short = rows if len(rows) <= rows.shape[1] else rows.T
    return max(float(np.linalg.eigvalsh(short @ short.T)[-1]), 1e-12) ** 0.5


def _normalised(name: str, entries: Entries) -> Put | None:
    """`weight_g` times the directions of `weight_v`."""
    stem = name.removesuffix("_v")
    size = entries.get(f"{stem}_g")
    if stem == name or size is None or not _are_sizes(size.shape, entries[name].shape):
        return None
    return _put(stem, entries, (name, f"{stem}_g"), _of_size)


def _are_sizes(sizes: tuple[int, ...], directions: tuple[int, ...]) -> bool:
    """Whether a shape is that of the sizes of directions: one number, or one for each place along one axis."""
    if not sizes:
        return True
    if len(sizes) != len(directions):
        return False
    long = [(size, side) for size, side in zip(sizes, directions, strict=True) if size != 1]
    return len(long) <= 1 and all(size == side for size, side in long)


def _parametrised(name: str, entries: Entries) -> Put | None:
    """`parametrizations.weight.original`, or `original0` times the directions of `original1`."""
    found = PARAMETRISED.search(name)
    if not found:
        return None
    stem, kind = name[: found.end()], name[found.end() :]
    called = f"{name[: found.start()]}{found[1]}"
    if kind == "original1" and f"{stem}original0" in entries:
        return _put(called, entries, (name, f"{stem}original0"), _of_size)
    if kind != "original":
        return None
    beside = tuple(part for part in entries if part.startswith(stem) and part != name)
    spectral = any(part.endswith("._u") for part in beside)
    return _put(
        called,
        entries,
        (name, *beside),
        lambda values, *_: values / _largest(values) if spectral else values,
    )


def _of_size(directions: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Directions scaled to the sizes given along the axes that the sizes keep."""
    if not _are_sizes(size.shape, directions.shape):
        raise ValueError(f"its sizes have the shape {size.shape}; expected one axis of {directions.shape}")
    axes = tuple(axis for axis in range(directions.ndim) if not size.ndim or size.shape[axis] == 1)
    norms = np.sqrt(np.square(directions).sum(axis=axes, keepdims=True))
    return directions * (size / np.maximum(norms, 1e-30))


def _put(called: str, entries: Entries, parts: tuple[str, ...], joined: Callable[..., np.ndarray]) -> Put:
    base = entries[parts[0]]
    return Put(
        called,
        Entry(base.shape, base.dtype, lambda: joined(*(read(entries[part]) for part in parts))),
        parts,
    )


RULES = (_pruned, _spectral, _normalised, _parametrised)
