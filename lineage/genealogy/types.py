"""A family tree as plain values: models, and who was trained from whom."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from lineage.auditing.report.types import ClaimState, PassedOver
from lineage.auditing.stages.candidates import ELSEWHERE
from lineage.genealogy.merges.types import Recipe

FORMAT = 2


class Kind(StrEnum):
    """What an edge is."""

    TRAINED = "trained"
    LINE = "training line"
    MERGED = "merged"
    BRANCHED = "branched off"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A model, or an ancestor that is not among the files (`is_open`).

    file: as `FILE` or `FILE::ID`; hash: of its tensors' values; family: an id; copies: ids of equal models; unread:
    the share of its weights that was left out, at most, but for a head.
    """

    id: str
    family: str
    file: str | None = None
    hash: str | None = None
    copies: Sequence[str] = ()
    is_open: bool = False
    unread: float = 0.0

    @property
    def is_in_part(self) -> bool:
        """Whether so much was left out that its family may be another."""
        return self.unread >= ELSEWHERE


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A parent and its child.

    probability: that this edge is right; of an undirected edge, that the two are neighbours in the tree, whichever
    came earlier; weight: the parent's share of a merge; change: ‖child − parent‖ / ‖parent‖ over common matrices;
    rivals: other models that may be the parent, the most probable first, and how probable each is.
    """

    parent: str
    child: str
    kind: Kind
    probability: float
    is_directed: bool
    weight: float | None = None
    change: float | None = None
    rivals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Merge:
    """How a model was merged.

    recipe: that fits best; error: ‖what it leaves‖ / ‖the merge − its nearest parent or base‖; weights: of its
    parents, as the recipe takes them; base: what their changes are taken from; left_out: the mean share of their
    changes that TIES or DARE drops; layers: of a passthrough, by matrix, the parent's id and the matrix' name there.
    """

    child: str
    recipe: Recipe
    error: float
    weights: Mapping[str, float]
    base: str | None = None
    left_out: float | None = None
    layers: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a table says of a model's parent, beside what weights say."""

    child: str
    parent: str
    state: ClaimState
    reason: str


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The families of a folder.

    given: as the user named it; families: by id, the ids of their nodes; refused: why a file could not be read;
    passed_over: files of the folder that are no models.
    """

    given: str
    families: Mapping[str, Sequence[str]]
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    claims: Sequence[Claim] = ()
    merges: Sequence[Merge] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    passed_over: Sequence[PassedOver] = ()

    @property
    def sure_edges(self) -> list[Edge]:
        """The directed edges of training, one a child; none into merges or from an ancestor that is not here."""
        return [edge for edge in self.edges if edge.is_directed and edge.kind in (Kind.TRAINED, Kind.LINE)]

    def to_dict(self) -> dict:
        """The JSON."""
        return {"format": FORMAT} | asdict(self)
