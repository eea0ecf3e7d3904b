"""An experiment: its models, what is computed of them, and how they are split."""

from dataclasses import dataclass, field

from lineage.types.detector import Detectors
from lineage.types.recipe import Recipe, Training
from lineage.types.scoring import Network, Plain, Probe, Similarity


@dataclass(frozen=True, kw_only=True)
class ModelsOf(Plain):
    """Whose models an experiment has, if not its own."""

    experiment: str
    """The experiment that trains them."""
    settings: tuple[str, ...] | None = None
    """Those of its settings that are used; None: all."""


@dataclass(frozen=True, kw_only=True)
class Roots(Recipe):
    """The models of the first generation."""

    count: int
    weights: str | tuple[str, ...] | None = None
    """What they start from: a file, `hub`, `hub:<name>`, or a list of these, taken in turn; None: random weights."""


@dataclass(frozen=True, kw_only=True)
class Sources(Plain):
    """That the children of a setting are hybrids."""

    sources: int
    """How many models each starts from, its parent among them."""


@dataclass(frozen=True, kw_only=True)
class Grid(Plain):
    """Values that a setting's children take in turn, every combination once."""

    learning_rate: tuple[float, ...]
    epochs: tuple[int, ...]
    images: tuple[int, ...] | None = None
    """How many images; None: all."""


@dataclass(frozen=True, kw_only=True)
class Setting(Training):
    """A way to fine-tune."""

    children: int | dict[str, int]
    """How many children each parent has, or for some parents' ids and for the `default`."""
    grid: Grid
    """What differs between the children."""
    parents: str = "roots"
    """The setting whose models are the parents, or `roots`."""
    candidates: tuple[str, ...] | None = None
    """The settings, or `roots`, whose models are candidates; None: that of the parents."""
    among: dict[str, tuple[str, ...]] | None = None
    """Other candidates among which the parents are looked for too, by the condition's name: settings, or `roots`."""
    hybrid: Sources | None = None
    """None: each child starts from its parent alone."""


@dataclass(frozen=True, kw_only=True)
class Split(Plain):
    """How each parent's children are divided: parts in proportion to these numbers."""

    train: float = 7
    validation: float = 1
    test: float = 2


@dataclass(frozen=True, kw_only=True)
class Asking(Plain):
    """That every child is also compared with its candidates by what it answers alone."""

    queries: int
    """How many images each is asked, chosen for the candidates from the probe's data."""


@dataclass(frozen=True, kw_only=True)
class Experiment(Plain):
    """All that the configuration says of one experiment."""

    network: Network
    roots: Roots
    settings: dict[str, Setting]
    probe: Probe
    models_of: ModelsOf | None = None
    """None: the models are its own."""
    seed: int = 0
    """Where all random numbers start."""
    block_by: str = "parent"
    """Whether a block holds children of one `parent`, or of a whole `setting`."""
    block_size: int = 8
    """Children that one job trains."""
    similarity: Similarity = field(default_factory=Similarity)
    detector: Detectors = field(default_factory=Detectors)
    audit: bool = False
    """Whether every test child is audited against its candidates."""
    tree: bool = False
    """Whether the family tree of all models but hybrids is found."""
    asking: Asking | None = None
    """None: nobody is asked."""
    split: Split = field(default_factory=Split)
    seeds: int = 3
    """Splits, and detectors of each form."""
