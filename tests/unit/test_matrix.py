"""The matrix of methods and conditions against cells made by hand, and audits among its methods."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lineage.experiment.conditions import ABSENT, PRESENT, STANDARD, among, with_count
from lineage.experiment.params import audited_parents
from lineage.results.evaluation.absence import lead, margins
from lineage.results.evaluation.named import named_absence, named_outcomes, of_audits, of_tree
from lineage.results.matrix import conclusions, matrices
from lineage.types.evaluation import Ancestors, Evaluated

NAN = float("nan")


def row(method: str, mean: float, low: float, high: float, setting="full", condition=STANDARD) -> dict:
    return {"experiment": "e", "setting": setting, "condition": condition, "method": method, "mean": mean,
            "low": low, "high": high, "n": 18, "chance": 16.7}  # fmt: skip


def matrix_of(*rows: dict):
    frame = pd.DataFrame(rows)
    standard = frame["condition"] == STANDARD
    (matrix,) = matrices(frame[standard].drop(columns="condition"), frame[~standard])
    return matrix


def test_columns_are_settings_and_conditions_and_rows_are_the_methods_that_are_fixed():
    matrix = matrix_of(
        row("weight_l2", 90, 80, 95),
        row("l1/path", 80, 70, 90),
        row("l1/linear", 80, 70, 90),
        row("lse/path", 80, 70, 90),
        row("audit/closest", 100, 80, 100),
        row("audit/closest", 95, 75, 99, condition=among("relatives")),
        row("audit/closest", 99, NAN, NAN, condition=ABSENT),
        row("weight_l2", 50, 40, 60, condition=with_count(3)),
        row("weight_l2", 10, 5, 20, setting="second"),
        row("weight_l2", 50, 40, 60, setting="second", condition=ABSENT),
    )
    assert matrix.columns == ["full", "full, among relatives", "full, parent absent", "second"]
    assert matrix.methods == ["audit/closest", "weight_l2", "l1/path"]
    assert matrix.text("audit/closest", "full, among relatives") == "95.0 (75 … 99)"
    assert matrix.text("audit/closest", "full, parent absent") == "99.0"
    assert matrix.text("audit/closest", "second") == ""
    assert (matrix.n("full"), matrix.chance("full")) == ("18", "16.7")


def test_words_rest_on_intervals_that_do_not_meet_and_not_on_means():
    said = list(
        conclusions(
            matrix_of(
                row("audit/closest", 96, 80, 99),
                row("weight_l2", 70, 50, 80),
                row("l1/path", 60, 40, 79.9),
                row("cka/path", 10, 2, 20),
                row("audit/closest", 20, 10, 40, setting="hard"),
                row("weight_l2", 60, 41, 80, setting="hard"),
                row("l1/path", 30, 20, 60, setting="hard"),
            )
        )
    )
    assert said == [
        "Under 2 conditions no method is surely ahead of weight_l2; each of 3 others is surely behind another under "
        "at least one: intervals that do not meet.",
        "Surely behind audit/closest in “full” are cka/path, l1/path.",
        "Surely ahead of audit/closest in “hard” is weight_l2.",
    ]


def test_what_is_quoted_are_the_methods_that_no_other_is_surely_ahead_of():
    rows = [
        row("audit/closest", 90, 80, 99),
        row("weight_l2", 95, 79.5, 99),
        row("l1/path", 99, 90, 100),
        row("audit/closest", 90, 80, 99, setting="hard"),
        row("weight_l2", 95, 79.5, 99, setting="hard"),
        row("l1/path", 60, 40, 79.9, setting="hard"),
        row("cka/path", 99, NAN, NAN, setting="hard"),
    ]
    quoted = next(conclusions(matrix_of(*rows)))
    assert quoted == (
        "Under 2 conditions no method is surely ahead of audit/closest, weight_l2; l1/path is surely behind another "
        "under at least one: intervals that do not meet."
    )
    equal = next(conclusions(matrix_of(*rows[:3])))
    assert equal == "Under 1 condition no method is surely ahead of any other: intervals that do not meet."


def test_where_every_method_has_one_ahead_of_it_those_with_the_fewest_come_first():
    rows = [
        row("weight_l2", 10, 5, 20),
        row("l1/path", 99, 90, 100),
        row("weight_l2", 10, 5, 20, setting="hard"),
        row("l1/path", 99, 90, 100, setting="hard"),
        row("weight_l2", 99, 90, 100, setting="third"),
        row("l1/path", 10, 5, 20, setting="third"),
    ]
    assert next(conclusions(matrix_of(*rows))) == (
        "Of 3 conditions, each method is surely behind another under some: l1/path under 1, weight_l2 under 2 "
        "(intervals that do not meet)."
    )


def test_without_an_audit_methods_are_set_against_the_baseline_and_without_both_nothing_is_said():
    rows = [row("weight_l2", 96, 80, 99), row("l1/path", 60, 40, 79)]
    assert "Surely behind weight_l2 in “full” is l1/path." in list(conclusions(matrix_of(*rows)))
    assert list(conclusions(matrix_of(rows[1]))) == []


PARENTS = {"a": "p0", "b": "p1", "c": "p0", "d": "p1"}
MODELS = Evaluated(
    parents=PARENTS,
    candidates=("p0", "p1"),
    splits=({"a": "test", "b": "test", "c": "train", "d": "validation"},
            {"a": "train", "b": "validation", "c": "test", "d": "test"}),
    counts=(),
    ancestors={among("relatives"): Ancestors(candidates=("p0", "p1", "a"), parents=PARENTS)},
)  # fmt: skip


def audits() -> pd.DataFrame:
    """Right with all candidates but for d; among relatives a is named; without its parent c is given another."""
    rows = [
        (STANDARD, "a", "p0", "p0"), (STANDARD, "b", "p1", None), (STANDARD, "c", "p0", "p0"),
        (STANDARD, "d", None, None),
        *((among("relatives"), child, "a", None) for child in "bcd"), (among("relatives"), "a", "p0", "p0"),
        (ABSENT, "a", None, None), (ABSENT, "b", None, None), (ABSENT, "c", "p1", None), (ABSENT, "d", None, None),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["condition", "child", "closest", "parent"])
    return frame.assign(setting="full", candidates=2, verdict="parent")


def test_children_that_no_split_tests_are_not_audited():
    models = replace(
        MODELS, parents=PARENTS | {"e": "p1"}, splits=tuple(parts | {"e": "train"} for parts in MODELS.splits)
    )
    assert audited_parents(models) == PARENTS


def test_an_audit_is_right_where_it_names_the_parent_and_naming_nobody_earns_nothing():
    found = pd.concat(named_outcomes(of_audits(audits()), MODELS)).reset_index()
    credit = found.groupby(["method", "condition", "seed"])["credit"].mean().to_dict()
    assert credit == {
        ("audit/closest", STANDARD, 0): 1.0,
        ("audit/closest", STANDARD, 1): 0.5,
        ("audit/parent", STANDARD, 0): 0.5,
        ("audit/parent", STANDARD, 1): 0.5,
        ("audit/closest", among("relatives"), 0): 0.5,
        ("audit/closest", among("relatives"), 1): 0.0,
        ("audit/parent", among("relatives"), 0): 0.5,
        ("audit/parent", among("relatives"), 1): 0.0,
    }
    assert ABSENT not in set(found["condition"])
    assert found.loc[found["predicted"].isna(), "tied"].eq(0).all()


def test_an_audit_tells_that_the_parent_is_absent_by_naming_nobody():
    rows = pd.DataFrame(named_absence(of_audits(audits()), MODELS))
    accuracy = rows[rows["metric"] == "accuracy"].set_index(["method", "seed"])["value"].to_dict()
    assert accuracy == {
        ("audit/closest", 0): 1.0,  # a and b with their parent, and without
        ("audit/closest", 1): 0.5,  # c is wrong without, d with
        ("audit/parent", 0): 0.75,
        ("audit/parent", 1): 0.75,
    }
    assert set(rows["condition"]) == {ABSENT}


def test_a_tree_answers_with_the_nearest_ancestor_that_is_a_candidate_and_with_nobody_where_its_line_ends():
    tree = pd.DataFrame([("b", "a"), ("a", "p0"), ("c", "p0")], columns=["child", "parent"])
    named = of_tree(tree, {"full": MODELS}).set_index(["condition", "child"])["predicted"].fillna("nobody")
    assert named[STANDARD].to_dict() == {"a": "p0", "b": "p0", "c": "p0", "d": "nobody"}
    assert named[among("relatives")].to_dict() == {"a": "p0", "b": "a", "c": "p0", "d": "nobody"}


def test_a_tree_which_has_seen_the_parent_is_not_asked_whether_it_is_absent():
    tree = pd.DataFrame([("a", "p0")], columns=["child", "parent"])
    named = of_tree(tree, {"full": MODELS})
    assert list(named_absence(named, MODELS)) == []
    credit = (
        pd.concat(named_outcomes(named, MODELS)).reset_index().groupby(["condition", "child"])["credit"].max()
    )
    assert credit[STANDARD].to_dict() == {"a": 1.0, "b": 0.0, "c": 0.0, "d": 0.0}


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([3, 1, 0], 2.0), ([0, 1, 3], 2.0), ([-5, -9, -7, -1], 1.0), ([2, 2, 0], 0.0), ([1, 1, 1], 0.0)],
)
def test_the_lead_is_the_bests_over_the_second_by_the_seconds_over_the_worst(scores, expected):
    assert lead(scores) == pytest.approx(expected)
    assert lead(7 * np.array(scores) + 3) == pytest.approx(expected)


def test_scores_tell_that_the_parent_is_absent_by_the_lead_that_is_left_without_it():
    """Of four candidates the parent p0 leads by far; without it, or without another one, leads are those by hand."""
    models = Evaluated(parents={"a": "p0", "b": "p0"}, candidates=("p0", "p1", "p2", "p3"),
                       splits=({"a": "test", "b": "train"},), counts=(), ancestors={})  # fmt: skip
    values = {"p0": 10.0, "p1": 3.0, "p2": 2.0, "p3": 0.0, "sibling": 99.0}
    scores = pd.DataFrame(
        [("a", candidate, "layer2", "l1/path", 0.5, value) for candidate, value in values.items()],
        columns=["child", "candidate", "layer", "method", "alpha", "score"],
    )
    chosen = pd.DataFrame([{"method": "l1/path", "seed": 0, "layer": "layer2", "alpha": 0.5}])
    found = margins(scores, chosen, models).set_index("condition")["probability"]
    assert found[ABSENT] == pytest.approx(1 / (1 + (3 - 2) / (2 - 0)))
    leads = {"p1": (10 - 2) / (2 - 0), "p2": (10 - 3) / (3 - 0), "p3": (10 - 3) / (3 - 2)}
    assert found[PRESENT] in [pytest.approx(1 / (1 + value)) for value in leads.values()]


def test_a_lead_over_equal_others_is_larger_than_any_number():
    assert lead([2, 1, 1]) > 1e300
