"""An adapter merged into its base, as PEFT does it; a layer is merged when it is read."""

from collections.abc import Callable
from functools import partial

import numpy as np

from lineage.checkpoints.adapters.config import Config, config_beside
from lineage.checkpoints.adapters.factors import BIAS, MAGNITUDES, fits
from lineage.checkpoints.adapters.fit import fit
from lineage.checkpoints.adapters.parts import Part, parts_of, shapes_of
from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.errors import UserError


def merged(adapter: Checkpoint, base: Checkpoint) -> Checkpoint:
    """A base with an adapter merged in.

    Raises:
        UserError: if the base lacks a layer that the adapter changes, or has it in another shape, or for a rank of 0.
    """
    parts = parts_of(shapes_of(adapter))
    found = fit(parts, shapes_of(base))
    if found is None:
        raise UserError(f"{adapter.files[0].path}: {base.files[0].path} has not all layers that it changes")
    if empty := next((part.module for part in parts if part.rank == 0), ""):
        raise UserError(f"{adapter.files[0].path}: layer {empty!r} has rank 0; expected 1 and more")
    merging = Merging(adapter, base, config_beside(adapter))
    entries = dict(base.entries)
    used = {name for part in parts for name in (*part.names.values(), f"{part.module}.alpha")}
    for part in parts:
        name, bias = found.weight(part), found.name(f"{part.module}.bias")
        entries[name] = _read_by(base.entries[name], partial(merging.weights, name, part))
        if bias and merging.changes_bias(part):
            entries[bias] = _read_by(base.entries[bias], partial(merging.bias, bias, part))
    for name, entry in adapter.entries.items():
        if name not in used:
            entries[found.name(name) or name] = entry
    remarks = [f"merged in memory: {adapter.name} changes {len(parts)} layers of {base.name}"]
    config = merging.config.file
    files = [*adapter.files, *([config] if config else []), *base.files]
    return Checkpoint(adapter.name, f"{base.format}, adapter", files, entries, dict(base.left_out), remarks)


def _read_by(entry: Entry, load: Callable[[], np.ndarray]) -> Entry:
    return Entry(entry.shape, entry.dtype, load)


class Merging:
    """Reads a base's tensors as an adapter changes them."""

    def __init__(self, adapter: Checkpoint, base: Checkpoint, config: Config):
        self._adapter, self._base, self.config = adapter, base, config

    def weights(self, name: str, part: Part) -> np.ndarray:
        """The weights of a layer, in the base's orientation: GPT-2's are stored the other way round."""
        weights = self._base.read(name)
        is_of_gpt2 = self.config.said.get("fan_in_fan_out") is True
        is_turned = not fits(part.shape, weights.shape) or (is_of_gpt2 and not part.is_embedding)
        whole = self._changed(weights.T if is_turned else weights, part)
        return whole.T if is_turned else whole

    def bias(self, name: str, part: Part) -> np.ndarray:
        """The bias of a layer."""
        values = self._base.read(name)
        if part.kind.change is None:
            return values * self._factors(part)["ia3_l"].reshape(values.shape)
        return values + self._scale(part) * self._adapter.read(part.names[BIAS])

    def changes_bias(self, part: Part) -> bool:
        """Whether the bias is changed too: where outputs are multiplied, or the adapter has a bias of its own."""
        return BIAS in part.names or (part.kind.change is None and part.shape[1] is None)

    def _changed(self, weights: np.ndarray, part: Part) -> np.ndarray:
        factors = self._factors(part)
        if part.kind.change is None:
            if weights.ndim != 2:
                raise ValueError(f"it has {weights.ndim} axes; IA3 is merged into matrices alone")
            return weights * factors["ia3_l"]
        change = np.float32(self._scale(part)) * part.kind.change(factors)
        whole = weights + change.reshape(weights.shape)
        magnitudes = [factors[name] for name in MAGNITUDES if name in factors]
        return _of_magnitude(whole, magnitudes[0]) if magnitudes else whole

    def _factors(self, part: Part) -> dict[str, np.ndarray]:
        return {called: self._adapter.read(name) for called, name in part.names.items() if called != BIAS}

    def _scale(self, part: Part) -> float:
        """The scale of a layer's change: kohya's stands beside the factors, PEFT's in the configuration."""
        alpha = f"{part.module}.alpha"
        if alpha in self._adapter.entries and self._adapter.entries[alpha].shape in ((), (1,)):
            return float(self._adapter.read(alpha).reshape(())) / part.rank if part.rank else 1.0
        return self.config.scale(part)


def _of_magnitude(weights: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """DoRA: rows of the given lengths."""
    rows = weights.reshape(len(weights), -1)
    lengths = np.linalg.norm(rows, axis=1)
    if magnitude.size != len(rows):
        raise ValueError(f"its magnitudes are {magnitude.size}, expected one for each of {len(rows)} rows")
    return (rows * (magnitude.reshape(-1) / np.where(lengths > 0, lengths, 1))[:, None]).reshape(
        weights.shape
    )
