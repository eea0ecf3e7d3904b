"""Whether a query set follows from what it says: what a dishonest accuser would have to forge.

Without the candidates, the queries are checked to be those that the rule chooses by what the candidates are said to
answer on the pool, and all of it to be what was committed to. With the candidates and the data, also the pool and
what they answer are computed again.
"""

import numpy as np

from lineage.asking.choosing.query_rules import BUDGETS, RULE, choose
from lineage.asking.queryset import QuerySet
from lineage.errors import UserError

REFUSED = "the queries are refused as evidence; have them written anew by `lineage ask`"
CLOSE = 0.05
"""How far log-probabilities above the floor may differ between machines."""
SHOWN = -10.0
"""The floor: what is less likely is not compared."""
FEATURES = 0.01
"""How far features may differ between machines, relative to their size: the norm of the difference."""
LABELS = 0.002
"""The share of labels on the pool that may differ between machines, where two classes are as likely."""


def check_follows(queries: QuerySet, stated: str, published: str = "") -> None:
    """Refuses queries that are not what was committed to, or that another rule chose.

    Args:
        stated: the commitment of the manifest; published: what was published, "" for nothing.

    Raises:
        UserError: in one line that says what does not follow.
    """
    if stated != queries.commitment:
        raise UserError(
            f"the manifest commits to {stated[:16]}…, but its files give {queries.commitment[:16]}…; {REFUSED}"
        )
    if published and published.strip().lower() != stated:
        raise UserError(
            f"what was published is {published[:16]}…, but the manifest commits to {stated[:16]}…; {REFUSED}"
        )
    plan = queries.plan
    if plan.rule != RULE:
        raise UserError(f"expected queries of the rule {RULE!r}, got those of {plan.rule!r}; {REFUSED}")
    if plan.budget not in BUDGETS:
        raise UserError(
            f"expected one of {', '.join(map(str, BUDGETS))} queries, for which errors are measured, got "
            f"{plan.budget}; {REFUSED}"
        )
    expected = choose(plan.rule, queries.seen, plan.budget, plan.seed)
    if not np.array_equal(expected, queries.chosen):
        raise UserError(f"the queries are not those that the rule {plan.rule!r} chooses; {REFUSED}")
    said = queries.outputs.argmax(2)
    if (said != queries.seen.labels[:, queries.chosen]).mean() > LABELS:
        raise UserError(f"the candidates' answers to the queries are not those that chose them; {REFUSED}")


def differences(queries: QuerySet, again: QuerySet) -> list[str]:
    """What of a query set differs from the one that its candidates and its data give again, in words."""
    found = []
    old, new = queries.plan, again.plan
    for role, was, now in (
        ("candidate", old.candidates, new.candidates),
        ("unrelated", old.unrelated, new.unrelated),
    ):
        found += [f"{role} {id}: has other weights, or is missing" for id in was if now.get(id) != was[id]]
        found += [f"{role} {id}: was not there" for id in now if id not in was]
    if old.data != new.data:
        found.append("data: other images")
    if not found and old != new:
        found.append("plan: rule, budget, classes or how images are taken differ")
    if found:
        return found
    if not np.array_equal(queries.seen.truth, again.seen.truth) or queries.seen.natural != again.seen.natural:
        found.append("pool: other inputs")
    if (queries.seen.labels != again.seen.labels).mean() > LABELS:
        found.append("pool: the candidates answer otherwise")
    same = np.isin(queries.chosen, again.chosen)
    if (~same).mean() > CLOSE:
        found.append("queries: others are chosen")
    order = np.array(
        [int(np.flatnonzero(again.chosen == place)[0]) for place in queries.chosen[same]], dtype=int
    )
    if not np.array_equal(queries.images[same], again.images[order]):
        found.append("queries: the images are others")
    if _apart(queries.outputs[:, same], again.outputs[:, order]):
        found.append("queries: the candidates answer otherwise")
    return found + _other_views(queries, again, same, order) + _other_features(queries, again, same, order)


def _other_views(queries: QuerySet, again: QuerySet, same: np.ndarray, order: np.ndarray) -> list[str]:
    """Which views of the candidates differ, compared as their answers are."""
    found = []
    for name in sorted(queries.views.keys() ^ again.views.keys()):
        found.append(f"{name}: {'not expected' if name in queries.views else 'missing'}")
    for name in sorted(queries.views.keys() & again.views.keys()):
        if _apart(queries.views[name][:, same], again.views[name][:, order]):
            found.append(f"{name}: answer otherwise")
    return found


def _apart(was: np.ndarray, now: np.ndarray) -> bool:
    """Whether log-probabilities differ by more than machines do."""
    was, now = np.maximum(was.astype(float), SHOWN), np.maximum(now.astype(float), SHOWN)
    return bool(np.abs(was - now).max(initial=0.0) > CLOSE * (1 + np.abs(now).max(initial=0.0)))


def _other_features(queries: QuerySet, again: QuerySet, same: np.ndarray, order: np.ndarray) -> list[str]:
    """Whose features differ, on which answers under other labels rest; compared on the queries that both have."""
    found = []
    for id in sorted(queries.features.keys() ^ again.features.keys()):
        found.append(f"features of {id}: {'not expected' if id in queries.features else 'missing'}")
    for id in sorted(queries.features.keys() & again.features.keys()):
        was = queries.features[id][same].astype(float)
        now = again.features[id][order].astype(float)
        if was.shape != now.shape or not np.linalg.norm(was - now) <= FEATURES * np.linalg.norm(now):
            found.append(f"features of {id}: are others")
    return found
