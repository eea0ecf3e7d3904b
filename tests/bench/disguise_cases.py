"""Disguised children of grown families, and independent networks disguised likewise."""

import itertools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import numpy as np
import yaml
from safetensors.numpy import load_file

from lineage.families.cases.changes import State, copy_of, matrices
from lineage.families.grow import grow
from lineage.families.plan import Plan
from lineage.relation.alignment.align import align
from lineage.relation.alignment.disguises import disguised
from lineage.seeds import seed_of

FITTED, UNSEEN = (0, 1), (5, 6, 7)
"""Numbers of the families whose independent networks are the null, and of those that all else is measured on: what
aligns was chosen on families of numbers below 5, and the package's model of direction was fitted on them."""
FITTING = {
    "mlp": ("permute", "rescale", "thin"),
    "conv": ("permute", "rescale", "thin"),
    "resnet": ("permute", "rescale", "stream", "thin"),
    "mobile": ("permute", "rescale", "stream", "thin", "shorten"),
    "vit": ("permute", "rescale", "stream", "heads", "thin", "shorten"),
    "llama": ("permute", "rescale", "stream", "rotate", "heads", "thin", "shorten"),
}
"""The disguises that an architecture can have."""
ON_TOP = ("int8", "4 bits", "pruned 50 %", "noise 10 %")
HEAD_WIDTH, WIDEST = 32, 128
WIDTHS = yaml.safe_load(Path("config/families.yaml").read_text())["families"]["widths"]
UNRELATED = ("root", "scratch", "c.adamw", "c.long", "gg", "task.data")
"""Of another family, beside the network that learned the same images in the same order."""


class Families:
    """The networks of one architecture by family; a family that the folder lacks is grown when it is asked for.

    Args:
        folder: where each family has a folder; numbers: of the families; those wider than WIDEST are left out.
    """

    def __init__(self, folder: Path, architecture: str, numbers: tuple[int, ...]):
        self.architecture, self._folder = architecture, folder
        groups = Plan(seeds=max(numbers) + 1, widths=WIDTHS).groups
        families = [family for number in numbers for family in groups[f"{architecture}-{number}"]]
        self.family = {family.id: family for family in families if family.width <= WIDEST}
        self.width = {name: family.width for name, family in self.family.items()}

    def path(self, family: str, model: str) -> Path:
        folder = self._folder / family
        if not folder.exists():
            grown = folder.with_name(f"{family}.part")
            rmtree(grown, ignore_errors=True)
            for _ in grow(self.family[family], grown, print):
                pass
            grown.rename(folder)
        return folder / f"{model}.safetensors"

    def state(self, family: str, model: str) -> State:
        return {name: values for name, values in load_file(self.path(family, model)).items() if values.ndim}

    def strangers(self, family: str) -> list[str]:
        return [found for found in self.width if found != family and self.width[found] == self.width[family]]

    def disguised(self, family: str, model: str, how: str) -> State:
        return self.in_disguise(self.state(family, model), f"{family}/{model}/{how}", how)

    def in_disguise(self, state: State, of: str, how: str) -> State:
        """A state in a disguise, whose random numbers are those of what it is `of`."""
        head_width = HEAD_WIDTH if self.architecture in ("vit", "llama") else None
        draw = np.random.default_rng(seed_of(of))
        return disguised(state, how.split(" + "), draw, head_width) if how else state


def on_top(state: State, change: str) -> State:
    """A state that was rounded, pruned or shaken as well."""
    if change == "int8":
        return copy_of(state, "int8")
    found = dict(state)
    for name, values in matrices(state).items():
        if change == "4 bits":
            rows = values.reshape(len(values), -1)
            step = np.maximum(np.abs(rows).max(1, keepdims=True) / 7, 1e-30)
            found[name] = (np.rint(rows / step) * step).astype(np.float32).reshape(values.shape)
        elif change == "pruned 50 %":
            found[name] = np.where(np.abs(values) < np.median(np.abs(values)), np.float32(0), values)
        else:
            noise = np.random.default_rng(0).standard_normal(values.shape) * values.std()
            found[name] = (values + 0.1 * noise).astype(np.float32)
    return found


def ways(architecture: str) -> list[str]:
    """Disguises, and their compositions two by two."""
    single = list(FITTING[architecture])
    return single + [" + ".join(pair) for pair in itertools.combinations(single, 2)]


class OutOfTimeError(Exception):
    """The time that was given is over."""


class Measured:
    """Rows of JSON that stay on disk: what is there is not measured again.

    Args:
        path: their file; until: when to stop, of `time.monotonic`.
    """

    def __init__(self, path: Path, until: float = math.inf):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._until = path, until
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows = {row["key"]: row for row in map(json.loads, lines)}

    def add(self, key: str, measure: Callable[..., dict], *given: object) -> dict:
        if key not in self.rows:
            if time.monotonic() > self._until:
                raise OutOfTimeError(f"{self._path}: {len(self.rows)} rows so far; the same command goes on")
            self.rows[key] = {"key": key} | measure(*given)
            with self._path.open("a") as file:
                file.write(json.dumps(self.rows[key]) + "\n")
        return self.rows[key]


def independent(folder: Path, numbers: tuple[int, ...], each: int, rows: Measured) -> list[dict]:
    """Margins of pairs of independent networks, `each` of every architecture."""
    found = []
    for architecture in FITTING:
        families = Families(folder, architecture, numbers)
        draw, names = np.random.default_rng(seed_of(architecture)), list(families.width)
        hows = ways(architecture)
        for number in range(each):
            family, how = names[number % len(names)], hows[number % len(hows)]
            child = str(draw.choice(["c.adamw", "c.long", "c.sgd", "gg", "root", "task.labels"]))
            strangers = families.strangers(family)
            apart = family if not strangers or number % 4 == 0 else str(draw.choice(strangers))
            model = "scratch" if apart == family else str(draw.choice(UNRELATED))
            key = f"{architecture} {number} {family} {child} {how} {apart} {model}"
            found.append(rows.add(key, margin_of, families, family, child, how, apart, model))
    return found


def margin_of(families: Families, family: str, child: str, how: str, apart: str, model: str) -> dict:
    found = align(families.disguised(family, child, how), families.state(apart, model))
    return {
        "architecture": families.architecture,
        "family": family,
        "margin": found.margin,
        "held_out": found.log10_p,
    }
