"""Numbers in the README and its pages are those of the committed Parquet files; links lead somewhere."""

import math
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from lineage.errors import UserError
from lineage.experiment.config import checked
from lineage.networks import architectures as networks
from lineage.networks.architectures import build, head_of
from lineage.results.readme import write_screen

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
MEASURED = re.compile(r"\d+(?:\.\d+)? ?%|(?<!Python ≥ )(?<!Apache-)\b\d+\.\d+\b")
"""A decimal, or a number of per cent."""


PAGES = sorted([ROOT / "README.md", ROOT / "config" / "README.md", *(ROOT / "docs").glob("*.md")])
WITHOUT_NUMBERS = ("experiments", "slurm", "method", "api", "architecture")


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text()


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def table(name: str) -> pd.DataFrame:
    return pq.read_table(REFERENCE / name).to_pandas()


def between(text: str, begin: str, end: str) -> str:
    return text.split(begin, 1)[1].split(end, 1)[0]


LEADER = "audit/closest"


def asked(method: str, column: str, metric: str) -> float:
    """A mean of the committed run by what the screen's column is called; NaN where there is none."""
    setting, _, condition = column.partition(", ")
    results = table("fc-fashion/results.parquet")
    names = zip(results["method"], results["setting"], results["condition"], results["metric"], strict=True)
    wanted = (method, setting, condition or "all candidates", metric)
    return results[[name == wanted for name in names]]["value"].mean()


def conditions(readme: str) -> list[str]:
    """The names of the columns, as the table above the screen explains them."""
    return re.findall(r"^\| `(.+?)` \|", between(readme, "| condition | children |", "\n\n"), re.MULTILINE)


def is_behind(method: str, other: str, column: str) -> bool:
    """Whether the first method's interval lies below the second's."""
    return bool(asked(method, column, "interval_high") < asked(other, column, "interval_low"))


def test_the_screen_is_what_the_command_writes(readme, tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(readme.replace("▼", "?"))
    write_screen(REFERENCE, copy)
    assert copy.read_text() == readme


def test_a_page_without_a_place_for_the_screen_is_told(tmp_path):
    (tmp_path / "x.md").write_text("no place")
    with pytest.raises(UserError, match="screen of NAME: begin"):
        write_screen(REFERENCE, tmp_path / "x.md")


def test_the_screens_matrix_is_the_parquets(readme):
    columns = conditions(readme)
    cells = [
        line.strip("│").split("│") for line in readme.splitlines() if line.count("│") == len(columns) + 2
    ]
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells if row[0].strip()}
    chances, counts = rows.pop("chance"), rows.pop("n")
    assert len(rows) > 5
    for method, shown in rows.items():
        for column, cell in zip(columns, shown, strict=True):
            signs = " ▼" * is_behind(method, LEADER, column) + " ▲" * is_behind(LEADER, method, column)
            accuracy = asked(method, column, "accuracy")
            assert cell == ("" if math.isnan(accuracy) else f"{100 * accuracy:.1f}{signs}")
    assert chances == [f"{100 * asked(LEADER, column, 'chance'):.1f}" for column in columns]
    assert all(int(count) >= 12 for count in counts)


def test_what_the_screen_says_of_methods_rests_on_their_intervals(readme):
    said = between(readme, "<!-- screen of fc-fashion: begin -->", "```\n\n<!--")
    said = " ".join(said.split("└")[1].split())
    columns = conditions(readme)
    sentences = re.findall(
        r"Surely (behind|ahead of) audit/closest in (.+?) (?:is|are) (.+?)\.(?= [SE])", said
    )
    assert len(sentences) > 2
    for side, where, methods in sentences:
        for method in methods.split(", "):
            ends = (method, LEADER) if side == "behind" else (LEADER, method)
            named = re.findall("“(.+?)”", where)
            assert named == [column for column in columns if is_behind(*ends, column)]


def test_among_siblings_of_the_same_data_an_audit_says_which_is_closest_and_names_no_parent(readme):
    column = "full, among relatives"
    assert column in conditions(readme)
    assert asked(LEADER, column, "interval_low") > 0.5
    outcomes = table("fc-fashion/outcomes.parquet")
    mine = outcomes[(outcomes["method"] == "audit/parent") & (outcomes["condition"] == "among relatives")]
    assert len(mine)
    assert mine["predicted"].isna().all()


def test_the_baseline_and_the_papers_methods_fail_where_an_audit_does_not(readme):
    """What the default experiment is for."""
    for method in ("weight_l2", "l1/direct", "l1/taylor", "cka/direct", "cka/taylor", "detector"):
        failing = [
            column
            for column in conditions(readme)
            if is_behind(method, LEADER, column) and asked(LEADER, column, "accuracy") >= 0.95
        ]
        assert len(failing) >= 2, method


def test_the_audits_numbers_are_in_the_parquet(readme):
    said = between(readme, "  verdict: parent: p2/weights", "```")
    pairs = table("fc-fashion/p_values.parquet")
    pairs = pairs[pairs["child"] == "p2.full.000"].set_index("candidate").sort_values("z")
    assert len(pairs) == 6
    of_verdict = pairs["log10_p"].min() + math.log10(len(pairs))
    assert f"(log10 p {of_verdict:.1f})" in said
    assert f"z {pairs['z'].iloc[-1]:.1f}, outside the family at most {pairs['z'].iloc[-2]:.1f}" in said
    (parent,) = pairs[pairs["relation"] == "parent"].itertuples()
    of_bound = f"the child branched off within {parent.bound:.0%}".replace("%", " %")
    assert f"relation: parent, probability {parent.probability:.2f}, {of_bound} of its own change" in said
    headline = between(readme, "$ lineage audit --child results", "  verdict")
    assert f"(probability {parent.probability:.2f})" in headline


def test_the_batches_are_the_parquets():
    lines = between(page("slurm"), "| children a job |", "\n\n").splitlines()[2:]
    rows = [
        f"| {row.children} | {row.jobs} | {row.fixed_hours:.1f} | "
        f"{row.share_of_an_hour:.0%} | {row.share_at_a_minute:.0%} |"
        for row in table("batches.parquet").sort_values("children", ascending=False).itertuples()
    ]
    assert lines == rows


def measured(text: str) -> list[str]:
    """Measured numbers outside code, tables and addresses."""
    prose = re.sub(
        r"```.*?```|`[^`]*`|^\|.*?$|\[[^\]]*\]\(http.*?\)", "", text, flags=re.DOTALL | re.MULTILINE
    )
    return sorted(MEASURED.findall(prose))


def test_no_other_measured_number_is_in_the_readme(readme):
    """Beside the screen."""
    assert measured(readme) == []


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_no_measured_number_is_in_the_pages_that_explain(name):
    assert measured(page(name)) == []


def test_the_readme_is_short(readme):
    assert len(readme.splitlines()) <= 250


def heading_anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_every_link_of_a_page_leads_somewhere(path):
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", prose)
    for link in links:
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in heading_anchors(target.read_text()), link


def test_every_page_is_reached_from_the_readme(readme):
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(
        re.findall(r"\]\(([^)#]+)\)", readme)
    )


def test_the_experiment_of_ones_own_is_a_configuration():
    checked(yaml.safe_load("experiments:" + between(page("experiments"), "```yaml\nexperiments:", "```")))


def test_the_architecture_of_ones_own_is_one_entry(monkeypatch):
    code = "def mlp" + between(page("experiments"), "```python\ndef mlp", "```")
    scope = dict(vars(networks))
    exec(code, scope)
    monkeypatch.setattr(networks, "ARCHITECTURES", scope["ARCHITECTURES"])
    net = build("mlp", classes=7, channels=1, image_size=8, seed=0)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 7)
    assert head_of(net) == "3"


def test_the_lines_to_change_for_a_cluster_are_the_profiles():
    profile = (ROOT / "profiles" / "slurm" / "profile.yaml").read_text()
    lines = between(page("slurm"), "```yaml\n", "```").splitlines()
    assert len(lines) == 3
    settings = [line.partition("#")[0] for line in profile.splitlines()]
    assert {line.partition("#")[0] for line in lines} <= set(settings)
