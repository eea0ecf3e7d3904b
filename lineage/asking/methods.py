"""The parts of a method after its queries, as rows: what of the answers is looked at, and what compares it.

Queries, representation and distance are the parts of Godinot et al. 2025 (QuRD, arXiv:2412.13021).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lineage.asking.answers import Answers, Kind
from lineage.asking.distances import FLOOR, Explained, Predictors, centred, least_squares, ranked_logit
from lineage.asking.queryset import PRUNED, TRAINED, QuerySet
from lineage.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Representation:
    """What of a suspect's answers is looked at, and of networks that answer alike.

    of_suspect: numbers [n, ...]; of_network: the same of log-probabilities [n, C].
    """

    name: str
    of_suspect: Callable[[Answers], np.ndarray]
    of_network: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Distance:
    """What compares a suspect with all candidates: gives a number for each, larger if nearer.

    views: of the candidates' views, those of which the one that explains the answers best is taken; "" is the
    candidates as they are. Without any of them in the query set, nothing is compared.
    """

    name: str
    compare: Callable[["Asked"], Explained]
    views: tuple[str, ...] = ("",)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a distance compares.

    values: of the suspect's answers; seen: as what; queries: the set; rows: which of them were answered; view: of the
    candidates; places: the candidates that are looked at, where they can be looked at one by one; by default all.
    """

    values: np.ndarray
    seen: Representation
    queries: QuerySet
    rows: np.ndarray
    view: str = ""
    places: Sequence[int] | None = None

    @property
    def outputs(self) -> np.ndarray:
        """The candidates' log-probabilities of what was answered [K, n, C]."""
        held = self.queries.views[self.view] if self.view else self.queries.outputs
        return held[:, self.rows].astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one distance says of the candidates: `values` [K], larger if nearer, NaN of those not looked at."""

    distance: Distance
    view: str
    values: np.ndarray


def _ranks(answers: Answers) -> np.ndarray:
    return answers.values if answers.kind == Kind.TOP else answers.labels[:, None]


def _logs(answers: Answers) -> np.ndarray:
    return np.log(np.maximum(answers.values, np.exp(FLOOR)))


def _indicators(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == np.unique(labels)).astype(np.float64)


LABELS = Representation(name="labels", of_suspect=_ranks, of_network=lambda logs: logs.argmax(1)[:, None])
TOP = replace(LABELS, name="top-k")
LOGS = Representation(name="log-probabilities", of_suspect=_logs, of_network=lambda logs: logs)
SAME_ANSWER = Representation(
    name="same answer or not",
    of_suspect=lambda answers: _indicators(answers.labels),
    of_network=lambda logs: _indicators(logs.argmax(1)),
)
GEOMETRY = Representation(
    name="geometry of log-probabilities",
    of_suspect=lambda answers: centred(_logs(answers)),
    of_network=centred,
)
EMBEDDINGS = Representation(
    name="geometry of embeddings", of_suspect=lambda answers: answers.values, of_network=centred
)

LOGIT = Distance(
    name="logit on all candidates",
    compare=lambda asked: ranked_logit(asked.values, asked.outputs),
    views=("", *PRUNED),
)
SQUARES = Distance(
    name="least squares on all candidates",
    compare=lambda asked: least_squares(asked.values, asked.outputs),
    views=("", *PRUNED),
)


def _further(distance: Distance) -> Distance:
    """The same of candidates that were trained further."""
    return replace(distance, name=f"{distance.name}, trained further", views=(TRAINED,))


def _from_features(asked: Asked) -> Explained:
    predictors = _predictors(asked.queries, tuple(asked.rows.tolist()), asked.seen)
    return Explained(predictors.predicted(asked.values, asked.places), 0.0)


@lru_cache(maxsize=2)
def _predictors(queries: QuerySet, rows: tuple[int, ...], seen: Representation) -> Predictors:
    chosen = np.array(rows)
    features = [queries.features[id][chosen] for id in queries.plan.ids]
    return Predictors(
        features, [seen.of_network(logs.astype(np.float64)) for logs in queries.outputs[:, chosen]]
    )


PREDICTED = Distance(name="predicted from each candidate's features", compare=_from_features)

OF_LABELS = (LOGIT, _further(LOGIT), PREDICTED)
OF_LOGS = (SQUARES, _further(SQUARES), PREDICTED)
METHODS: dict[tuple[Kind, bool], tuple[Representation, tuple[Distance, ...]]] = {
    (Kind.LABELS, False): (LABELS, OF_LABELS),
    (Kind.TOP, False): (TOP, OF_LABELS),
    (Kind.PROBABILITIES, False): (LOGS, OF_LOGS),
    (Kind.LABELS, True): (SAME_ANSWER, (PREDICTED,)),
    (Kind.TOP, True): (SAME_ANSWER, (PREDICTED,)),
    (Kind.PROBABILITIES, True): (GEOMETRY, (PREDICTED,)),
    (Kind.EMBEDDINGS, True): (EMBEDDINGS, (PREDICTED,)),
}
"""By what a suspect gives, and whether its classes are others than the candidates'."""
BY_FEATURES = {Kind.LABELS: SAME_ANSWER, Kind.TOP: SAME_ANSWER, Kind.PROBABILITIES: GEOMETRY}
"""As what answers are predicted from features, where classes are those of the candidates."""


def evidence(answers: Answers, queries: QuerySet) -> list[Evidence]:
    """What each distance says of the candidates; those that need what functions do not give are left out.

    Raises:
        UserError: where a suspect has other classes, and a candidate's features are not known.
    """
    _, distances = METHODS[answers.kind, answers.own_labels]
    missing = [id for id in queries.plan.ids if id not in queries.features]
    if missing and distances == (PREDICTED,):
        raise UserError(
            f"candidate {missing[0]!r}: expected its features, which a function does not give; for a suspect with "
            "other labels give candidates as files or as networks of torch"
        )
    found = []
    for distance in distances:
        views = [view for view in distance.views if not view or view in queries.views]
        if not views or (missing and distance is PREDICTED):
            continue
        tried = {view: _compared(distance, answers, queries, view) for view in views}
        view = min(tried, key=lambda name: tried[name].left)
        found.append(Evidence(distance=distance, view=view, values=tried[view].weights))
    return found


def again(known: Evidence, answers: Answers, queries: QuerySet, places: Sequence[int]) -> np.ndarray:
    """What the distance of known evidence says of other answers, of the same view; NaN but for some places [K]."""
    return _compared(known.distance, answers, queries, known.view, places).weights


def _compared(
    distance: Distance, answers: Answers, queries: QuerySet, view: str, places: Sequence[int] | None = None
) -> Explained:
    seen, _ = METHODS[answers.kind, answers.own_labels]
    if distance is PREDICTED and not answers.own_labels:
        seen = BY_FEATURES[answers.kind]
    values = seen.of_suspect(answers)
    return distance.compare(
        Asked(values=values, seen=seen, queries=queries, rows=answers.rows, view=view, places=places)
    )


def method_of(answers: Answers, found: Sequence[Evidence]) -> str:
    """A method in words: representation and distances, and the candidates' view where they are not as they are."""
    seen, _ = METHODS[answers.kind, answers.own_labels]
    names = [item.distance.name + (f", {item.view}" if item.view in PRUNED else "") for item in found]
    return f"{seen.name}: {'; '.join(names)}"
