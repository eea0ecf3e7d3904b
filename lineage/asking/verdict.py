"""The answer on a suspect: its family, the closest of it, or undetermined, at an error that is aimed at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from lineage.asking.answers import Answers, Kind
from lineage.asking.distances import agreement, least_squares
from lineage.asking.methods import Evidence, again, evidence, method_of
from lineage.asking.outliers import outliers
from lineage.asking.queryset import QuerySet

LEAST_NETWORKS = 8
"""Candidates and unrelated networks: with fewer, what stands out cannot be known."""
LEAST_ANSWERS = 50
GROUPS = 10
"""Of queries; each is left out once to see how firmly the closest is the closest."""
FIRM = 2.26
"""The 97.5 % quantile of Student's t with one degree less than there are groups."""
NOMINAL = {0.01: 0.0013, 0.05: 0.0082}
"""The level of the test of outliers for an error that is aimed at: less than a fifth of it.

A fifth was set by hand after a look at the bench of labels, when a logit was all that was looked at; the table of the
bench rates these levels.
"""


class Word(StrEnum):
    """How far an answer goes."""

    CLOSEST = "closest"
    FAMILY = "family"
    UNDETERMINED = "undetermined"


EXIT_CODES = {Word.CLOSEST: 0, Word.FAMILY: 6, Word.UNDETERMINED: 4}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network.

    weight: what it alone explains, in standard deviations of the networks that explain less, the mean over all
    evidence; with few networks what the first distance says; deviation: how far that is above those of the networks
    outside the family, in their standard deviations, None with too few of them; agreement: the share of queries that
    it labels as the suspect does, None where labels are others.
    """

    id: str
    is_candidate: bool
    weight: float
    deviation: float | None
    agreement: float | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a suspect's answers say.

    family: ids of candidates that stand out, nearest first; closest: the nearest of them, None where it is not firm;
    reason: in words; method: representation and distance; queries: how many were answered; own_labels: whether the
    suspect's classes were taken for others than the candidates'; alpha: how often a network of no candidate's family
    may get a family, which is aimed at and not guaranteed; critical: the deviation that is demanded; commitment: of
    the query set; candidates: all networks, largest weight first; left_out: why a network could not be read, by id.
    """

    word: Word
    family: list[str]
    closest: str | None
    reason: str
    method: str
    queries: int
    own_labels: bool
    alpha: float
    critical: float | None
    commitment: str
    candidates: list[Row]
    left_out: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def decide(answers: Answers, queries: QuerySet, *, alpha: float) -> Finding:
    """The answer at an error of `NOMINAL`."""
    ids, count = queries.plan.ids, len(queries.plan.ids)
    found = evidence(answers, queries)
    said = {
        "method": method_of(answers, found),
        "queries": len(answers.rows),
        "own_labels": answers.own_labels,
        "alpha": alpha,
        "commitment": queries.commitment,
        "left_out": dict(queries.left_out),
    }
    if count < LEAST_NETWORKS or len(answers.rows) < LEAST_ANSWERS:
        needed, came = (
            (f"{LEAST_NETWORKS} networks, candidates and unrelated ones (--unrelated)", count)
            if count < LEAST_NETWORKS
            else (f"{LEAST_ANSWERS} answers", len(answers.rows))
        )
        rows = _rows(answers, queries, found[0].values, np.full(count, np.nan))
        reason = f"expected at least {needed}, to see what stands out; there are {came}"
        return Finding(
            word=Word.UNDETERMINED,
            family=[],
            closest=None,
            reason=reason,
            critical=None,
            candidates=rows,
            **said,
        )
    weights = together(found)
    above = outliers(weights, alpha=NOMINAL[alpha], most=most_of(count))
    rows = _rows(answers, queries, weights, above.deviations)
    said |= {"critical": above.critical, "candidates": rows}
    places = _with_relatives(queries, above.chosen, weights)
    chosen = [ids[place] for place in places]
    if strangers := [id for id in chosen if id in queries.plan.unrelated]:
        reason = f"{strangers[0]} was given as unrelated, and stands out"
        return Finding(word=Word.UNDETERMINED, family=[], closest=None, reason=reason, **said)
    if not chosen:
        reason = "no candidate explains the answers better than unrelated networks do"
        if queries.left_out:
            reason += f", but {next(iter(queries.left_out))} could not be read"
        return Finding(word=Word.UNDETERMINED, family=[], closest=None, reason=reason, **said)
    if len(chosen) == 1 or _is_firm(answers, queries, found, places[:2]):
        reason = f"{chosen[0]} alone explains answers that the others do not"
        return Finding(word=Word.CLOSEST, family=chosen, closest=chosen[0], reason=reason, **said)
    reason = f"{chosen[0]} and {chosen[1]} explain the answers about as well"
    return Finding(word=Word.FAMILY, family=chosen, closest=None, reason=reason, **said)


def most_of(count: int) -> int:
    """How many of so many networks may stand out by themselves: others must be left to compare with."""
    return min(3, max(1, count // 6))


def together(found: Sequence[Evidence]) -> np.ndarray:
    """All evidence on the candidates as one number [K], the mean of each one's deviations.

    Each is measured in the standard deviations of the networks below those that may stand out.
    """
    return np.mean([_standardised(item.values, item.values) for item in found], axis=0)


def _standardised(values: np.ndarray, of_all: np.ndarray) -> np.ndarray:
    lower = np.sort(of_all)[: len(of_all) - most_of(len(of_all))]
    spread = float(lower.std(ddof=1))
    return (values - lower.mean()) / spread if spread > 0 else np.zeros_like(values)


def _with_relatives(queries: QuerySet, chosen: list[int], weights: np.ndarray) -> list[int]:
    """Networks that stand out, and those of the same family as the first of them, largest weight first.

    The first may explain all that its relatives would; they are known by its own answers, as if it was the suspect.
    """
    if not chosen:
        return []
    first, logs = chosen[0], queries.outputs.astype(np.float64)
    others = np.array([place for place in range(len(weights)) if place != first])
    alike = outliers(
        least_squares(logs[first], logs[others]).weights,
        alpha=NOMINAL[min(NOMINAL)],
        most=most_of(len(others)),
    )
    family = {*chosen, *(int(others[place]) for place in alike.chosen)}
    return sorted(family, key=lambda place: -weights[place])


def _is_firm(answers: Answers, queries: QuerySet, found: Sequence[Evidence], leading: list[int]) -> bool:
    """Whether the first of two candidates stays ahead of the second: the jackknife over groups of queries."""
    groups = np.arange(len(answers.rows)) % GROUPS
    first, second = leading
    gaps = []
    for group in range(GROUPS):
        part = Answers(
            kind=answers.kind, values=answers.values[groups != group], rows=answers.rows[groups != group],
            own_labels=answers.own_labels,
        )  # fmt: skip
        weights = np.mean(
            [_standardised(again(item, part, queries, leading), item.values) for item in found], axis=0
        )
        gaps.append(weights[first] - weights[second])
    error = np.sqrt((GROUPS - 1) / GROUPS * np.square(np.array(gaps) - np.mean(gaps)).sum())
    return bool(np.mean(gaps) > FIRM * error)


def _rows(answers: Answers, queries: QuerySet, weights: np.ndarray, deviations: np.ndarray) -> list[Row]:
    shares: list[float | None] = [None] * len(weights)
    if answers.kind != Kind.EMBEDDINGS and not answers.own_labels:
        shares = [
            float(share) for share in agreement(answers.labels, queries.outputs.argmax(2)[:, answers.rows])
        ]
    rows = [
        Row(
            id=id,
            is_candidate=id in queries.plan.candidates,
            weight=float(weight),
            deviation=None if np.isnan(deviation) else float(deviation),
            agreement=share,
        )
        for id, weight, deviation, share in zip(queries.plan.ids, weights, deviations, shares, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.weight)
