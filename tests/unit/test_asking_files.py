"""What a suspect's answers and a stranger's query set may look like; a dishonest accuser's queries are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asking_networks import SIZE, World, labels, unrelated_functions

import lineage
from lineage.asking.answer_files import read_answers
from lineage.asking.answers import Answers, Kind
from lineage.asking.checking import check_follows, differences
from lineage.asking.choosing.query_rules import RULE, choose
from lineage.asking.files import MANIFEST, QUERIES, load_arrays, read_query_set, write_query_set
from lineage.asking.queryset import QuerySet
from lineage.asking.run import verify
from lineage.errors import UserError

NAMES = ["cat", "dog", "fox"]
DIGITS = {"data": "sklearn:digits", "image_size": SIZE, "channels": 1, "budget": 100}


def read(tmp_path: Path, text: str, **options) -> Answers:
    path = tmp_path / "answers.csv"
    path.write_text(text)
    return read_answers(path, 5, NAMES, **options)


def test_labels_are_numbers_or_names(tmp_path):
    numbers = read(tmp_path, "query,label\n0000.png,1\n0003.png,2\n")
    assert (numbers.kind, numbers.rows.tolist(), numbers.values.tolist()) == (Kind.LABELS, [0, 3], [1, 2])
    named = read(tmp_path, "query,label\n1,dog\nimages/0002.png,cat\n4,\n")
    assert (named.rows.tolist(), named.values.tolist(), named.own_labels) == ([1, 2], [1, 0], False)


def test_labels_that_the_candidates_lack_are_the_suspects_own(tmp_path):
    own = read(tmp_path, "query,label\n0,cat\n1,cow\n2,cow\n")
    assert (own.values.tolist(), own.own_labels) == ([0, 1, 1], True)
    assert read(tmp_path, "query,label\n0,7\n1,0\n").own_labels
    assert read(tmp_path, "query,label\n0,1\n1,0\n", own_labels=True).own_labels


def test_the_best_classes_come_in_order(tmp_path):
    best = read(tmp_path, "query,top1,top2\n0,fox,cat\n1,dog,fox\n")
    assert (best.kind, best.values.tolist(), best.labels.tolist()) == (Kind.TOP, [[2, 0], [1, 2]], [2, 1])


def test_probabilities_are_put_in_the_candidates_order(tmp_path):
    given = read(tmp_path, "query,fox,cat,dog\n0,0.5,0.3,0.2\n")
    assert (given.kind, given.values.tolist(), given.own_labels) == (
        Kind.PROBABILITIES,
        [[0.3, 0.2, 0.5]],
        False,
    )
    assert read(tmp_path, "query,a,b\n0,0.5,0.3\n").own_labels


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffquery,label\r\n0,1\r\n3,2\r\n".encode(),
        b"query;label\n0;1\n\n3;2\n;\n",
        "query\tlabel\r\n0\t1\r\n3\t2\r\n".encode("utf-16"),
        b' Query , Label \n"0000.png", 1\nC:\\images\\0003.png, 2\n',
        b"label,query\r1,0\r2,3\r",
        b"query,label\n3,2.0\n1,\n0,1.0\n",
        b"query,label\n0,Dog\n3,FOX\n",
    ],
    ids=[
        "bom",
        "semicolons",
        "utf-16 and tabs",
        "spaces and capitals",
        "old mac",
        "blanks of pandas",
        "capitals",
    ],
)
def test_tables_are_read_as_spreadsheets_and_scripts_write_them(data, tmp_path):
    path = tmp_path / "answers.csv"
    path.write_bytes(data)
    found = read_answers(path, 5, NAMES)
    assert (found.kind, found.own_labels) == (Kind.LABELS, False)
    assert dict(zip(found.rows.tolist(), found.values.tolist(), strict=True)) == {0: 1, 3: 2}


@pytest.mark.parametrize(
    "text", ["query;cat;dog;fox\n1;0,5;0,25;1e-1\n", 'query,cat,dog,fox\n1,"0,5",0.25,"0,1"\n']
)
def test_probabilities_may_have_decimal_commas(text, tmp_path):
    assert read(tmp_path, text).values.tolist() == [[0.5, 0.25, 0.1]]


@pytest.mark.parametrize("name", ["labels", "top", "probabilities", "embeddings"])
def test_an_archive_has_one_of_four_arrays(name, tmp_path):
    path = tmp_path / "answers.npz"
    values = {"labels": [0, 1, 2, 0, 1], "top": [[0, 1]] * 5, "probabilities": [[0.5, 0.2, 0.3]] * 5}
    np.savez(path, **{name: np.array(values.get(name, [[-1.5, 2.0]] * 5))})
    found = read_answers(path, 5, NAMES)
    assert len(found.values) == 5
    assert found.own_labels == (name == "embeddings")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the columns query and label"),
        ("number,label\n0,1\n", "expected the columns query and label"),
        ("query,label\n", "expected a row for each query that was answered"),
        ("query,label\n5,1\n", "line 2: expected a query's picture or its number from 0, below 5, got '5'"),
        ("query,label\n0,1,2\n", "line 2: expected 2 values"),
        ("query,label\n0,1\n0,2\n", "line 3: expected each query once, but 0 was answered in line 2 already"),
        ("0000.png,3\n0001.png,2\n", "as its first line; that is '0000.png, 3'"),
        ("query,label,label\n0,1,1\n", "expected each column once, but 'label' is there more often"),
        ("query,label,confidence\n0,1,0.5\n", "and no others, got 'label, confidence'"),
        ("query,prediction\n0,1\n", "and no others, got 'prediction'"),
        ("query,label\n" + "".join(f"{row},1\n" for row in range(1, 6)), "line 6: .* number from 0, below 5"),
        ("query,label\n0,-1\n", "whole numbers from 0"),
        ("query,cat,dog,fox\n0,a,0,0\n", "expected a column of probabilities a class"),
        ("query,cat,dog,fox\n0,2,0,0\n", "not negative and of sum 1 at most"),
        ("query,cat,dog,fox\n0,nan,0,0\n", "finite numbers"),
        ("query,label\n0,\n", "a row a query"),
    ],
)
def test_what_are_no_answers_is_refused_in_one_line(text, said, tmp_path):
    with pytest.raises(UserError, match=said) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)


def test_pickles_in_an_archive_are_not_opened(tmp_path):
    path = tmp_path / "answers.npz"
    np.savez(path, labels=np.array([object()], dtype=object))
    with pytest.raises(UserError, match="expected arrays in an .npz archive"):
        read_answers(path, 1, NAMES)


@pytest.fixture(scope="module")
def functions() -> dict:
    return unrelated_functions(9)


@pytest.fixture(scope="module")
def honest(functions, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("honest") / "queries"
    lineage.ask(functions, out=folder, **DIGITS)
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
    again = lineage.ask(renamed, **DIGITS)
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


def test_a_table_of_text_that_is_called_npz_is_not_called_a_broken_zip_archive(tmp_path):
    (tmp_path / "answers.npz").write_text("query,label\nq0.png,cat\n")
    with pytest.raises(UserError, match=r"expected an \.npz, which is a zip archive of arrays; it is none"):
        load_arrays(tmp_path / "answers.npz")
