"""The measured rates on docs/audit.md: rendered from numbers by hand, and the page against the committed Parquet."""

from pathlib import Path

import pandas as pd
import pytest
from pyarrow.parquet import read_schema

from lineage.errors import UserError
from lineage.report.verdict_rates import BEGIN, END, filled, overall_table, rates, table_by, write_rates
from lineage.storage.family_schemas import BENCH
from lineage.storage.parquet import read_table

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "results" / "reference" / "bench" / "verdicts.parquet"
PAGE = ROOT / "docs" / "audit.md"


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
    committed = [path for path in COMMITTED.parent.glob("*.parquet") if read_schema(path).equals(BENCH)]
    wanted = pd.concat(read_table(path, BENCH)["wanted"].dropna() for path in committed)
    assert len(committed) > 4
    assert set(wanted.str.split(" ").str[0]) <= {"<", "<=", ">", ">="}


@pytest.mark.parametrize(
    ("page", "committed"),
    [
        (PAGE, COMMITTED),
        (PAGE.with_name("tree.md"), COMMITTED.with_name("tree.parquet")),
        (PAGE.with_name("labels.md"), COMMITTED.with_name("labels.parquet")),
    ],
)
def test_the_committed_page_is_what_the_committed_parquet_gives(page, committed, tmp_path):
    text = page.read_text()
    if not committed.exists():
        assert f"{BEGIN}\n{END}" in text
        return
    (tmp_path / page.name).write_text(text)
    write_rates(committed, tmp_path / page.name)
    assert (tmp_path / page.name).read_text() == text
