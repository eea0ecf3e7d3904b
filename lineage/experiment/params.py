"""What rules pass to their scripts: plain values, and no more of an experiment than the rule needs.

Snakemake compares them with those of the last run, so whatever stands in them without being used causes reruns.
Imported at every parse of the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Iterable

from lineage.experiment.conditions import ancestor_in
from lineage.experiment.paths import BOTH, UNSEEN_PARENTS
from lineage.experiment.zoo import Model, Zoo

OF_PLAN = ("candidates", "unseen_parents", "transfer", "transfer_only", "by_inputs")
"""Keys of `detector` that say which detectors there are, not how one is built and trained."""


def ids_of(models: Iterable[Model]) -> list[str]:
    """The models' ids, sorted."""
    return sorted(model.id for model in models)


def sources_of(children: Iterable[Model]) -> list[str]:
    """Ids of the models that children start from: their parents, and the other sources of hybrids."""
    children = list(children)
    hybrids = [child.recipe.get("hybrid", {}) for child in children]
    sources = {source for hybrid in hybrids for source in hybrid.get("sources", [])}
    return sorted({child.parent for child in children} | sources)


def evaluated_settings(zoo: Zoo, experiment: dict) -> dict[str, dict]:
    """What the evaluation knows of each setting: its children's parents, candidates, splits, counts, ancestors."""
    return {
        setting: {
            "parents": {child.id: child.parent for child in zoo.children(setting)},
            "candidates": zoo.candidates(setting),
            "splits": [zoo.split(setting, seed) for seed in range(experiment["seeds"])],
            "counts": [
                count
                for count in experiment["detector"]["candidates"]
                if count <= zoo.most_candidates(setting)
            ],
            "ancestors": {
                ancestor_in(name): {"candidates": ids_of(zoo.children(name)), "parents": found}
                for name, found in zoo.ancestors(setting).items()
            },
        }
        for setting in zoo.of_one_parent
    }


def hybrid_splits(zoo: Zoo, seeds: int) -> dict[str, list[dict[str, str]]]:
    """Each seed's parts of the children, for every setting of hybrids."""
    return {setting: [zoo.split(setting, seed) for seed in range(seeds)] for setting in zoo.hybrids}


def detector_settings(detector: dict, form: str) -> dict:
    """How a detector of a form is built and trained.

    Args:
        detector: the experiment's `detector`.
        form: what it looks at, or `unseen-parents`.
    """
    settings = {"layers": []} | detector
    inputs = form if form in settings["inputs"] else BOTH
    settings = settings | settings["by_inputs"].get(inputs, {}) | {"inputs": inputs}
    return {key: value for key, value in settings.items() if key not in OF_PLAN}


def detector_models(zoo: Zoo, evaluated: dict, *, setting: str, form: str, seed: int) -> dict:
    """What the training of one detector knows of the models.

    Args:
        zoo: the experiment's models.
        evaluated: the setting's part of `evaluated_settings`.
        setting: the setting.
        form: what the detector looks at, or `unseen-parents`.
        seed: of the split, or of the draw of unseen parents.
    """
    candidates, unseen, parts = evaluated["candidates"], [], None
    if form == UNSEEN_PARENTS:
        candidates, unseen, parts = zoo.split_parents(setting, seed)
    return {
        "candidates": candidates,
        "unseen": unseen,
        "parts": evaluated["splits"][seed] if parts is None else parts,
        "parents": evaluated["parents"],
        "counts": evaluated["counts"],
        "ancestors": {condition: among["candidates"] for condition, among in evaluated["ancestors"].items()},
    }
