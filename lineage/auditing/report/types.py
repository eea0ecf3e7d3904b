"""The report of an audit as types; `to_dict` gives what the JSON holds, key by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum, StrEnum

from lineage.auditing.stages.verdict import Word
from lineage.relation.layers import LayerOrigin
from lineage.relation.mixture import Mixture
from lineage.relation.relations import Relation

FORMAT = 4
"""The version of the report's layout."""
OPTIONAL = ("probe", "alignment", "id")
"""Keys that not every report has."""


@dataclass(frozen=True, kw_only=True)
class MatrixTest:
    """The test of a matrix: its rows, their mean cosine (`similarity`), z, rows that match, log10 of the p-value."""

    rows: int
    similarity: float
    z: float
    matches: int
    log10_p: float


@dataclass(frozen=True, kw_only=True)
class CandidateReport:
    """What was found of one candidate.

    relation: what it is to the child, with its probability; bound: the child branched off within this share of its
    own change from it; share_lost: see `lineage.relation.direction.estimate`; decided_by, reason: of the relation;
    hints: what counters in the files suggest, which is no evidence; log10_p, p_value: its own, for at least two
    dependent matrices; conformal_p: share of all networks that look at least as related; z: mean over the tested
    matrices; coverage: share of the testable weights that depend on it; distance: ‖child − candidate‖ / ‖candidate‖
    over the backbone's matrices; tests: by the child's name of each matrix; no_evidence: those that look dependent
    but count for nothing, with the reason. None: not computed for this candidate.
    """

    id: str
    path: str
    format: str
    relation: Relation | None
    probability: float | None
    bound: float | None
    share_lost: float | None
    decided_by: str
    reason: str
    hints: Sequence[str]
    log10_p: float
    p_value: float
    conformal_p: float | None
    z: float | None
    tested: int
    coverage: float | None
    distance: float | None
    tests: Mapping[str, MatrixTest]
    matched_by_name: int
    matched_by_order: int
    transposed: Sequence[str]
    no_evidence: Mapping[str, str]
    unmatched_of_child: Sequence[str]
    unmatched_of_candidate: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ChildReport:
    """The audited checkpoint: untestable and left_out give a reason for each tensor."""

    path: str
    format: str
    tensors: int
    testable: Sequence[str]
    untestable: Mapping[str, str]
    left_out: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class UnrelatedReport:
    """A network given as unrelated."""

    id: str
    z: float | None
    log10_p: float


@dataclass(frozen=True, kw_only=True)
class Margin:
    """How far the closest candidate is from others.

    parted: how much the child changed since it and the closest parted, ‖change‖ / ‖weights‖; next, farthest: of the
    family, with the same; z: the closest's; outside, outside_z: the most similar candidate that is not of the family.
    None: there is none.
    """

    parted: float | None
    next: str | None
    next_parted: float | None
    farthest: str | None
    farthest_parted: float | None
    z: float | None
    outside: str | None
    outside_z: float | None


@dataclass(frozen=True, kw_only=True)
class AlignedReport:
    """A candidate after alignment.

    margin: by how much a unit is more similar to its own than to any other, the median over groups of units; null:
    what its p-value rests on; undone: in words; groups: what was undone to each group of units.
    """

    margin: float
    null: str
    undone: Sequence[str]
    groups: Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class AlignmentReport:
    """What alignment gave, where too little was found as the weights are.

    as_is, as_is_reason: the verdict on the weights as they are; tried: candidates aligned; decoys: the independent
    networks that margins are compared with, and decoy_margin their largest; aligned: candidates that align better,
    by id; refused: why others could not be aligned.
    """

    as_is: Word
    as_is_reason: str
    tried: int
    decoys: str
    decoy_margin: float
    aligned: Mapping[str, AlignedReport]
    refused: Mapping[str, str]


class ClaimState(StrEnum):
    """What the weights say of a claimed parent."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claimed parent, what the weights say of the claim, and why."""

    parent: str
    state: ClaimState
    reason: str


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """Candidates ranked by features on a probe: scores, largest first; refused: why others could not be run."""

    architecture: str
    inputs: str
    scores: Mapping[str, float]
    refused: Mapping[str, str]
    best: str | None
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class PassedOver:
    """Files of the folders given that were not audited: why, how many, and the first of them."""

    reason: str
    count: int
    files: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The verdict on one checkpoint, and all that it rests on.

    verdict: one of five words; headline: the same as a sentence; family: ids of the candidates that the child is
    dependent on, closest first; closest: of them, with copies, the candidates that have its tensors; relation: what
    the closest is to the child, with its probability and bound, as for each candidate; parent: only where the error
    of the answer is stated; parents: of a mixture, with weights; log10_p, p_value: the closest's own, over all
    candidates (without a family, the smallest); refused: sources that could not be read, with the reason;
    passed_over: files of the folders given that are no models; duplicates: ids of candidates that have the same
    tensors, whatever their files and names; inputs: sha256 by file; config: the arguments; probe: only where the
    architecture was given; alignment: only where candidates were aligned; id: only of a child in a table of models.
    """

    format: int = FORMAT
    verdict: Word
    headline: str
    family: Sequence[str] = ()
    closest: str | None = None
    copies: Sequence[str] = ()
    relation: Relation | None = None
    probability: float | None = None
    bound: float | None = None
    parent: str | None = None
    parents: Mapping[str, float] = field(default_factory=dict)
    p_value: float | None = None
    log10_p: float | None = None
    alpha: float
    decided_by: str
    reason: str
    helps: Sequence[str] = ()
    margin: Margin | None = None
    claimed: Claim | None = None
    child: ChildReport
    candidates: Sequence[CandidateReport] = ()
    unrelated: Sequence[UnrelatedReport] = ()
    layers: Sequence[LayerOrigin] = ()
    mixture: Mixture | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    passed_over: Sequence[PassedOver] = ()
    duplicates: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object]
    versions: Mapping[str, str]
    probe: ProbeReport | None = None
    alignment: AlignmentReport | None = None
    id: str | None = None

    def to_dict(self) -> dict:
        """The report in dicts, lists, strings and numbers; keys of OPTIONAL are left out where they are None."""
        plain = _plain(self)
        return {key: value for key, value in plain.items() if key not in OPTIONAL or value is not None}


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {known.name: _plain(getattr(value, known.name)) for known in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
