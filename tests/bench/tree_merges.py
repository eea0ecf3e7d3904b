"""How often merges are known by their parents, weights and recipe: networks of grown families, merged here.

In a folder lie all networks of a family and a merge of each recipe, of other children of the root each time, so every
network is a decoy of every merge. Once more without the root: then only what needs no base is asked about.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from lineage.auditing.stages.thirds.passing import Direction
from lineage.checkpoints.find import Source
from lineage.genealogy.run import tree_of
from lineage.genealogy.types import Tree
from lineage.index.digest import DigestCache

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from merged_models import MERGINGS, recipe_of

BASE = "root"
PARENTS = {
    "average": ("c.adamw", "c.sgd"),
    "weighted average": ("c.long", "c.same"),
    "SLERP": ("c.momentum", "c.lora"),
    "WiSE-FT": (BASE, "c.l2sp"),
    "task arithmetic": ("c.decay", "g.light"),
    "TIES": ("g.adamw", "c.light"),
    "DARE": ("gg", "c.head"),
    "passthrough": ("g.adamw", "c.decay"),
}
"""Of each merge: no two have two parents in common."""
BASELESS = ("average", "weighted average", "SLERP", "TIES", "passthrough")


def merged(recipe: str, states: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """A merge of two networks; what only one of them has, or in another shape, is the second's."""
    base, first, second = (states[name] for name in (BASE, *PARENTS[recipe]))
    found = {}
    for number, (name, values) in enumerate(second.items()):
        parts = [state.get(name) for state in (base, first)]
        if any(part is None or part.shape != values.shape for part in parts) or values.dtype != np.float32:
            found[name] = values
        elif recipe == "passthrough":
            found[name] = first[name] if number < len(second) / 2 else values
        else:
            tensors = [part.astype(np.float64) for part in (*parts, values)]
            found[name] = MERGINGS[recipe][0](*tensors).astype(np.float32)
    return found


def written(family: Path, folder: Path, *, with_base: bool) -> dict[str, Path]:
    """The files of a family's networks and their merges."""
    files = {path.stem: path for path in sorted(family.glob("*.safetensors"))}
    states = {name: load_file(path) for name, path in files.items()}
    for recipe in MERGINGS | {"passthrough": ()}:
        if recipe in PARENTS and (with_base or recipe in BASELESS):
            files[f"merge {recipe}"] = folder / f"{recipe}.safetensors"
            save_file(merged(recipe, states), files[f"merge {recipe}"])
    if not with_base:
        del files[BASE]
    return files


def wanted_of(recipe: str) -> dict[str, float]:
    """The true parents and their weights."""
    first, second = PARENTS[recipe]
    if recipe == "WiSE-FT":
        return {BASE: 0.6, second: 0.4}
    if recipe == "passthrough":
        return {first: np.nan, second: np.nan}
    parts = {"base": BASE, "first": first, "second": second}
    return {parts[part]: weight for part, weight in MERGINGS[recipe][1].items()}


def answered(
    family: Path, folder: Path, cache: Path, direction: Direction, *, with_base: bool
) -> Iterator[dict]:
    """A row a merge: counts of parents found, missed and false, errors of weights; and one on all other networks."""
    files = written(family, folder, with_base=with_base)
    sources = [Source(id=name, path=str(path)) for name, path in files.items()]
    tree = tree_of("", sources, DigestCache(cache), direction)
    found = {merge.child: merge for merge in tree.merges}
    for recipe in PARENTS:
        if f"merge {recipe}" in files:
            yield {"recipe": recipe, "with_base": with_base} | counts_of(tree, recipe)
    others = [name for name in files if not name.startswith("merge ") and name != "scratch"]
    yield {
        "recipe": "no merge",
        "with_base": with_base,
        "others": len(others),
        "false": sum(name in found for name in others),
    }


def counts_of(tree: Tree, recipe: str) -> dict:
    """How right one merge is; a merge that is none has no parents."""
    merge = next((merge for merge in tree.merges if merge.child == f"merge {recipe}"), None)
    wanted = wanted_of(recipe)
    named = dict(merge.weights) if merge is not None else {}
    errors = [
        abs(named[name] - weight) for name, weight in wanted.items() if name in named and weight == weight
    ]
    return {
        "hits": len(named.keys() & wanted.keys()),
        "missed": len(wanted.keys() - named.keys()),
        "false": len(named.keys() - wanted.keys()),
        "errors": errors,
        "is_recipe": merge is not None and merge.recipe == recipe_of(recipe),
        "named": sorted(named),
    }
