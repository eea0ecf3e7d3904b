"""The parts of a method after its queries, as rows: what of the answers is looked at, and what compares it.

Queries, representation and distance are the parts of Godinot et al. 2025 (QuRD, arXiv:2412.13021).
"""

from collections.abc import Callable
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
    compare: Callable[[np.ndarray, QuerySet, np.ndarray, Representation], np.ndarray]


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
    compare=lambda values, queries, rows, _: ranked_logit(values, queries.outputs[:, rows]),
)
SQUARES = Distance(
    name="least squares on all candidates",
    compare=lambda values, queries, rows, _: least_squares(values, queries.outputs[:, rows]),
)


def _from_features(
    values: np.ndarray, queries: QuerySet, rows: np.ndarray, seen: Representation
) -> np.ndarray:
    missing = [id for id in queries.plan.ids if id not in queries.features]
    if missing:
        raise UserError(
            f"candidate {missing[0]!r}: expected its features, which a function does not give; for a suspect with "
            "other labels give candidates as files or as networks of torch"
        )
    logs = queries.outputs[:, rows].astype(np.float64)
    features = [queries.features[id][rows] for id in queries.plan.ids]
    return predicted(values, features, [seen.of_network(answered) for answered in logs])


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


def scores(answers: Answers, queries: QuerySet) -> np.ndarray:
    """What each candidate alone explains of a suspect's answers [K].

    Raises:
        UserError: where a suspect has other classes, and a candidate's features are not known.
    """
    representation, distance = METHODS[answers.kind, answers.own_labels]
    return distance.compare(representation.of_suspect(answers), queries, answers.rows, representation)


def method_of(answers: Answers) -> str:
    """A method in words: representation and distance."""
    representation, distance = METHODS[answers.kind, answers.own_labels]
    return f"{representation.name}, {distance.name}"
