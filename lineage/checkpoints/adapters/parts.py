"""The layers that an adapter changes, told by the names and shapes of its tensors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lineage.checkpoints.adapters.factors import BIAS, KINDS, Kind, Shape, Shapes
from lineage.checkpoints.checkpoint import Checkpoint

SAME = {"lora_A": "lora_down", "lora_B": "lora_up"}
"""PEFT's names of what kohya calls otherwise."""
OTHERS = {"oft_blocks": "OFT", "oft_r": "OFT", "oft_R": "OFT", "boft_R": "BOFT", "boft_s": "BOFT"}
OTHERS |= {"vera_lambda_b": "VeRA", "vera_lambda_d": "VeRA"}
"""Kinds that are not merged, by their factors."""
FACTORS = {*SAME, *OTHERS, *(factor for kind in KINDS for factor in kind.factors)} - {BIAS}
FACTOR = re.compile(
    rf"(?P<module>[^\0]{{1,500}}?)\.(?P<factor>{'|'.join(sorted(FACTORS, reverse=True))})"
    r"(?:\.(?!weight|bias)\w{1,100})?(?:\.weight|(?P<bias>\.bias))?"
)


@dataclass(frozen=True)
class Part:
    """The change of one layer.

    module: the layer; kind: of adapter; shape: of its weights, as the factors give it; rank: None where they do not
    say it; names: of the adapter's tensors, by factor.
    """

    module: str
    kind: Kind
    shape: Shape
    rank: int | None
    names: Mapping[str, str]

    @property
    def is_embedding(self) -> bool:
        """Whether the layer is a table."""
        return "lora_embedding_A" in self.names


def parts_of(shapes: Shapes) -> list[Part]:
    """The layers that an adapter changes.

    Empty for what is no adapter, as a model that holds its base too, and for an adapter that is not merged.
    """
    found = _factors(shapes)
    if any(_is_beside(module, shapes) for module in found):
        return []
    parts = [_part(module, names, shapes) for module, names in found.items()]
    return [part for part in parts if part] if all(parts) else []


def kind_not_merged(shapes: Shapes) -> str | None:
    """The kind of an adapter that is not merged, in a file without the layers it changes; None of other files."""
    found = _factors(shapes)
    if any(_is_beside(module, shapes) for module in found):
        return None
    for module, names in found.items():
        if not _part(module, names, shapes):
            known = next((kind.name for kind in KINDS if kind.factors & names.keys()), None)
            unread = next((OTHERS[factor] for factor in names if factor in OTHERS), None)
            return unread or f"{known} with {', '.join(sorted(names))}"
    return None


def shapes_of(model: Checkpoint) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's tensors, by name."""
    return {name: entry.shape for name, entry in model.entries.items()}


def _factors(shapes: Shapes) -> dict[str, dict[str, str]]:
    """The names of an adapter's tensors, by the layer and by what they are called."""
    found: dict[str, dict[str, str]] = {}
    for name in shapes:
        if "_" in name and (factor := FACTOR.fullmatch(name)):
            called = BIAS if factor["bias"] else SAME.get(factor["factor"], factor["factor"])
            found.setdefault(factor["module"], {})[called] = name
    return found


def _is_beside(module: str, shapes: Shapes) -> bool:
    return f"{module}.weight" in shapes or f"{module}.base_layer.weight" in shapes


def _part(module: str, names: Mapping[str, str], shapes: Shapes) -> Part | None:
    own = {called: shapes[name] for called, name in names.items()}
    for kind in KINDS:
        if own.keys() <= kind.factors and (shape := kind.shape(own)):
            return Part(module, kind, shape, kind.rank(own), names)
    return None
