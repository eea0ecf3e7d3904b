"""The report of an audit as types; `to_dict` gives what the JSON holds, key by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum

from lineage.auditing.stages.verdict import Word
from lineage.relation.layers import LayerOrigin
from lineage.relation.mixture import Mixture
from lineage.relation.relations import Relation

FORMAT = 2
"""The version of the report's layout."""


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

    log10_p, p_value: for at least two dependent matrices; conformal_p: share of all networks that look at least as
    related; z: mean over the tested matrices; coverage: share of the testable weights that depend on it; distance:
    ‖child − candidate‖ / ‖candidate‖ over the backbone's matrices; relation, probability, bound: see
    `lineage.relation.relations`; share_lost: see `lineage.relation.direction`; tests: by the child's
    name of each matrix. None: not computed for this candidate.
    """

    id: str
    path: str
    format: str
    log10_p: float
    p_value: float
    conformal_p: float | None
    z: float | None
    tested: int
    coverage: float | None
    distance: float | None
    relation: Relation | None
    probability: float | None
    bound: float | None
    share_lost: float | None
    tests: Mapping[str, MatrixTest]
    matched_by_name: int
    matched_by_order: int
    transposed: Sequence[str]
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
    """How far the best candidate is from the next, in mean z."""

    best: str
    z: float
    runner_up: str | None
    runner_up_z: float | None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claimed parent: whether it is among the candidates, and whether the weights contradict it."""

    parent: str
    is_known: bool
    is_contradicted: bool


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
class AuditReport:
    """The verdict on one checkpoint, and all that it rests on.

    verdict: one of five words; parent: its id; parents: of a mixture, with weights; p_value, log10_p: over all
    candidates; refused: sources that could not be read, with the reason; inputs: sha256 by file; config: the
    arguments; probe: only where the architecture was given; id: only of a child in a table of models.
    """

    format: int = FORMAT
    verdict: Word
    parent: str | None
    parents: Mapping[str, float]
    p_value: float | None
    log10_p: float | None
    alpha: float
    decided_by: str
    reason: str
    helps: Sequence[str]
    margin: Margin | None
    claimed: Claim | None
    child: ChildReport
    candidates: Sequence[CandidateReport]
    unrelated: Sequence[UnrelatedReport]
    layers: Sequence[LayerOrigin]
    mixture: Mixture | None
    refused: Mapping[str, str]
    notes: Sequence[str]
    inputs: Mapping[str, str]
    config: Mapping[str, object]
    versions: Mapping[str, str]
    probe: ProbeReport | None = None
    id: str | None = None

    def to_dict(self) -> dict:
        """The report in dicts, lists, strings and numbers; `probe` and `id` are left out where there is none."""
        plain = _plain(self)
        return {key: value for key, value in plain.items() if key not in ("probe", "id") or value is not None}


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
