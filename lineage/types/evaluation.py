"""What the jobs that train detectors and evaluate know of the models of a setting, each by its id."""

from dataclasses import dataclass

from lineage.types.scoring import Plain


@dataclass(frozen=True, kw_only=True)
class Ancestors(Plain):
    """Models among which each child's ancestor is looked for, or its parent among others than the standard ones."""

    candidates: tuple[str, ...]
    """All of them; a child among them is no candidate of itself."""
    parents: dict[str, str]
    """Each child's ancestor, or parent."""


@dataclass(frozen=True, kw_only=True)
class Evaluated(Plain):
    """The models of a setting, as its evaluation needs them."""

    parents: dict[str, str]
    """Each child's parent."""
    candidates: tuple[str, ...]
    """The possible parents; a child among them is no candidate of itself."""
    splits: tuple[dict[str, str], ...]
    """Of each seed: every child's part, `train`, `validation` or `test`."""
    counts: tuple[int, ...]
    """For how many candidates, fewer than there are, verdicts are asked for too."""
    ancestors: dict[str, Ancestors]
    """By the condition under which an ancestor, or the parent among others, is asked for."""


@dataclass(frozen=True, kw_only=True)
class DetectorModels(Plain):
    """The models of a setting, as the training of one detector needs them."""

    parents: dict[str, str]
    """Each child's parent."""
    candidates: tuple[str, ...]
    """Those of training."""
    unseen: tuple[str, ...]
    """Candidates whose children are tested on alone."""
    parts: dict[str, str]
    """Each child's part: `train`, `validation` or `test`."""
    counts: tuple[int, ...]
    """For how many candidates answers are asked for too."""
    ancestors: dict[str, tuple[str, ...]]
    """The candidates, by the condition under which an ancestor is asked for."""

    @property
    def pools(self) -> list[tuple[str, ...]]:
        """The candidates of all conditions, the standard ones first."""
        return [self.candidates, *self.ancestors.values()]


@dataclass(frozen=True, kw_only=True)
class MixedModels(Plain):
    """The models of all settings, as the training of a mixed detector needs them."""

    parents: dict[str, str]
    """Each child's parent, whatever its setting."""
    trained: tuple[str, ...]
    """Settings whose children it is trained on; it answers for all."""
    settings: dict[str, DetectorModels]
    """Its models by setting."""

    @property
    def everyone(self) -> list[str]:
        """Ids of all children and candidates, sorted."""
        pools = [pool for models in self.settings.values() for pool in models.pools]
        return sorted({*self.parents, *(candidate for pool in pools for candidate in pool)})
