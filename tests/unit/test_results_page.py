"""docs/results.md: claims against numbers put in by hand, and the committed page against the committed results."""

from pathlib import Path

import pandas as pd
import pytest

from lineage.experiment.conditions import ALL_BLOCKS, STANDARD, among, ancestor_in, gap, of_block
from lineage.results.claims import claims_table
from lineage.results.claims_page import (
    accuracy_table,
    among_table,
    behind_table,
    blocks_table,
    generations_table,
    network_table,
    write_page,
)
from lineage.results.tables import PUBLISHED_NUMBERS
from lineage.storage.parquet import read_table
from lineage.storage.schemas import PUBLISHED, RESULTS

REPOSITORY = Path(__file__).parents[2]


def rows(
    experiment: str, setting: str, method: str, *accuracies: float, condition: str = STANDARD
) -> list[dict]:
    """RESULTS of one method: an accuracy a seed, and its n and chance."""
    common = {"experiment": experiment, "setting": setting, "method": method, "condition": condition, "n": 10}
    of_seeds = [
        common | {"seed": seed, "metric": "accuracy", "value": value} for seed, value in enumerate(accuracies)
    ]
    return [*of_seeds, common | {"seed": None, "metric": "chance", "value": 0.25}]


def results(*groups: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([row for group in groups for row in group], columns=RESULTS.names)


def said(frame: pd.DataFrame, claim: str) -> dict:
    table = claims_table(frame)
    (row,) = table[table["the paper says"].str.contains(claim)].to_dict("records")
    return row


def test_accuracies_are_means_over_the_seeds_in_per_cent():
    frame = results(rows("e", "full", "l1/direct", 0.5, 1.0), rows("e", "full", "detector", 1.0, 1.0))
    (row,) = accuracy_table(frame).to_dict("records")
    assert (row["l1/direct"], row["detector"], row["weight_l2"]) == ("75.0", "100.0", "")
    assert (row["n"], row["chance %"]) == ("10", "25.0")


def test_accuracies_among_other_candidates_name_these_and_leave_out_what_was_not_run():
    frame = results(
        rows("e", "full", "weight_l2", 0.25, condition=among("relatives")),
        rows("e", "full", "weight_l2", 1.0),
        rows("e", "second", "audit/closest", 0.5, condition=among("grandparents")),
    )
    first, second = among_table(frame).to_dict("records")
    assert (first["setting"], first["candidates"]) == ("full", "relatives")
    assert (first["weight_l2"], first["audit/closest"]) == ("25.0", "")
    assert (second["candidates"], second["audit/closest"]) == ("grandparents", "50.0")
    assert "detector" not in first
    assert among_table(results(rows("e", "full", "weight_l2", 1.0))).empty


@pytest.mark.parametrize(("path", "seen"), [((0.9, 0.9), "yes"), ((0.1, 0.6), "no")])
def test_approximations_are_compared_with_direct_of_the_same_similarity_and_setting(path, seen):
    groups = [
        rows("e", setting, f"{similarity}/{approximation}", value)
        for setting, value_of_path in zip("ab", path, strict=True)
        for similarity in ("l1", "cka")
        for approximation, value in {"direct": 0.6, "path": value_of_path, "taylor": 0.8}.items()
    ]
    row = said(results(*groups), "beats direct")
    assert row["seen"] == seen
    if seen == "yes":
        assert "path: better in 4, equal in 0, worse in 0 of 4" in row["we measured"]
        assert "+30.0 points on average; taylor" in row["we measured"]
    else:
        assert "path: better in 0, equal in 2, worse in 2 of 4" in row["we measured"]
        assert "-25.0 points" in row["we measured"]


@pytest.mark.parametrize(("detector", "seen"), [(0.9, "yes"), (0.5, "no")])
def test_the_detector_is_compared_with_the_better_of_the_papers_two(detector, seen):
    methods = {"l1/direct": 0.6, "l1/taylor": 0.8, "weight_l2": 1.0, "detector": detector}
    row = said(
        results(*(rows("e", "full", method, value) for method, value in methods.items())), "detector beats"
    )
    assert row["seen"] == seen
    assert f"(mean {100 * detector:.1f} against 80.0 %); as weight_l2 in 0" in row["we measured"]


def test_the_detector_is_listed_where_a_rival_that_was_asked_the_same_is_ahead_and_nowhere_else():
    frame = results(
        rows("e", "full", "detector", 0.5),
        rows("e", "full", "weight_l2", 0.5),
        rows("e", "full", "cka/path", 1.0),
        rows("e", "second", "detector", 0.75),
        rows("e", "second", "audit/closest", 1.0),
        rows("e", "second", "detector", 0.5, condition=among("relatives")),
        rows("e", "second", "l1/path", 0.75, condition=among("relatives")),
    )
    first, second = behind_table(frame).to_dict("records")
    assert (first["setting"], first["condition"]) == ("second", STANDARD)
    assert (first["detector"], first["audit/closest"], first["l1/path"]) == ("75.0", "100.0", "")
    assert (second["setting"], second["condition"]) == ("second", among("relatives"))
    assert behind_table(frame[frame["setting"] == "full"]).empty


def test_each_generation_is_set_beside_the_published_number_of_the_same_method():
    frame = results(
        rows("fc-generations", "g2", "l1/direct", 0.75),
        rows("fc-generations", "g3", "l1/direct", 0.5),
        rows("fc-generations", "g3", "l1/direct", 0.25, condition=ancestor_in("roots")),
        rows("fc-generations", "g3", "l1/direct", 0.35, condition=ancestor_in("g2")),
    )
    table = generations_table(frame, read_table(PUBLISHED_NUMBERS, PUBLISHED))
    cells = dict(
        zip(zip(table["from"], table["to"], strict=True), table["l1/direct (published)"], strict=True)
    )
    assert cells == {("G1", "G2"): "75.0 (90.5)", ("G1", "G3"): "25.0 (89.1)", ("G2", "G3"): "35.0 (91.3)"}


def network(*recalls: float) -> pd.DataFrame:
    metrics = [f"{metric}{end}" for metric in ("precision", "recall") for end in ("", "_low", "_high")]
    return results(
        [
            {"experiment": "fc-network", "setting": "all", "method": "l1/path", "condition": gap(distance),
             "metric": metric, "value": value, "n": 40}
            for distance, value in enumerate(recalls, start=1)
            for metric in metrics
        ]
    )  # fmt: skip


def test_a_network_is_found_if_every_gap_is():
    assert said(network(1, 1, 1), "300 models")["seen"] == "yes"
    by_generation = rows("fc-network", "g3", "weight_l2", 1.0, condition=ancestor_in("roots"))
    assert said(network(1, 0.99, 0.97), "300 models")["seen"] == "mostly"
    both = pd.concat([network(1, 0.99, 0.87), results(by_generation)])
    assert said(both, "300 models")["seen"] == "one generation at a time"
    assert "at least: weight_l2 100.0 %" in said(both, "300 models")["we measured"]
    row = said(network(0.9, 0.8, 0.7), "300 models")
    assert (row["seen"], "l1/path 90.0 / 80.0 / 70.0" in row["we measured"]) == ("no", True)
    assert network_table(network(0.9))["recall %"].tolist() == ["90.0 (90.0 … 90.0)"]


def test_blocks_are_in_the_order_of_the_network():
    names = [of_block(f"blocks.{number}") for number in (0, 10, 2)] + [ALL_BLOCKS]
    frame = results(*(rows("h", "mixed", "l1/path", 1.0, condition=name) for name in names))
    assert blocks_table(frame)["block"].tolist() == [names[0], names[2], names[1], ALL_BLOCKS]


def test_what_was_not_measured_is_said_to_be():
    assert said(results(rows("e", "full", "l1/direct", 0.5)), "segmentation")["we measured"] == "not measured"


def test_the_committed_page_is_that_of_the_committed_results(tmp_path):
    page = tmp_path / "results.md"
    write_page(REPOSITORY / "results" / "reference", PUBLISHED_NUMBERS, page)
    assert page.read_text() == (REPOSITORY / "docs" / "results.md").read_text()
