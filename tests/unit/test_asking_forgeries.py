"""A stranger's query set: a dishonest accuser's queries are refused, and what differs is named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asking_networks import DIGITS, World, labels, unrelated_functions

import lineage
from lineage.asking.checking import check_follows, differences
from lineage.asking.choosing.query_rules import RULE, choose
from lineage.asking.files import MANIFEST, QUERIES, read_query_set, write_query_set
from lineage.asking.queryset import QuerySet
from lineage.asking.run import verify
from lineage.errors import UserError


@pytest.fixture(scope="module")
def functions() -> dict:
    return unrelated_functions(9)


@pytest.fixture(scope="module")
def honest(functions, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("honest") / "queries"
    lineage.ask(functions, budget=100, out=folder, **DIGITS)
    return folder


def changed(honest: Path, folder: Path, **fields) -> Path:
    """A forged folder that commits to what it holds."""
    queries, _ = read_query_set(honest)
    write_query_set(replace(queries, **fields), folder)
    return folder


def refused(folder: Path, said: str, **options) -> None:
    with pytest.raises(UserError, match=said) as error:
        lineage.answer(folder, labels(World(seed=9).unrelated()), **options)
    assert str(error.value).endswith("refused as evidence; have them written anew by `lineage ask`")


def test_honest_queries_follow_from_their_candidates_and_data(honest, functions):
    assert verify(honest, functions, "sklearn:digits") == []


def test_queries_that_were_exchanged_after_the_commitment_are_refused(honest, tmp_path):
    folder = shutil.copytree(honest, tmp_path / "queries")
    queries, _ = read_query_set(honest)
    np.savez_compressed(folder / QUERIES, images=queries.images[::-1], chosen=queries.chosen)
    refused(folder, "the manifest commits to")


def test_another_commitment_than_the_published_one_is_refused(honest):
    refused(honest, "what was published is", commitment="0" * 64)


def test_queries_picked_by_hand_are_refused_although_they_commit_to_themselves(honest, tmp_path):
    queries, _ = read_query_set(honest)
    picked = np.setdiff1d(np.arange(queries.seen.labels.shape[1]), queries.chosen)[:100]
    refused(
        changed(honest, tmp_path / "queries", chosen=picked), "are not those that the rule 'mixed' chooses"
    )


@pytest.mark.parametrize("budget", [50, 1000])
def test_a_budget_of_which_no_error_is_measured_is_refused(budget, honest):
    queries, _ = read_query_set(honest)
    plan = replace(queries.plan, budget=budget)
    chosen = choose(plan.rule, queries.seen, budget, plan.seed)
    forged = replace(queries, plan=plan, chosen=chosen)
    with pytest.raises(UserError, match=f"expected one of 100, 200, 300, 500 queries, .* got {budget}"):
        check_follows(forged, forged.commitment)


@pytest.mark.parametrize("field", ["rule", "data"])
def test_a_plan_that_was_changed_for_better_queries_is_refused(field, honest, tmp_path):
    queries, _ = read_query_set(honest)
    other = {"rule": "alone", "data": "0" * 64}[field]
    refused(changed(honest, tmp_path / "queries", plan=replace(queries.plan, **{field: other})), "the rule")


def test_candidates_that_are_said_to_answer_otherwise_are_refused(honest, tmp_path):
    queries, _ = read_query_set(honest)
    refused(
        changed(honest, tmp_path / "queries", outputs=queries.outputs[:, ::-1]),
        "are not those that chose them",
    )


def lying(queries: QuerySet, suspect: np.ndarray) -> QuerySet:
    """A set that follows from itself: p0 is said to answer the whole pool as the suspect does."""
    said = queries.seen.labels.copy()
    said[0] = suspect
    seen = replace(queries.seen, labels=said)
    chosen = choose(RULE, seen, queries.plan.budget, queries.plan.seed)
    outputs = np.log(0.9 * np.eye(queries.plan.classes)[said[:, chosen]] + 0.01).astype(np.float16)
    return replace(queries, seen=seen, chosen=chosen, outputs=outputs)


def test_a_pool_that_was_forged_whole_is_seen_when_the_candidates_are_asked_again(
    honest, functions, tmp_path
):
    queries, _ = read_query_set(honest)
    forged = lying(queries, np.random.default_rng(0).integers(0, 10, queries.seen.labels.shape[1]))
    check_follows(forged, forged.commitment)
    again, _ = read_query_set(honest)
    assert "pool: the candidates answer otherwise" in differences(forged, again)
    write_query_set(forged, tmp_path / "queries")
    assert verify(tmp_path / "queries", functions, "sklearn:digits") != []


def test_lines_that_change_places_in_a_manifest_blame_nobody_else(honest, tmp_path):
    folder = shutil.copytree(honest, tmp_path / "queries")
    said = json.loads((folder / MANIFEST).read_text())
    said["plan"]["candidates"] = dict(reversed(said["plan"]["candidates"].items()))
    (folder / MANIFEST).write_text(json.dumps(said))
    before, _ = read_query_set(honest)
    after, stated = read_query_set(folder)
    assert (after.plan.ids, after.commitment) == (before.plan.ids, stated)


def test_names_and_their_order_draw_no_other_queries(honest, functions):
    renamed = {f"q{id}": function for id, function in reversed(functions.items())}
    queries, _ = read_query_set(honest)
    again = lineage.ask(renamed, budget=100, **DIGITS)
    assert again.plan.seed == queries.plan.seed
    assert np.array_equal(again.images, queries.images)
    assert again.plan.ids == [f"q{id}" for id in queries.plan.ids]


def test_features_that_were_forged_are_named(honest):
    queries, _ = read_query_set(honest)
    values = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float16)
    ours = replace(queries, features={"p0": values, "p1": values, "p2": values, "p3": values})
    forged = {"p0": values * np.float16(1.001), "p1": values[::-1], "p2": values[:, :3], "p4": values}
    assert differences(replace(queries, features=forged), ours) == [
        "features of p3: missing", "features of p4: not expected",
        "features of p1: are others", "features of p2: are others",
    ]  # fmt: skip
    assert differences(ours, ours) == []


def test_features_that_change_names_are_not_what_was_committed_to(honest):
    queries, _ = read_query_set(honest)
    values = np.ones((100, 4), np.float16)
    commitments = {replace(queries, features={id: values}).commitment for id in ("p0", "p1")}
    assert len(commitments) == 2


def test_other_candidates_and_other_data_are_named(honest, functions):
    fewer = {id: function for id, function in functions.items() if id != "p3"}
    assert "candidate p3: has other weights, or is missing" in verify(honest, fewer, "sklearn:digits")
    assert verify(honest, functions, "noise") == [
        *(f"candidate {id}: has other weights, or is missing" for id in functions),
        "data: other images",
    ]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (MANIFEST, "{}", "expected the manifest of a query set, format 4"),
        (MANIFEST, "[", "expected the manifest of a query set"),
        (QUERIES, "PK", "zip archive"),
    ],
)
def test_a_damaged_folder_is_one_line(file, text, said, honest, tmp_path):
    folder = shutil.copytree(honest, tmp_path / "queries")
    (folder / file).write_text(text)
    with pytest.raises(UserError, match=said):
        read_query_set(folder)


def test_arrays_of_other_shapes_are_refused(honest, tmp_path):
    folder = shutil.copytree(honest, tmp_path / "queries")
    said = json.loads((folder / MANIFEST).read_text())
    said["plan"]["image_size"] = 9
    (folder / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(UserError, match=r"queries.npz: images: expected the shape \(100, 9, 9, 1\)"):
        read_query_set(folder)
