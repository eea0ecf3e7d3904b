"""How lineage detectors are built and trained."""

from dataclasses import dataclass, field, fields

from lineage.types.scoring import Plain

BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class DetectorOptions(Plain):
    """What a detector and all detectors of an experiment have in common."""

    layers: tuple[str, ...] | None = None
    """The tapped layers that are looked at; None: the last."""
    width: int = 32
    """Of tokens; a multiple of 4."""
    blocks: int = 1
    """Transformer blocks."""
    crop: int = 32
    """Rows and columns of the images shown."""
    alpha: float = 0
    """How far on the way to the child a candidate's features are taken; at 0 they are its own."""
    align: bool | None = None
    """Whether candidates' weights are first brought to the order and scale of each child's; None: they are not."""
    no_parent: bool = True
    """Whether it may answer that none of the candidates is the parent."""
    patience: int = 10
    """Epochs without a lower validation loss after which training stops."""
    epochs: int = 60
    """At most."""
    learning_rate: float = 0.003
    """The highest of the one-cycle schedule."""
    batch_size: int = 16
    """Children a step."""


@dataclass(frozen=True, kw_only=True)
class Detector(DetectorOptions):
    """One detector."""

    inputs: str = BOTH
    """What it looks at: `both`, `weights` or `features`."""


@dataclass(frozen=True, kw_only=True)
class Changes(Plain):
    """What differs in the detectors that look at certain inputs; None: as in the others."""

    crop: int | None = None
    epochs: int | None = None
    patience: int | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Detectors(DetectorOptions):
    """The detectors of an experiment."""

    inputs: tuple[str, ...] = (BOTH,)
    """One detector for each setting, seed and of these; empty: none."""
    candidates: tuple[int, ...] = ()
    """Numbers of candidates, the parent among them, that test children are given too."""
    unseen_parents: bool = False
    """Whether there are detectors that have seen children of half of the candidates only."""
    transfer: bool = False
    """Whether detectors answer for other settings with the same parents."""
    transfer_only: tuple[str, ...] = ()
    """Settings whose detectors look at both and serve for that alone."""
    mixed: bool | None = None
    """Whether one detector more is trained on the children of all settings, for candidates of any kind."""
    by_inputs: dict[str, Changes] = field(default_factory=dict)
    """What differs in the detectors that look at `both`, `weights` or `features`."""

    def that_looks_at(self, inputs: str) -> Detector:
        """The detector of these inputs, with their changes."""
        common = {option.name: getattr(self, option.name) for option in fields(DetectorOptions)}
        changes = self.by_inputs[inputs].plain() if inputs in self.by_inputs else {}
        return Detector(**common | changes, inputs=inputs)
