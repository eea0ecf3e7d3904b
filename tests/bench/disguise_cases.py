"""Disguised children of grown families, and independent networks disguised likewise."""

import itertools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from lineage.families.cases.changes import State, copy_of, matrices
from lineage.families.plan import RUN_OF
from lineage.relation.alignment.align import align
from lineage.relation.alignment.disguises import disguised
from lineage.seeds import seed_of

FITTED, UNSEEN = (0, 1), (2, 3, 4)
"""Numbers of the families whose independent networks are the null, and of those that it is held against."""
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
EPOCHS = RUN_OF["c.sgd"].training.epochs
UNRELATED = ("root", "scratch", "c.adamw", "c.long", "gg", "task.data")
"""Of another family, beside the network that learned the same images in the same order."""


class Families:
    """The networks of one architecture by family."""

    def __init__(self, folder: Path, architecture: str, numbers: tuple[int, ...]):
        self.architecture = architecture
        tables = [
            pd.read_parquet(folder / "tables" / f"{architecture}-{number}.parquet") for number in numbers
        ]
        widths = pd.concat(tables).groupby("family")["width"].first()
        self.width = {family: int(width) for family, width in widths.items() if width <= WIDEST}
        steps = pd.concat(tables).query("model == 'c.sgd'").groupby("family")["steps"].first()
        self.epoch_steps = {family: int(steps[family]) // EPOCHS for family in self.width}
        group = {family: f"{architecture}-{family.rpartition('-')[2]}" for family in self.width}
        self.folder = {family: folder / group[family] / family for family in self.width}

    def path(self, family: str, model: str) -> Path:
        return self.folder[family] / f"{model}.safetensors"

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
