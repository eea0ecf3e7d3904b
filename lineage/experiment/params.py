"""What rules pass to their scripts: plain values, and no more of an experiment than the rule needs.

Snakemake compares them with those of the last run, so whatever stands in them without being used causes reruns.
Imported at every parse of the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Iterable

from lineage.experiment.conditions import among, ancestor_in, asked_among
from lineage.experiment.paths import UNSEEN_PARENTS
from lineage.experiment.zoo import Model, Zoo
from lineage.types.detector import BOTH, Detector, Detectors
from lineage.types.evaluation import Ancestors, DetectorModels, Evaluated, MixedModels
from lineage.types.experiment import Experiment


def ids_of(models: Iterable[Model]) -> list[str]:
    """The models' ids, sorted."""
    return sorted(model.id for model in models)


def models_of(zoo: Zoo, setting: str) -> list[str]:
    """Ids of a setting's candidates and children, which its detectors and audits look at."""
    return list(dict.fromkeys([*zoo.compared(setting), *ids_of(zoo.children(setting))]))


def models_of_tree(zoo: Zoo) -> list[str]:
    """Ids of the models of a family tree: all but hybrid children."""
    return list(dict.fromkeys(id for setting in zoo.of_one_parent for id in models_of(zoo, setting)))


def sources_of(children: Iterable[Model]) -> list[str]:
    """Ids of the models that children start from: their parents, and the other sources of hybrids."""
    children = list(children)
    hybrids = [child.recipe.hybrid for child in children if child.recipe.hybrid]
    sources = {source for hybrid in hybrids for source in hybrid.sources}
    return sorted({child.parent for child in children} | sources)


def evaluated_settings(zoo: Zoo, experiment: Experiment) -> dict[str, Evaluated]:
    """What the evaluation knows of each setting's models."""
    return {setting: evaluated_setting(zoo, experiment, setting) for setting in zoo.of_one_parent}


def evaluated_setting(zoo: Zoo, experiment: Experiment, setting: str) -> Evaluated:
    """What the evaluation knows of one setting's models."""
    parents = {child.id: child.parent for child in zoo.children(setting)}
    return Evaluated(
        parents=parents,
        candidates=tuple(zoo.candidates(setting)),
        splits=tuple(zoo.split(setting, seed) for seed in range(experiment.seeds)),
        counts=tuple(
            count for count in experiment.detector.candidates if count <= zoo.most_candidates(setting)
        ),
        ancestors={
            ancestor_in(name): Ancestors(candidates=tuple(ids_of(zoo.children(name))), parents=found)
            for name, found in zoo.ancestors(setting).items()
        }
        | {
            among(name): Ancestors(candidates=tuple(candidates), parents=parents)
            for name, candidates in zoo.among(setting).items()
        },
    )


def audited_parents(models: Evaluated) -> dict[str, str]:
    """The parents of the children that are audited: those that some seed tests, which alone are evaluated."""
    tested = {child for parts in models.splits for child, part in parts.items() if part == "test"}
    return {child: parent for child, parent in models.parents.items() if child in tested}


def with_own_labels(zoo: Zoo, setting: str, models: Evaluated) -> list[str]:
    """The conditions under which some candidate tells other classes apart than a setting's children."""
    (own,) = {_classes_of(child) for child in zoo.children(setting)}
    return [
        condition
        for condition, ids in asked_among(models).items()
        if {_classes_of(zoo.model(id)) for id in ids} != {own}
    ]


def _classes_of(model: Model) -> tuple[str, tuple[int, ...] | None]:
    return model.recipe.data.source, model.recipe.data.classes


def hybrid_splits(zoo: Zoo, seeds: int) -> dict[str, list[dict[str, str]]]:
    """Each seed's parts of the children, for every setting of hybrids."""
    return {setting: [zoo.split(setting, seed) for seed in range(seeds)] for setting in zoo.hybrids}


def detector_of(detectors: Detectors, form: str) -> Detector:
    """How a detector of a form is built and trained.

    Args:
        detectors: those of the experiment.
        form: what it looks at, or `unseen-parents`.
    """
    return detectors.that_looks_at(form if form in detectors.inputs else BOTH)


def detector_models(zoo: Zoo, evaluated: Evaluated, *, setting: str, form: str, seed: int) -> DetectorModels:
    """What the training of one detector knows of the models.

    Args:
        zoo: the experiment's models.
        evaluated: what the evaluation knows of the setting's.
        setting: the setting.
        form: what the detector looks at, or `unseen-parents`.
        seed: of the split, or of the draw of unseen parents.
    """
    candidates, unseen, parts = evaluated.candidates, [], evaluated.splits[seed]
    if form == UNSEEN_PARENTS:
        candidates, unseen, parts = zoo.split_parents(setting, seed)
    return DetectorModels(
        parents=evaluated.parents,
        candidates=tuple(candidates),
        unseen=tuple(unseen),
        parts=parts,
        counts=evaluated.counts,
        ancestors={condition: among.candidates for condition, among in evaluated.ancestors.items()},
    )


def mixed_models(
    zoo: Zoo, experiment: Experiment, evaluated: dict[str, Evaluated], *, seed: int
) -> MixedModels:
    """What the training of one mixed detector knows of the models.

    Args:
        zoo: the experiment's models.
        experiment: its configuration; children that were disguised are not trained on.
        evaluated: what the evaluation knows of each setting's.
        seed: of the splits.
    """
    return MixedModels(
        parents={child: parent for models in evaluated.values() for child, parent in models.parents.items()},
        trained=tuple(name for name in evaluated if not experiment.settings[name].disguise),
        settings={
            name: detector_models(zoo, models, setting=name, form=BOTH, seed=seed)
            for name, models in evaluated.items()
        },
    )
