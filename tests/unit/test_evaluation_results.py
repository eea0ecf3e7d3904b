"""Accuracies, intervals and areas over seeds, settings and conditions, against slow direct counts."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_evaluation import (
    CANDIDATES,
    CHILDREN,
    HALF_OF,
    NOBODY,
    PARENT_OF,
    direct_accuracy,
    method_table,
    scores_of,
    table,
)

from lineage.experiment.conditions import (
    ABSENT,
    NO_PARENT,
    PRESENT,
    STANDARD,
    ancestor_in,
    some_candidates,
    with_count,
)
from lineage.results.evaluation.absence import absence, best_threshold
from lineage.results.evaluation.outcomes import evaluated
from lineage.results.evaluation.verdicts import chosen
from lineage.types.evaluation import Ancestors, Evaluated


@dataclass(frozen=True)
class Evaluation:
    """What was said of the children in each seed, and what an evaluation made of it."""

    splits: tuple[dict[str, str], ...]
    frames: dict[str, pd.DataFrame]
    logits: pd.DataFrame
    few: pd.DataFrame
    absent: pd.DataFrame
    outcomes: pd.DataFrame
    results: pd.DataFrame

    def tested(self) -> list[tuple[int, dict[str, str], list[str]]]:
        """Each seed, its split, and its test children."""
        return [
            (seed, parts, [child for child, part in parts.items() if part == "test"])
            for seed, parts in enumerate(self.splits)
        ]

    def value(self, method: str, metric: str, seed: int | None, condition: str = STANDARD) -> pd.Series:
        """The one row of a metric."""
        results = self.results
        in_seed = results["seed"].isna() if seed is None else results["seed"] == seed
        wanted = (results["method"] == method) & (results["condition"] == condition)
        rows = results[wanted & (results["metric"] == metric) & in_seed]
        assert len(rows) == 1
        return rows.iloc[0]


def at_the_chosen(frame: pd.DataFrame, parent_of: dict[str, str], parts: dict[str, str]) -> pd.DataFrame:
    """The scores at the layer and alpha that validation children choose."""
    layer, alpha = chosen(frame, parent_of, parts)
    return frame[(frame["layer"] == layer) & (frame["alpha"] == alpha)]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Three seeds, two learning-free methods and a detector, with everything that a direct count needs."""
    splits = tuple(
        {
            child: ["train", "validation", "test", "test"][(number + seed) % 4]
            for number, child in enumerate(CHILDREN)
        }
        for seed in range(3)
    )
    methods = {"l1/path": ("l1", "path", 5), "weight_l2": ("weight_l2", "direct", 6)}
    frames = {
        method: method_table(
            scores_of((2, 2, 8, 3), seed), similarity=similarity, approximation=approximation, setting="full"
        )
        for method, (similarity, approximation, seed) in methods.items()
    }
    logits = pd.concat(
        table(scores_of((8, 3), 10 + seed)).assign(
            seed=seed, part=lambda t, s=seed: t["child"].map(splits[s])
        )
        for seed in range(3)
    )
    logits = logits[logits["part"] != "train"].rename(columns={"score": "logit"})
    logits = logits.assign(setting="full", method="detector", condition=STANDARD)
    two = {
        (seed, child): some_candidates(child, parent, CANDIDATES, count=2, seed=seed)
        for seed in range(3)
        for child, parent in PARENT_OF.items()
    }
    is_asked = [row.candidate in two[row.seed, row.child] for row in logits.itertuples()]
    few = logits[is_asked].assign(condition=with_count(2))
    absent = logits.groupby(["seed", "child"]).head(1).assign(candidate=NO_PARENT)
    absent = pd.concat([absent.assign(condition=ABSENT), absent.assign(condition=PRESENT)])
    absent["probability"] = np.random.default_rng(5).integers(0, 5, len(absent)) / 5
    zoo = {
        "full": Evaluated(
            parents=PARENT_OF,
            candidates=CANDIDATES,
            splits=splits,
            counts=(2,),
            ancestors={ancestor_in("half"): Ancestors(candidates=CANDIDATES[:2], parents=HALF_OF)},
        )
    }
    outcomes, results = evaluated(pd.concat(frames.values()), pd.concat([logits, few, absent]), NOBODY, zoo)
    return Evaluation(splits, frames, logits, few, absent, outcomes, results)


def test_accuracy_of_each_seed_is_that_of_a_direct_count_over_its_test_children(evaluation):
    logits = evaluation.logits.rename(columns={"logit": "score"})
    for seed, parts, tested in evaluation.tested():
        for method, frame in evaluation.frames.items():
            picked = at_the_chosen(frame, PARENT_OF, parts)
            row = evaluation.value(method, "accuracy", seed)
            assert row["value"] == pytest.approx(direct_accuracy(picked, PARENT_OF, tested))
            assert row["n"] == len(tested)
        row = evaluation.value("detector", "accuracy", seed)
        of_seed = logits[logits["seed"] == seed]
        assert row["value"] == pytest.approx(direct_accuracy(of_seed, PARENT_OF, tested))


def test_methods_are_named_with_their_approximation_where_there_is_a_choice(evaluation):
    assert set(evaluation.results["method"]) == {"l1/path", "weight_l2", "detector"}


def test_ties_are_counted_and_chance_is_one_over_the_candidates(evaluation):
    outcomes = evaluation.outcomes
    for method, rows in outcomes[outcomes["condition"] == STANDARD].groupby("method"):
        assert evaluation.value(method, "chance", None)["value"] == pytest.approx(1 / 3)
        for seed, of_seed in rows.groupby("seed"):
            tied = sum("|" in predicted for predicted in of_seed["predicted"])
            assert evaluation.value(method, "ties", seed)["value"] == tied


def test_the_pooled_interval_counts_a_child_tested_in_several_seeds_once(evaluation):
    outcomes = evaluation.outcomes
    for method, rows in outcomes[outcomes["condition"] == STANDARD].groupby("method"):
        assert max(Counter(rows["child"]).values()) > 1
        by_child = [of_child["credit"].mean() for _, of_child in rows.groupby("child")]
        low, high = (evaluation.value(method, f"interval_{end}", None) for end in ("low", "high"))
        assert low["n"] == high["n"] == len(by_child)
        assert low["value"] < np.mean(by_child) < high["value"]


def test_only_test_children_get_verdicts(evaluation):
    outcomes = evaluation.outcomes
    for seed, _, tested in evaluation.tested():
        for _, rows in outcomes[outcomes["seed"] == seed].groupby(["method", "condition"]):
            assert sorted(rows["child"]) == sorted(tested)


def test_fewer_candidates_are_counted_as_they_are_for_every_method(evaluation):
    for seed, parts, tested in evaluation.tested():
        picked = at_the_chosen(evaluation.frames["l1/path"], PARENT_OF, parts)
        asked = evaluation.few[evaluation.few["seed"] == seed]
        pairs = set(zip(asked["child"], asked["candidate"], strict=True))
        kept = picked[[pair in pairs for pair in zip(picked["child"], picked["candidate"], strict=True)]]
        row = evaluation.value("l1/path", "accuracy", seed, with_count(2))
        assert row["value"] == pytest.approx(direct_accuracy(kept, PARENT_OF, tested))
        of_detector = asked.rename(columns={"logit": "score"})
        row = evaluation.value("detector", "accuracy", seed, with_count(2))
        assert row["value"] == pytest.approx(direct_accuracy(of_detector, PARENT_OF, tested))
        assert evaluation.value("l1/path", "chance", None, with_count(2))["value"] == 0.5


def test_an_ancestor_is_looked_for_among_its_own_setting_alone(evaluation):
    condition = ancestor_in("half")
    frame = evaluation.frames["l1/path"]
    frame = frame[frame["candidate"].isin(CANDIDATES[:2])]
    for seed, parts, tested in evaluation.tested():
        picked = at_the_chosen(frame, HALF_OF, parts)
        row = evaluation.value("l1/path", "accuracy", seed, condition)
        assert row["value"] == pytest.approx(direct_accuracy(picked, HALF_OF, tested))
    assert evaluation.value("l1/path", "chance", None, condition)["value"] == 0.5


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order(evaluation):
    absent = evaluation.absent
    for seed, of_seed in absent[absent["part"] == "test"].groupby("seed"):
        without = of_seed[of_seed["condition"] == ABSENT]["probability"]
        present = of_seed[of_seed["condition"] == PRESENT]["probability"]
        order = [(a > b) + (a == b) / 2 for a in without for b in present]
        assert evaluation.value("detector", "auroc", seed, ABSENT)["value"] == pytest.approx(np.mean(order))
        threshold = evaluation.value("detector", "threshold", seed, ABSENT)["value"]
        right = [*(without > threshold), *(present <= threshold)]
        accuracy = evaluation.value("detector", "accuracy", seed, ABSENT)["value"]
        assert accuracy == pytest.approx(np.mean(right))


def test_the_threshold_does_not_see_test_children(evaluation):
    poisoned = evaluation.absent.copy()
    is_test = poisoned["part"] == "test"
    poisoned.loc[is_test, "probability"] = 1 - poisoned.loc[is_test, "probability"]
    for row in absence(poisoned):
        if row["metric"] == "threshold":
            assert row["value"] == evaluation.value("detector", "threshold", row["seed"], ABSENT)["value"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=12))
def test_no_threshold_is_right_more_often_on_validation_children(rows):
    answers = pd.DataFrame(rows, columns=["absent", "probability"])
    answers["probability"] = (answers["probability"] + 0.5) / 10
    answers["condition"] = np.where(answers["absent"], ABSENT, PRESENT)

    def right(threshold: float) -> int:
        return sum(((value + 0.5) / 10 > threshold) == is_absent for is_absent, value in rows)

    assert right(best_threshold(answers)) == max(map(right, np.arange(0, 1.05, 0.1)))


def test_threshold_lies_in_the_middle_of_its_range():
    answers = pd.DataFrame({"condition": [PRESENT, ABSENT], "probability": [0.2, 0.6]})
    assert best_threshold(answers) == pytest.approx(0.4)


def test_each_setting_is_evaluated_as_if_it_were_the_only_one():
    """Settings of the same children, with other scores and logits, whose names sort before and after each other."""
    splits = [dict.fromkeys(CHILDREN, "test") | {"c0": "validation", "c1": "validation"}]
    zoo = Evaluated(parents=PARENT_OF, candidates=CANDIDATES, splits=tuple(splits), counts=(2,), ancestors={})
    scores, logits = {}, {}
    for number, setting in enumerate(("early", "full", "late")):
        columns = {"setting": setting, "similarity": "l1", "approximation": "path"}
        scores[setting] = method_table(scores_of((2, 2, 8, 3), number), **columns)
        predicted = table(scores_of((8, 3), 10 + number)).rename(columns={"score": "logit"})
        predicted = predicted.assign(seed=0, part=predicted["child"].map(splits[0]), condition=STANDARD)
        logits[setting] = predicted.assign(setting=setting, method="detector", probability=0.5)
    together = evaluated(
        pd.concat(scores.values()), pd.concat(logits.values()), NOBODY, dict.fromkeys(scores, zoo)
    )
    for setting in scores:
        alone = evaluated(scores[setting], logits[setting], NOBODY, {setting: zoo})
        for all_rows, rows in zip(together, alone, strict=True):
            found = all_rows[all_rows["setting"] == setting].reset_index(drop=True)
            pd.testing.assert_frame_equal(found, rows.reset_index(drop=True), check_dtype=False)
