"""Tables and archives of a suspect's answers: what they may look like, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from lineage.asking.answer_files import read_answers
from lineage.asking.answers import Answers, Kind
from lineage.asking.files import load_arrays
from lineage.errors import UserError

NAMES = ["cat", "dog", "fox"]


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


def test_a_table_of_text_that_is_called_npz_is_not_called_a_broken_zip_archive(tmp_path):
    (tmp_path / "answers.npz").write_text("query,label\nq0.png,cat\n")
    with pytest.raises(UserError, match=r"expected an \.npz, which is a zip archive of arrays; it is none"):
        load_arrays(tmp_path / "answers.npz")
