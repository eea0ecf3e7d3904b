"""Adapters of low rank, as PEFT and kohya save them: what they change, which bases fit, and how they are merged.

Sources: Hu et al. 2022 (arXiv:2106.09685); Kalajdzievski 2023 (arXiv:2312.03732), the scale of rank-stabilised ones;
Liu et al. 2024 (arXiv:2402.09353), DoRA; peft/tuners/lora/layer.py.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lineage.checkpoints.checkpoint import Checkpoint, Entry
from lineage.checkpoints.files import MIB, SafeFile, safe_file
from lineage.errors import UserError, one_line

CONFIG = "adapter_config.json"
FACTOR = re.compile(
    r"(?P<module>[^\0]{1,500}?)\.(?P<kind>lora_A|lora_B|lora_down|lora_up|lora_embedding_A|lora_embedding_B|"
    r"lora_magnitude_vector|lora_mid)(?:\.\w{1,100})?(?:\.weight)?"
)
OF_FOLDERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""What a model is called in a folder of its own."""
DOWN = ("lora_A", "lora_down", "lora_embedding_A")
UP = ("lora_B", "lora_up", "lora_embedding_B")
EMBEDDING = "lora_embedding_A"
MOST_DROPPED, MOST_TRIED = 12, 200
"""Words in front of an adapter's names that a base may lack, and tensors of a base that its first layer may be."""

Shapes = Mapping[str, tuple[int, ...]]
Words = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The change of one layer: up · down, times a scale.

    module: the layer; shape: of its weights, as the factors give it; rank; down, up, magnitude: names of tensors.
    """

    module: str
    shape: tuple[int, ...]
    rank: int
    down: str
    up: str
    is_embedding: bool = False
    magnitude: str = ""


@dataclass(frozen=True)
class Config:
    """What an adapter's configuration says: file, None without one; base: the name of its base, which is a claim."""

    file: SafeFile | None
    said: Mapping[str, object]

    @property
    def base(self) -> str:
        """The name or path of the base that it was trained on, as it says."""
        return str(self.said.get("base_model_name_or_path") or "")[:200]

    def scale(self, part: Part) -> float:
        """What the change of a layer is multiplied by."""
        alpha = _of_module(self.said.get("alpha_pattern"), part.module, self.said.get("lora_alpha"))
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(part.rank) if self.said.get("use_rslora") is True else part.rank)


def parts_of(shapes: Shapes) -> list[Part]:
    """The layers that an adapter changes; empty for what is no adapter, as a model that holds its base too."""
    factors: dict[str, dict[str, str]] = {}
    for name in shapes:
        if "lora_" in name and (found := FACTOR.fullmatch(name)):
            factors.setdefault(found["module"], {})[found["kind"]] = name
    parts = []
    for module, kinds in factors.items():
        if f"{module}.weight" in shapes or f"{module}.base_layer.weight" in shapes or "lora_mid" in kinds:
            return []
        down, up = (next((kinds[kind] for kind in tried if kind in kinds), "") for tried in (DOWN, UP))
        if down and up and (part := _part(module, down, up, EMBEDDING in kinds, shapes)):
            parts.append(replace(part, magnitude=kinds.get("lora_magnitude_vector", "")))
    return parts


def _part(module: str, down: str, up: str, is_embedding: bool, shapes: Shapes) -> Part | None:
    inner, outer = shapes[down], shapes[up]
    if len(inner) < 2 or len(outer) != len(inner) or outer[1] != inner[0] or set(outer[2:]) - {1}:
        return None
    shape = (inner[1], outer[0]) if is_embedding else (outer[0], *inner[1:])
    return Part(module, shape, inner[0], down, up, is_embedding)


def config_beside(adapter: Checkpoint) -> Config:
    """The configuration in an adapter's folder.

    Raises:
        UserError: for one that is broken or too large.
    """
    path = adapter.files[0].path.parent / CONFIG
    if not path.is_file():
        return Config(None, {})
    file = safe_file(path)
    if file.size > MIB:
        raise UserError(f"{path}: has {file.size:,} bytes; expected the settings of an adapter")
    try:
        said = json.loads(file.real.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON: {one_line(error)}") from None
    if not isinstance(said, dict):
        raise UserError(f"{path}: expected the settings of an adapter by name, found a {type(said).__name__}")
    return Config(file, said)


def shipped_base(adapter: Checkpoint) -> Path | None:
    """The base that an adapter's configuration names, where it lies in the adapter's own folder."""
    if not parts_of(shapes_of(adapter)) or not (named := config_beside(adapter).base):
        return None
    folder = adapter.files[0].path.parent
    place = folder / named
    if Path(named).is_absolute() or ".." in Path(named).parts or not _is_there(place):
        return None
    tried = [place, *(place / name for name in OF_FOLDERS)]
    return next((path for path in tried if path.is_file() and path != adapter.files[0].path), None)


def _is_there(place: Path) -> bool:
    """Whether something is called so; no file has a name that the system takes for too long or for none."""
    try:
        return place.exists()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Fit:
    """How an adapter's names become a base's: `dropped` words in front are replaced by those of `prefix`.

    names: the base's, by their words.
    """

    dropped: int
    prefix: Words
    names: Mapping[Words, str]

    def name(self, called: str) -> str | None:
        """The base's tensor that the adapter calls so."""
        return self.names.get((*self.prefix, *_words(called)[self.dropped :]))

    def weight(self, part: Part) -> str | None:
        """The base's weights of a layer."""
        return self.name(f"{part.module}.weight")


def fit(parts: Sequence[Part], shapes: Shapes) -> Fit | None:
    """How the layers of an adapter are called in a base; None if it lacks one, or has it in another shape."""
    if not parts:
        return None
    names = {_words(name): name for name in shapes}
    first, tried = _words(f"{parts[0].module}.weight"), 0
    for dropped in range(min(len(first), MOST_DROPPED)):
        suffix = first[dropped:]
        for words in names:
            if words[len(words) - len(suffix) :] != suffix:
                continue
            found, tried = Fit(dropped, words[: len(words) - len(suffix)], names), tried + 1
            if all(_fits(part, found.weight(part), shapes) for part in parts):
                return found
            if tried >= MOST_TRIED:
                return None
    return None


def _fits(part: Part, name: str | None, shapes: Shapes) -> bool:
    return name is not None and shapes[name] in (part.shape, part.shape[::-1])


def _words(name: str) -> Words:
    return tuple(re.split(r"[._]", name))


def _of_module(pattern: object, module: str, default: object) -> float | None:
    """The number that a pattern has for a module, by the end of its name."""
    found = default
    if isinstance(pattern, dict):
        for key, value in list(pattern.items())[:10_000]:
            if module == key or module.endswith(f".{key}"):
                found = value
    if not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        raise ValueError(f"{CONFIG} gives {module} a scale that is too large for a number") from None


def merged(adapter: Checkpoint, base: Checkpoint) -> Checkpoint:
    """A base with an adapter merged in; a layer is merged when it is read.

    Raises:
        UserError: if the base lacks a layer that the adapter changes, or has it in another shape, or for a rank of 0.
    """
    parts = parts_of(shapes_of(adapter))
    found = fit(parts, shapes_of(base))
    if found is None:
        raise UserError(f"{adapter.files[0].path}: {base.files[0].path} has not all layers that it changes")
    if empty := next((part.module for part in parts if not part.rank), ""):
        raise UserError(f"{adapter.files[0].path}: layer {empty!r} has rank 0; expected 1 and more")
    config, entries = config_beside(adapter), dict(base.entries)
    changes = {found.weight(part): part for part in parts}
    used = {name for part in parts for name in (part.down, part.up, part.magnitude)}
    used |= {f"{part.module}.alpha" for part in parts}
    for name, part in changes.items():
        entries[name] = Entry(
            base.entries[name].shape, base.entries[name].dtype, _merging(adapter, base, name, part, config)
        )
    for name, entry in adapter.entries.items():
        if name not in used:
            entries[found.name(name) or name] = entry
    remarks = [f"merged in memory: {adapter.name} changes {len(parts)} layers of {base.name}"]
    files = [*adapter.files, *([config.file] if config.file else []), *base.files]
    return Checkpoint(adapter.name, f"{base.format}, adapter", files, entries, dict(base.left_out), remarks)


def shapes_of(model: Checkpoint) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's tensors, by name."""
    return {name: entry.shape for name, entry in model.entries.items()}


def _merging(adapter: Checkpoint, base: Checkpoint, name: str, part: Part, config: Config):
    is_of_gpt2 = config.said.get("fan_in_fan_out") is True

    def load() -> np.ndarray:
        weights = base.read(name)
        is_turned = weights.shape != part.shape or (is_of_gpt2 and not part.is_embedding)
        change = _scale(adapter, part, config) * _product(adapter, part)
        whole = weights + (change.T if is_turned else change)
        if part.magnitude:
            whole = _of_magnitude(whole.T if is_turned else whole, adapter.read(part.magnitude))
            whole = whole.T if is_turned else whole
        return whole

    return load


def _scale(adapter: Checkpoint, part: Part, config: Config) -> float:
    """The scale of a layer's change: kohya's stands beside the factors, PEFT's in the configuration."""
    alpha = f"{part.module}.alpha"
    if alpha in adapter.entries and adapter.entries[alpha].shape in ((), (1,)):
        return float(adapter.read(alpha).reshape(())) / part.rank
    return config.scale(part)


def _product(adapter: Checkpoint, part: Part) -> np.ndarray:
    down, up = adapter.read(part.down), adapter.read(part.up)
    if part.is_embedding:
        return (up @ down).T
    return (up.reshape(len(up), -1) @ down.reshape(len(down), -1)).reshape(part.shape)


def _of_magnitude(weights: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """DoRA: rows of the given lengths."""
    rows = weights.reshape(len(weights), -1)
    lengths = np.linalg.norm(rows, axis=1)
    if magnitude.size != len(rows):
        raise ValueError(f"its magnitudes are {magnitude.size}, expected one for each of {len(rows)} rows")
    return (rows * (magnitude.reshape(-1) / np.where(lengths > 0, lengths, 1))[:, None]).reshape(
        weights.shape
    )
