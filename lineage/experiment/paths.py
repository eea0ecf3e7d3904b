"""Where the workflow's files are: the folder of each computing rule, and the files that hold an experiment's models.

A path begins with `<results>`, which Snakemake replaces by the folder of results (its `pathvars`).
Imported at every parse of the Snakefile, so nothing heavy is imported here.
"""

from collections.abc import Iterable

from lineage.experiment.zoo import Model, Zoo
from lineage.types.detector import BOTH
from lineage.types.experiment import Experiment

FOLDERS = {
    "pretrain": "{experiment}/pretrain/{root}",
    "finetune": "{experiment}/finetune/{setting}/{parent}/{block}",
    "root_features": "{experiment}/features/roots",
    "features": "{experiment}/features/{setting}/{parent}/{block}",
    "path_features": "{experiment}/path_features/{setting}/{parent}/{block}",
    "similarity": "{experiment}/similarity/{setting}/{parent}/{block}",
    "audits": "{experiment}/audits/{setting}",
    "family_tree": "{experiment}/tree",
    "queries": "{experiment}/queries/{setting}",
    "answers": "{experiment}/answers/{setting}",
    "block_similarity": "{experiment}/block_similarity/{setting}/{parent}/{block}",
    "detector": "{experiment}/detector/{setting}/{form}/{seed}",
    "mixed_detector": "{experiment}/detector/mixed/{seed}",
    "transfer": "{experiment}/transfer/{setting}/{trained_on}/{seed}",
}
"""Each rule's folder below `<results>`, with its wildcards; its logs and benchmarks have the same below theirs."""

UNSEEN_PARENTS = "unseen-parents"
FORMS = (BOTH, "weights", "features", UNSEEN_PARENTS)
"""The forms of a detector: what it looks at; the last is trained on children of half of the candidates."""


def file_of(rule: str, name: str, **wildcards: str | int) -> str:
    """The path of a file that a rule writes, for these wildcards."""
    return f"<results>/{FOLDERS[rule].format(**wildcards)}/{name}"


class Paths:
    """The files of one experiment.

    Args:
        name: the experiment's.
        experiment: its checked configuration.
        zoo: its models.
    """

    def __init__(self, name: str, experiment: Experiment, zoo: Zoo):
        self._name = name
        self._trained_in = experiment.models_of.experiment if experiment.models_of else name
        self._detector = experiment.detector
        self._audited = experiment.audit
        self._has_tree = experiment.tree
        self._asked = experiment.asking is not None
        self._seeds = range(experiment.seeds)
        self._zoo = zoo

    def weights(self, model_ids: Iterable[str]) -> list[str]:
        """The files of weights that hold these models, each once."""
        return self._holding(model_ids, self._trained_in, "pretrain", "finetune", "weights.h5")

    def features(self, model_ids: Iterable[str]) -> list[str]:
        """The files of features that hold these models, each once."""
        return self._holding(model_ids, self._name, "root_features", "features", "features.h5")

    def blocks(self, rule: str, name: str, setting: str) -> list[str]:
        """The files of that name that a rule writes for all blocks of a setting."""
        return [
            file_of(rule, name, experiment=self._name, setting=setting, parent=group, block=block)
            for group, block in self._zoo.blocks(setting)
        ]

    def path_features(self, setting: str) -> list[str]:
        """The files of a setting's features on the path, or aligned, where its detectors look at them."""
        is_of_pairs = self._detector.alpha or self._detector.align
        return self.blocks("path_features", "features.h5", setting) if is_of_pairs else []

    def audits(self) -> list[str]:
        """The files of all audits, one a setting."""
        settings = self._zoo.of_one_parent if self._audited else []
        return [file_of("audits", "audits.parquet", experiment=self._name, setting=name) for name in settings]

    def tree(self) -> list[str]:
        """The file of the parents that the family tree names, where there is one."""
        is_there = self._has_tree and self._zoo.of_one_parent
        return [file_of("family_tree", "parents.parquet", experiment=self._name)] if is_there else []

    def answers(self) -> list[str]:
        """The files of what all children answer, one a setting."""
        settings = self._zoo.of_one_parent if self._asked else []
        return [
            file_of("answers", "answers.parquet", experiment=self._name, setting=name) for name in settings
        ]

    def detectors(self, name: str) -> list[str]:
        """The files of that name of all trained detectors."""
        all_forms = [*self._detector.inputs, *[UNSEEN_PARENTS] * self._detector.unseen_parents]
        return [
            file_of("detector", name, experiment=self._name, setting=setting, form=form, seed=seed)
            for setting in self._zoo.of_one_parent
            for form in ([BOTH] if setting in self._detector.transfer_only else all_forms)
            for seed in self._seeds
        ]

    def transfers(self, name: str) -> list[str]:
        """The files of that name of all detectors that answer for another setting."""
        pairs = self._zoo.transfers if self._detector.transfer else []
        return [
            file_of(
                "transfer",
                name,
                experiment=self._name,
                setting=answered,
                trained_on=trained_on,
                seed=seed,
            )
            for trained_on, answered in pairs
            for seed in self._seeds
        ]

    def mixed_detectors(self, name: str) -> list[str]:
        """The files of that name of the detectors that are trained on all settings, one a seed."""
        seeds = self._seeds if self._detector.mixed else []
        return [file_of("mixed_detector", name, experiment=self._name, seed=seed) for seed in seeds]

    def predictions(self) -> list[str]:
        """The files of all that the detectors predict."""
        name = "predictions.parquet"
        return self.detectors(name) + self.mixed_detectors(name) + self.transfers(name)

    def _holding(
        self, model_ids: Iterable[str], experiment: str, of_root: str, of_block: str, name: str
    ) -> list[str]:
        models = map(self._zoo.model, model_ids)
        return list(
            dict.fromkeys(
                file_of(
                    of_root if model.parent is None else of_block, name, **self._wildcards(model, experiment)
                )
                for model in models
            )
        )

    def _wildcards(self, model: Model, experiment: str) -> dict[str, str | int | None]:
        return {
            "experiment": experiment,
            "root": model.id,
            "setting": model.setting,
            "parent": self._zoo.group_of(model),
            "block": self._zoo.block_of(model),
        }
