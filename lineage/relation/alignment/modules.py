"""A network's modules from the names of its tensors, in the order in which data pass.

Files often hold tensors in alphabetical order; then the order is taken from numbers, and from what first and last
modules are called.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lineage.relation.alignment.axes import Shapes, UnknownStructureError
from lineage.relation.tensor_names import as_passed, canonical

PARAMETERS = {"weight", "bias", "running_mean", "running_var"}
FIRST = {"stem", "conv1", "bn1", "conv_stem", "patch_embed", "embed"}
LAST = {"last", "conv_head", "bn2"}
"""Of these, `bn2` follows a `conv2` where there is one."""
HEADS = {"head", "heads", "fc", "classifier", "score", "logits", "output"}
DENSE = {"fc", "linear", "lin", "dense", "mlp"}
"""What follows convolutions."""
SHORTCUTS = {"downsample", "shortcut", "skip", "identity"}
CONVOLUTION_OR_NORM = re.compile(r"(conv|bn|norm)(\d+)")
NUMBERED = re.compile(r"(\D*)(\d*)(.*)", re.DOTALL)
INVERTED = {"conv_pw": 1, "bn1": 2, "conv_dw": 3, "bn2": 4, "se": 5, "conv_pwl": 6, "bn3": 7}
SEPARABLE = {"conv_dw": 1, "bn1": 2, "se": 3, "conv_pw": 4, "bn2": 5}
"""The order of the parts of timm's blocks with depthwise convolutions."""
AS_CONVOLUTION = {"conv_stem": 1, "conv_reduce": 1, "conv_expand": 2}
"""Numbers of timm's convolutions that have names: the first of a network, and those of a squeeze-and-excitation."""


@dataclass(frozen=True)
class Module:
    """One module: its name without wrappers, the shapes of its parameters, and what their tensors are called."""

    name: str
    shapes: dict[str, tuple[int, ...]]
    tensors: dict[str, str]

    @property
    def parts(self) -> list[str]:
        """Its name, part by part."""
        return self.name.split(".")

    @property
    def is_matrix(self) -> bool:
        """Whether it has rows and columns."""
        return len(self.shapes.get("weight", ())) >= 2

    @property
    def weight(self) -> str:
        """The tensor of its weight."""
        return self.tensors["weight"]

    @property
    def others(self) -> list[str]:
        """The tensors of its other parameters."""
        return [tensor for parameter, tensor in self.tensors.items() if parameter != "weight"]


def modules_of(shapes: Shapes) -> list[Module]:
    """The modules of plain networks, the head last.

    Raises:
        UnknownStructureError: for a tensor that is no weight, bias or statistic of BatchNorm, and for a mean without
            a variance, or a variance without a mean.
    """
    found = _modules(shapes)
    names = list(found)
    if names == sorted(names):
        places = _places(names)
        names.sort(key=places.__getitem__)
    return [found[name] for name in names]


def _modules(shapes: Shapes) -> dict[str, Module]:
    """The modules by name, in the order of the file; raises as `modules_of`."""
    found: dict[str, Module] = {}
    for tensor, shape in shapes.items():
        name, _, parameter = canonical(tensor).rpartition(".")
        if not shape or parameter == "num_batches_tracked":
            continue
        if parameter not in PARAMETERS:
            raise UnknownStructureError(
                f"{tensor}: expected {', '.join(sorted(PARAMETERS))}, got {parameter!r}"
            )
        module = found.setdefault(name, Module(name, {}, {}))
        module.shapes[parameter], module.tensors[parameter] = shape, tensor
    for name, module in found.items():
        if len({"running_mean", "running_var"} & module.shapes.keys()) == 1:
            raise UnknownStructureError(
                f"{name}: expected both running_mean and running_var, got one of them"
            )
    return found


def guessed(shapes: Shapes) -> tuple[str, str] | None:
    """Two neighbouring modules whose order is a guess; None if the file or the names say which data pass first.

    Of names that the file has sorted, words that are not known stand in the order of the alphabet. Raises as
    `modules_of`.
    """
    names = list(_modules(shapes))
    if names != sorted(names):
        return None
    places = _places(names)
    for first, second in itertools.pairwise(sorted(names, key=places.__getitem__)):
        pairs = zip(places[first], places[second], strict=False)
        place, later = next((pair for pair in pairs if pair[0] != pair[1]), (NOWHERE, NOWHERE))
        if place[0] == later[0] and not _is_known(place[1], later[1]):
            return first, second
    return None


def _is_known(word: str, later: str) -> bool:
    """Whether what two modules are called says that data pass the first one first."""
    return later in (word, f"{word}~") or (word == "conv" and later in DENSE)


Place = tuple[int, str, int, bool, str]
NOWHERE: Place = 0, "", 0, False, ""


def _places(names: Sequence[str]) -> dict[str, list[Place]]:
    """Where each module stands in natural order, by name."""
    tables = {
        name.rpartition(".")[0]: INVERTED if f"{name}_pwl".replace("_dw_", "_") in names else SEPARABLE
        for name in names
        if name.endswith(".conv_dw")
    }
    last = LAST - {"bn2"} if "conv2" in names else LAST
    return {name: _place(name.split("."), tables, last) for name in names}


def _place(parts: list[str], tables: dict[str, dict[str, int]], last: set[str]) -> list[Place]:
    """Where a module stands in natural order: a key for each part of its name; those called as `last` at the end."""
    places = []
    for depth, part in enumerate(parts):
        table = tables.get(".".join(parts[:depth]), {})
        in_table = (1, "conv", table[part], False, "") if part in table else None
        places.append(in_table or (_of_first_part(part, last) if depth == 0 else _of_part(part)))
    return places


def _of_first_part(part: str, last: set[str]) -> Place:
    if part in last:
        return 2, "", 0, part.startswith("bn"), ""
    rank = 0 if part in FIRST else 3 if part in HEADS else 1
    return rank, *_of_part(part)[1:]


def _of_part(part: str) -> Place:
    rank = 2 if part in SHORTCUTS else 1
    if part in AS_CONVOLUTION:
        return rank, "conv", AS_CONVOLUTION[part], False, ""
    if plain := CONVOLUTION_OR_NORM.fullmatch(part):
        return rank, "conv", int(plain[2]), plain[1] != "conv", ""
    word, number, rest = NUMBERED.fullmatch(part).groups()
    return rank, as_passed(word), int(number or -1), False, rest
