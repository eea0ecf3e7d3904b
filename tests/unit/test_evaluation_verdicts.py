"""Verdicts on single children, and the choice of layer and alpha, against slow direct counts."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_evaluation import (
    CANDIDATES,
    CHILDREN,
    FEW_VALUES,
    PARENT_OF,
    PARTS,
    direct_accuracy,
    direct_credit,
    method_table,
    scores_of,
    table,
)

from lineage.experiment.conditions import (
    some_candidates,
)
from lineage.results.evaluation.verdicts import chosen, verdicts


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[FEW_VALUES | st.just(math.nan) | st.just(-math.inf)] * 3), min_size=8, max_size=8
    ),
    order=st.randoms(use_true_random=False),
)
def test_credits_are_those_of_a_direct_count_whatever_the_order_of_rows(rows, order: random.Random):
    frame = table(np.array(rows))
    shuffled = frame.sample(frac=1, random_state=order.randrange(2**32))
    found = verdicts(shuffled, PARENT_OF)
    for child in CHILDREN:
        scores = dict(zip(CANDIDATES, rows[CHILDREN.index(child)], strict=True))
        assert found.loc[child, "credit"] == pytest.approx(direct_credit(scores, PARENT_OF[child]))


def test_a_tie_earns_its_share_and_names_all_winners():
    found = verdicts(table(np.array([[2.0, 2.0, 1.0]]), ["c0"]), PARENT_OF).loc["c0"]
    assert (found["predicted"], found["tied"], found["credit"]) == ("p0|p1", 2, 0.5)


@given(names=st.permutations(CANDIDATES), rows=st.lists(st.tuples(*[FEW_VALUES] * 3), min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_renaming_the_candidates_changes_no_credit(names, rows):
    renamed = dict(zip(CANDIDATES, names, strict=True))
    frame = table(np.array(rows))
    before = verdicts(frame, PARENT_OF)["credit"]
    swapped = frame.assign(candidate=frame["candidate"].map(renamed))
    after = verdicts(swapped, {child: renamed[parent] for child, parent in PARENT_OF.items()})["credit"]
    assert before.equals(after)


@pytest.mark.parametrize(("gap", "credit"), [(1e-14, 0.5), (1e-9, 0.0)])
def test_only_rounding_errors_count_as_ties(gap, credit):
    found = verdicts(table(np.array([[0.7, 0.7 * (1 + gap), 0.1]]), ["c0"]), PARENT_OF)
    assert found.loc["c0", "credit"] == credit


def test_a_nan_score_never_wins_and_no_score_at_all_earns_what_guessing_would():
    nan = math.nan
    found = verdicts(table(np.array([[nan, 1.0, 0.0], [nan, 1.0, nan], [nan] * 3]), CHILDREN[:3]), PARENT_OF)
    assert list(found["credit"]) == pytest.approx([0, 1, 1 / 3])
    assert list(found["predicted"]) == ["p1", "p1", "p0|p1|p2"]


def test_the_margin_is_the_lead_in_standard_deviations():
    values = np.array([[5.0, 1.0, 3.0], [1.0, 2.0, 6.0]])
    found = verdicts(table(values, CHILDREN[:2]), PARENT_OF)["margin"]
    assert list(found) == pytest.approx([(5 - 3) / np.std(values[0]), (2 - 6) / np.std(values[1])])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), poison=st.sampled_from([0.0, 99.0, -99.0, math.nan, math.inf]))
def test_the_choice_does_not_see_test_and_training_children(seed, poison):
    values = scores_of((2, 2, 8, 3), seed)
    frame = method_table(values)
    poisoned = frame.copy()
    poisoned.loc[poisoned["child"].map(PARTS) != "validation", "score"] = poison
    assert chosen(frame, PARENT_OF, PARTS) == chosen(poisoned, PARENT_OF, PARTS)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_choice_has_the_best_accuracy_on_validation_children(seed):
    frame = method_table(scores_of((2, 2, 8, 3), seed))
    validation = [child for child, part in PARTS.items() if part == "validation"]
    accuracy = {
        choice: direct_accuracy(rows, PARENT_OF, validation)
        for choice, rows in frame.groupby(["layer", "alpha"])
    }
    assert accuracy[chosen(frame, PARENT_OF, PARTS)] == pytest.approx(max(accuracy.values()))


def test_of_two_choices_equally_right_the_one_with_the_larger_margin_is_taken():
    values = np.zeros((2, 2, 8, 3))
    for row, child in enumerate(CHILDREN):
        truth = CANDIDATES.index(PARENT_OF[child])
        values[..., row, :] = [0.0, 0.9, 1.0]
        values[..., row, truth] = 1.1
        values[1, 0, row, truth] = 5.0
    assert chosen(method_table(values), PARENT_OF, PARTS) == ("b", 0.1)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 6), seed=st.integers(0, 9), parent=st.sampled_from("abcdef"))
def test_some_candidates_hold_the_parent_and_depend_on_child_and_seed_alone(count, seed, parent):
    drawn = some_candidates("c", parent, "abcdef", count=count, seed=seed)
    assert parent in drawn
    assert len(set(drawn)) == count
    assert sorted(drawn) == drawn
    assert drawn == some_candidates("c", parent, list("abcdef"), count=count, seed=seed)
