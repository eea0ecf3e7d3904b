"""The parts of a method after its queries, as rows: what of the answers is looked at, and what compares it.

Queries, representation and distance are the parts of Godinot et al. 2025 (QuRD, arXiv:2412.13021).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lineage.asking.answers import Answers, Kind
from lineage.asking.distances import FLOOR, centred, least_squares, predicted, ranked_logit
from lineage.asking.queryset import QuerySet
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
    """What compares a suspect with all candidates: gives a number for each, larger if nearer."""

    name: str
    compare: Callable[["Asked"], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a distance compares.

    values: of the suspect's answers; seen: as what; queries: the set; rows: which of them were answered; places: the
    candidates that are looked at, where they can be looked at one by one; by default all.
    """

    values: np.ndarray
    seen: Representation
    queries: QuerySet
    rows: np.ndarray
    places: Sequence[int] | None = None

    @property
    def outputs(self) -> np.ndarray:
        """The candidates' log-probabilities of what was answered [K, n, C]."""
        return self.queries.outputs[:, self.rows].astype(np.float64)


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
)
SQUARES = Distance(
    name="least squares on all candidates",
    compare=lambda asked: least_squares(asked.values, asked.outputs),
)


def _from_features(asked: Asked) -> np.ndarray:
    ids = asked.queries.plan.ids
    missing = [id for id in ids if id not in asked.queries.features]
    if missing:
        raise UserError(
            f"candidate {missing[0]!r}: expected its features, which a function does not give; for a suspect with "
            "other labels give candidates as files or as networks of torch"
        )
    features = [asked.queries.features[id][asked.rows] for id in ids]
    usual = [asked.seen.of_network(logs) for logs in asked.outputs]
    return predicted(asked.values, features, usual, asked.places)


PREDICTED = Distance(name="predicted from each candidate's features", compare=_from_features)

METHODS: dict[tuple[Kind, bool], tuple[Representation, Distance]] = {
    (Kind.LABELS, False): (LABELS, LOGIT),
    (Kind.TOP, False): (TOP, LOGIT),
    (Kind.PROBABILITIES, False): (LOGS, SQUARES),
    (Kind.LABELS, True): (SAME_ANSWER, PREDICTED),
    (Kind.TOP, True): (SAME_ANSWER, PREDICTED),
    (Kind.PROBABILITIES, True): (GEOMETRY, PREDICTED),
    (Kind.EMBEDDINGS, True): (EMBEDDINGS, PREDICTED),
}
"""By what a suspect gives, and whether its classes are others than the candidates'."""


def scores(answers: Answers, queries: QuerySet, places: Sequence[int] | None = None) -> np.ndarray:
    """What each candidate alone explains of a suspect's answers [K].

    Args:
        places: of the candidates that matter; of the others nothing is said where that saves time.

    Raises:
        UserError: where a suspect has other classes, and a candidate's features are not known.
    """
    seen, distance = METHODS[answers.kind, answers.own_labels]
    values = seen.of_suspect(answers)
    return distance.compare(
        Asked(values=values, seen=seen, queries=queries, rows=answers.rows, places=places)
    )


def method_of(answers: Answers) -> str:
    """A method in words: representation and distance."""
    representation, distance = METHODS[answers.kind, answers.own_labels]
    return f"{representation.name}, {distance.name}"
