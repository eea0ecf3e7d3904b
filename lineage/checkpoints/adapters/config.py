"""The configuration beside an adapter: its scale, and which base it names."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lineage.checkpoints.adapters.parts import Part, parts_of, shapes_of
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.files import MIB, SafeFile, safe_file
from lineage.errors import UserError, one_line

CONFIG = "adapter_config.json"
OF_FOLDERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""What a model is called in a folder of its own."""


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
        """What the change of a layer is multiplied by.

        Raises:
            ValueError: where the scale is no number, or follows a rule that is not known.
        """
        alpha = _of_module(
            self.said.get("alpha_pattern"), part.module, self.said.get("lora_alpha", self.said.get("alpha"))
        )
        rank = part.rank or _of_module(self.said.get("rank_pattern"), part.module, self.said.get("r"))
        if alpha is None or not rank:
            return 1.0
        if self.said.get("init_weights") == "abba" or self.said.get("use_khatri_rao") is True:
            raise ValueError(f"{CONFIG} asks for ABBA, whose scale is not known; merge it with its base")
        return alpha / (math.sqrt(rank) if self.said.get("use_rslora") is True else rank)


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
