"""The reports of a table of models: what a missing file says, the summary, the closing lines and the terminal."""

import json
import re

import pandas as pd
import pytest
from known_verdicts import ALPHA
from small_networks import ROOTS, child_of, save_all

from lineage.auditing.report.bundle import write_html, write_json
from lineage.auditing.report.summary import closing_lines, totals, write_summary
from lineage.auditing.report.terminal import print_report
from lineage.auditing.stages.verdict import Word
from lineage.auditing.table import audited
from lineage.checkpoints.find import Source
from lineage.errors import UserError
from lineage.index.digest import DigestCache
from lineage.relation.relations import Relation


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[Source]:
    """p0 … p3 and a candidate that is broken; a child of p2, and one that is missing."""
    folder = save_all(tmp_path_factory.mktemp("models"), ROOTS | {"child": child_of(ROOTS["p2"], 27)})
    (folder / "broken.safetensors").write_text("<html>")
    roles = dict.fromkeys([*ROOTS, "broken"], "candidate") | dict.fromkeys(["child", "lost"], "child")
    claims = {"lost": "p2"}
    return [
        Source(id=name, path=f"{folder}/{name}.safetensors", role=role, claimed_parent=claims.get(name, ""))
        for name, role in roles.items()
    ]


def test_a_child_that_cannot_be_read_has_a_report_that_says_so(models, tmp_path):
    report = audited(models, "lost", [], DigestCache(None), ALPHA)
    assert (report.verdict, report.id, report.closest) == (Word.CANNOT_TELL, "lost", None)
    assert "found no such file" in report.reason
    assert report.reason in report.headline
    assert (report.claimed.parent, report.claimed.state) == ("p2", "undetermined")
    write_html(report.to_dict(), tmp_path / "page.html")
    assert "found no such file" in (tmp_path / "page.html").read_text()


def test_a_candidate_that_cannot_be_read_is_named_beside_the_verdict(models):
    report = audited(models, "child", [], DigestCache(None), ALPHA)
    assert report.closest == "p2"
    assert "web page" in report.refused["broken"]


@pytest.fixture
def folder(models, tmp_path):
    """The results of a table of models, as the workflow writes them."""
    (tmp_path / "children").mkdir()
    reports = []
    for child in ("child", "lost"):
        report = audited(models, child, [], DigestCache(None), ALPHA)
        write_json(report, tmp_path / "children" / f"{child}.json")
        reports.append(json.loads((tmp_path / "children" / f"{child}.json").read_text()))
    write_summary(reports, ALPHA, tmp_path / "summary.tsv")
    return tmp_path


def test_the_summary_has_the_three_answers_and_the_reason_of_every_child(folder):
    table = pd.read_csv(folder / "summary.tsv", sep="\t", keep_default_na=False).set_index("child")
    child, lost = table.loc["child"], table.loc["lost"]
    assert (child["family"], child["closest"]) == ("p2", "p2")
    assert child["relation"] in set(Relation)
    assert (child["significant"], child["claim"]) == ("True", "")
    assert (lost["verdict"], lost["family"], lost["claim"]) == ("cannot tell", "", "undetermined")
    assert "found no such file" in lost["reason"]


def test_the_closing_lines_name_each_childs_three_answers_and_where_they_stand(folder):
    lines = closing_lines(folder)
    assert re.match(r"child: .*; family: 1 candidate; closest: p2; relation: \w+", lines[0])
    assert any(line.startswith("  left out: ") and "web page" in line for line in lines)
    assert any(line.startswith("lost: cannot tell: ") for line in lines)
    assert f"summary: {folder / 'summary.tsv'}" in lines
    with pytest.raises(UserError, match="run `make audit` first"):
        closing_lines(folder / "children")


def test_the_terminal_gives_the_sentence_and_the_three_answers(models, capsys):
    report = audited(models, "child", [], DigestCache(None), ALPHA)
    print_report(report)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == report.headline
    said = {line.split(":")[0].strip() for line in others}
    assert {"verdict", "family", "closest", "relation", "because", "layers"} <= said


def test_one_child_is_no_plural():
    assert totals(["parent"]) == "1 child: 1 parent"
    assert totals(["parent", "cannot tell", "parent"]) == "3 children: 2 parent, 1 cannot tell"
