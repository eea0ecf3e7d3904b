"""The measured rates on docs/audit.md: rendered from numbers by hand, and the page against the committed Parquet."""

from pathlib import Path

import pandas as pd
import pytest
from pyarrow.parquet import read_schema

from lineage.errors import UserError
from lineage.report.disguise_rates import MEASURES, disguise_rates, table_of_copies
from lineage.report.verdict_rates import BEGIN, END, filled, overall_table, rates, table_by, write_rates
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import read_table

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "results" / "reference" / "bench"


def row(case: str, value: float, **known) -> dict:
    return {
        "case": case, "metric": "wrong parent", "architecture": "all", "optimiser": "all", "value": value,
        "low": 0.0, "high": 0.05, "n": 200, "wanted": "<= 2%", "met": value <= 0.02, "fitted_on": "other families",
    } | known  # fmt: skip


SECONDS = row("all", 1.2345, metric="seconds", low=None, high=None, wanted=None, met=None)
TABLE = pd.DataFrame(
    [
        row("siblings only", 0.015),
        row("framing", 0.031),
        SECONDS,
        row("siblings only", 0.5, architecture="mlp", n=8),
        row("siblings only", 0.0, architecture="vit", n=9),
        row("siblings only", 0.25, optimiser="sgd", n=4),
    ],
    columns=BENCH.names,
)


def test_a_share_is_in_per_cent_with_its_interval_its_target_and_what_the_rule_had_seen():
    siblings, framing, *_, seconds = overall_table(TABLE).to_dict("records")
    assert siblings == {
        "case": "siblings only", "what": "wrong parent", "measured": "1.5 %",
        "95 % interval": "0.0 … 5.0", "n": "200", "wanted": "<= 2%", "met": "yes",
        "the rule was set on": "other families",
    }  # fmt: skip
    assert (framing["measured"], framing["met"]) == ("3.1 %", "no")
    assert (seconds["measured"], seconds["95 % interval"], seconds["met"]) == ("1.23", "", "")


def test_rates_are_also_given_by_architecture_and_by_optimiser():
    by_architecture = TABLE[TABLE["architecture"] != "all"]
    (found,) = table_by(by_architecture, "architecture").to_dict("records")
    assert found == {
        "what": "siblings only: wrong parent", "wanted": "<= 2%", "mlp": "50.0 (8)", "vit": "0.0 (9)",
    }  # fmt: skip
    text = rates(TABLE)
    assert (
        text.index("by architecture")
        < text.index("50.0 (8)")
        < text.index("by optimiser")
        < text.index("25.0 (4)")
    )
    assert text.count("siblings only") == 3


def test_the_tables_stand_between_the_marks_and_nothing_else_of_the_page_changes():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert filled(page, "new\n", "x.md") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert filled(filled(page, "new\n", "x.md"), "new\n", "x.md") == filled(page, "new\n", "x.md")
    with pytest.raises(UserError, match=r"x\.md: expected the lines"):
        filled("no marks", "new", "x.md")


def test_every_bench_spells_what_is_wanted_one_way():
    committed = [path for path in COMMITTED.glob("*.parquet") if read_schema(path).equals(BENCH)]
    wanted = pd.concat(read_table(path, BENCH)["wanted"].dropna() for path in committed)
    assert len(committed) > 4
    assert set(wanted.str.split(" ").str[0]) <= {"<", "<=", ">", ">="}


@pytest.mark.parametrize(
    ("name", "bench", "tables"),
    [
        ("audit.md", "verdicts", rates),
        ("disguises.md", "disguises", disguise_rates),
        ("tree.md", "tree", rates),
        ("labels.md", "labels", rates),
        ("index.md", "index", rates),
    ],
)
def test_the_committed_page_is_what_the_committed_parquet_gives(name, bench, tables, tmp_path):
    text = (ROOT / "docs" / name).read_text()
    (tmp_path / name).write_text(text)
    write_rates(COMMITTED / f"{bench}.parquet", tmp_path / name, tables)
    assert (tmp_path / name).read_text() == text


def test_a_disguise_has_a_line_with_a_column_a_measure_in_per_cent_the_largest_first():
    copies = [
        row(case, value, metric=metric, n=n)
        for case, value, n in (("permute", 0.5, 2), ("all disguises", 0.75, 4))
        for metric in MEASURES
    ]
    framed = row("framed", 1.0, metric="family found", n=3)
    found = table_of_copies(pd.DataFrame([*copies, framed])).to_dict("records")
    assert [line["case"] for line in found] == ["all disguises", "framed", "permute"]
    assert [line["n"] for line in found] == ["4", "3", "2"]
    assert [line["wrong parent"] for line in found] == ["75.0", "", "50.0"]


def test_what_is_no_copy_stands_in_a_table_of_its_own():
    copies = [row("permute", 0.5, metric=metric) for metric in MEASURES]
    others = [SECONDS, row("permute", 0.25, metric="family found", architecture="vit", n=8)]
    copies_of, by_architecture, beside = disguise_rates(pd.DataFrame([*copies, *others])).split("|\n\n")
    assert "permute" in copies_of
    assert "1.23" not in copies_of
    assert "25.0 (8)" in by_architecture
    assert "1.23" in beside
    assert "permute" not in beside
