"""The models of an experiment: a pure function of its configuration.

A child's index never changes, and its block is index // block_size, of its parent's children or of all of its
setting's, so appended children only add blocks. A model's seed comes from its id, so no result depends on
batching or order.
Imported at every parse of the Snakefile, so nothing heavy is imported here.
"""

import itertools
import random
from dataclasses import dataclass, fields

from lineage.errors import UserError
from lineage.seeds import seed_of
from lineage.types.experiment import Experiment, Setting
from lineage.types.recipe import Hybrid, Recipe, Training
from lineage.types.scoring import Plain

ROOTS = "roots"
ALL = "all"
"""The group of all of a setting's children, where blocks are not of one parent's."""


@dataclass(frozen=True, kw_only=True)
class Model(Plain):
    """One network of an experiment."""

    id: str
    """`p3` for a root, `<parent>.<setting>.<index>` for a child."""
    setting: str
    """The fine-tuning setting, or `roots`."""
    parent: str | None = None
    """The parent's id; None for a root."""
    index: int
    """Its number among its parent's children; a root's number."""
    generation: int
    """1 for a root, its parent's plus 1 for a child."""
    seed: int
    """Where all its random numbers start."""
    recipe: Recipe
    """How it is trained."""


class Zoo:
    """All models of one experiment.

    Args:
        experiment: its checked configuration.
    """

    def __init__(self, experiment: Experiment):
        self._experiment = experiment
        self.roots = [self._root(index) for index in range(experiment.roots.count)]
        self._of_setting: dict[str, list[Model]] = {ROOTS: self.roots}
        self._of_parent: dict[tuple[str, str], list[Model]] = {}
        for setting in experiment.settings:
            self._add(setting)
        self._by_id = {model.id: model for models in self._of_setting.values() for model in models}

    @property
    def settings(self) -> list[str]:
        """The fine-tuning settings, in the configuration's order."""
        return list(self._experiment.settings)

    @property
    def hybrids(self) -> list[str]:
        """The settings whose children are hybrids: each starts from blocks of several models."""
        return [name for name, setting in self._experiment.settings.items() if setting.hybrid]

    @property
    def of_one_parent(self) -> list[str]:
        """The other settings."""
        return [setting for setting in self.settings if setting not in self.hybrids]

    @property
    def generations(self) -> dict[str, int]:
        """The generation of each child of every setting."""
        return {child.id: child.generation for name in self.of_one_parent for child in self.children(name)}

    @property
    def transfers(self) -> list[tuple[str, str]]:
        """(trained on, tested on): every two settings whose children have the same parents."""
        pairs = itertools.permutations(self.of_one_parent, 2)
        return [
            (first, second) for first, second in pairs if self.candidates(first) == self.candidates(second)
        ]

    def model(self, model_id: str) -> Model:
        """The model of that id.

        Raises:
            UserError: if there is none.
        """
        if model_id not in self._by_id:
            raise UserError(f"no model {model_id!r} in this experiment; expected ids like {self.roots[0].id}")
        return self._by_id[model_id]

    def children(self, setting: str, group: str | None = None, block: int | None = None) -> list[Model]:
        """The setting's children, or those of one group (a parent's id, or `all`) and of one of its blocks."""
        children = self._of_setting[setting] if group in (None, ALL) else self._of_parent[setting, group]
        return [child for child in children if block is None or self.block_of(child) == block]

    def blocks(self, setting: str) -> list[tuple[str, int]]:
        """Every (group, block) of a setting: one job each."""
        children = self._of_setting[setting]
        return list(dict.fromkeys((self.group_of(child), self.block_of(child)) for child in children))

    def group_of(self, model: Model) -> str | None:
        """Whose children share blocks with a child: its parent's id, or `all`; None for a root."""
        of_all = self._experiment.block_by == "setting" and model.parent is not None
        return ALL if of_all else model.parent

    def block_of(self, model: Model) -> int:
        """The block that a child is trained in."""
        return model.index // self._experiment.block_size

    def parents(self, setting: str) -> list[str]:
        """Ids of the models that a setting's children are fine-tuned from."""
        return [model.id for model in self._of_setting[self._experiment.settings[setting].parents]]

    def candidates(self, setting: str) -> list[str]:
        """Ids of the possible parents of a setting's children; of its own children, each is none of itself."""
        return [model.id for name in self._candidates_from(setting) for model in self._of_setting[name]]

    def among(self, setting: str) -> dict[str, list[str]]:
        """Ids of the other candidates among which a setting's parents are looked for too, by the condition's name."""
        others = self._experiment.settings[setting].among or {}
        return {
            name: [model.id for source in sources for model in self._of_setting[source]]
            for name, sources in others.items()
        }

    def compared(self, setting: str) -> list[str]:
        """Ids of all models that are candidates under any condition."""
        others = itertools.chain.from_iterable(self.among(setting).values())
        return list(dict.fromkeys([*self.candidates(setting), *others]))

    def most_candidates(self, setting: str) -> int:
        """How many candidates each child of a setting has."""
        return len(self.candidates(setting)) - (setting in self._candidates_from(setting))

    def ancestors(self, setting: str) -> dict[str, dict[str, str]]:
        """For each setting among the candidates that a line of parents leads through: each child's ancestor there.

        Empty where all candidates come from one setting: then the parent is the only such ancestor.
        """
        wanted, found = self._candidates_from(setting), {}
        if len(wanted) == 1:
            return found
        line = {child.id: self.model(child.parent) for child in self.children(setting)}
        name = self._experiment.settings[setting].parents
        while True:
            if name in wanted:
                found[name] = {child: ancestor.id for child, ancestor in line.items()}
            if name == ROOTS:
                return found
            line = {child: self.model(ancestor.parent) for child, ancestor in line.items()}
            name = self._experiment.settings[name].parents

    def _candidates_from(self, setting: str) -> tuple[str, ...]:
        config = self._experiment.settings[setting]
        return config.candidates or (config.parents,)

    def split(self, setting: str, seed: int) -> dict[str, str]:
        """Each child's part: `train`, `validation` or `test`, stratified by parent.

        The parts are dealt in a circle that starts `seed` test parts further on, so the test parts of
        successive seeds are disjoint until all children have been tested.
        """
        shares = vars(self._experiment.split)
        total = sum(shares.values())
        parts = {}
        for parent in self.parents(setting):
            children = self.children(setting, parent)
            test, validation = (
                max(1, round(len(children) * shares[part] / total)) for part in ("test", "validation")
            )
            test = min(test, len(children) - 2)
            validation = min(validation, len(children) - test - 1)
            for child in children:
                place = (child.index - seed * test) % len(children)
                is_held_out = place < test + validation
                parts[child.id] = "test" if place < test else "validation" if is_held_out else "train"
        return parts

    def split_parents(self, setting: str, seed: int) -> tuple[list[str], list[str], dict[str, str]]:
        """Half of the candidates to train on and half never to be seen in training, drawn from the seed.

        Returns:
            The candidates of training, the unseen ones, and each child's part: those of unseen candidates are
            `test`, those that `split` holds out to validate on stay `validation`, the rest are `train`.
        """
        candidates = self.candidates(setting)
        unseen = set(random.Random(seed).sample(candidates, len(candidates) // 2))
        parts = {
            child: "test" if self.model(child).parent in unseen else "train" if part == "test" else part
            for child, part in self.split(setting, seed).items()
        }
        of_training = [candidate for candidate in candidates if candidate not in unseen]
        return of_training, sorted(unseen, key=candidates.index), parts

    def _root(self, index: int) -> Model:
        roots = self._experiment.roots
        recipe = {field.name: getattr(roots, field.name) for field in fields(Recipe)}
        if isinstance(roots.weights, tuple):
            recipe["weights"] = roots.weights[index % len(roots.weights)]
        return Model(
            id=f"p{index}",
            setting=ROOTS,
            parent=None,
            index=index,
            generation=1,
            seed=self._seed(f"p{index}"),
            recipe=Recipe(**recipe),
        )

    def _add(self, setting: str) -> None:
        """Adds a setting's children, after those of the setting that its parents come from."""
        if setting in self._of_setting:
            return
        config = self._experiment.settings[setting]
        self._add(config.parents)
        counts = config.children
        if not isinstance(counts, dict):
            counts = {"default": counts}
        parents = self._of_setting[config.parents]
        if unknown := sorted(set(counts) - {"default"} - {parent.id for parent in parents}):
            raise UserError(
                f"settings.{setting}.children: expected a parent's id ({parents[0].id} … {parents[-1].id}) "
                f"or default, but got {unknown[0]!r}"
            )
        if config.hybrid and config.hybrid.sources > len(parents):
            raise UserError(
                f"settings.{setting}.hybrid.sources: expected at most {len(parents)}, all models of "
                f"{config.parents}, but got {config.hybrid.sources}"
            )
        for parent in parents:
            count = counts.get(parent.id, counts["default"])
            children = [self._child(setting, parent, index) for index in range(count)]
            self._of_parent[setting, parent.id] = children
        self._of_setting[setting] = [
            child for parent in parents for child in self._of_parent[setting, parent.id]
        ]

    def _child(self, setting: str, parent: Model, index: int) -> Model:
        """A child; its cell of the grid shifts with the parent, so that each part of a split has many."""
        config = self._experiment.settings[setting]
        grid = {name: values for name, values in vars(config.grid).items() if values is not None}
        cells = list(itertools.product(*grid.values()))
        cell = dict(zip(grid, cells[(index + parent.index) % len(cells)], strict=True))
        common = {field.name: getattr(config, field.name) for field in fields(Training)}
        child_id = f"{parent.id}.{setting}.{index:03d}"
        hybrid = self._hybrid(config, parent, child_id) if config.hybrid else None
        return Model(
            id=child_id,
            setting=setting,
            parent=parent.id,
            index=index,
            generation=parent.generation + 1,
            seed=self._seed(child_id),
            recipe=Recipe(**common, **cell, hybrid=hybrid),
        )

    def _hybrid(self, setting: Setting, parent: Model, child_id: str) -> Hybrid:
        """What a hybrid starts from: its sources, the parent first, and the layers that end its blocks, if named."""
        others = [model.id for model in self._of_setting[setting.parents] if model.id != parent.id]
        drawn = random.Random(self._seed(f"{child_id}/sources")).sample(others, setting.hybrid.sources - 1)
        return Hybrid(sources=(parent.id, *drawn), layers=self._experiment.similarity.layers or ())

    def _seed(self, model_id: str) -> int:
        return seed_of(f"{self._experiment.seed}/{model_id}")
