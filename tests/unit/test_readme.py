"""Numbers in the README and its pages are those of the committed Parquet files; links lead somewhere."""

import math
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from lineage.experiment.config import checked
from lineage.networks import architectures as networks
from lineage.networks.architectures import build, head_of

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


def of_method(method: str, condition: str, metric: str) -> float:
    results = table("fc-fashion/results.parquet")
    rows = results[
        (results["method"] == method) & (results["condition"] == condition) & (results["metric"] == metric)
    ]
    return rows["value"].mean()


def test_the_screens_matrix_is_the_parquets(readme):
    lines = between(readme, "┃ method     ┃ full", "├──").splitlines()[2:]
    assert len(lines) == 8
    for line in lines:
        method, full, absent = (cell.strip() for cell in line.strip("│").split("│"))
        accuracy = of_method(method, "all candidates", "accuracy")
        sure = of_method(method, "all candidates", "interval_high") < of_method(
            "weight_l2", "all candidates", "interval_low"
        )
        assert full == f"{100 * accuracy:.1f}" + " ▼" * int(sure)
        told = of_method(method, "parent absent", "accuracy")
        assert absent == ("" if math.isnan(told) else f"{100 * told:.1f}")
    assert "Surely behind weight_l2 in “full” is cka/direct." in readme


def test_the_screens_times_are_the_parquets(readme):
    lines = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in readme.splitlines()
        if re.match(r"│ \w+ +│ \d+ +│ [\d.]+ +│ [\d.]+ +│", line)
    ]
    stages = table("fc-fashion/stages.parquet").set_index("stage")
    assert sorted(line[0] for line in lines) == sorted(stages.index)
    for stage, jobs, importing, computing in lines:
        row = stages.loc[stage]
        assert (jobs, importing, computing) == (
            f"{row['jobs']}",
            f"{row['importing']:.1f}",
            f"{row['computing']:.1f}",
        )


def test_what_the_readme_says_of_an_absent_parent_is_in_the_parquet(readme):
    said = between(readme, "area under the ROC curve ", " right at the threshold")
    auroc = of_method("detector", "parent absent", "auroc")
    accuracy = of_method("detector", "parent absent", "accuracy")
    assert said == f"{auroc:.3f}, {100 * accuracy:.1f} %"


def test_the_audits_numbers_are_in_the_parquet(readme):
    said = between(readme, "  verdict: parent: p2/weights", "```")
    pairs = table("fc-fashion/p_values.parquet")
    pairs = pairs[pairs["child"] == "p2.full.003"].set_index("candidate").sort_values("z")
    assert len(pairs) == 6
    of_verdict = pairs["log10_p"].min() + math.log10(len(pairs))
    assert f"(log10 p {of_verdict:.1f})" in said
    assert f"z {pairs['z'].iloc[-1]:.1f}, outside the family at most {pairs['z'].iloc[-2]:.1f}" in said


def test_the_batches_are_the_parquets():
    lines = between(page("slurm"), "| children a job |", "\n\n").splitlines()[2:]
    rows = [
        f"| {row.children} | {row.jobs} | {row.fixed_hours:.1f} | "
        f"{row.share_of_an_hour:.0%} | {row.share_at_a_minute:.0%} |"
        for row in table("batches.parquet").sort_values("children", ascending=False).itertuples()
    ]
    assert lines == rows


def test_what_the_readme_says_of_approximations_is_in_the_parquet(readme):
    results = table("fc-fashion/results.parquet")
    results = results[(results["condition"] == "all candidates") & (results["metric"] == "accuracy")]
    accuracy = results.groupby("method")["value"].mean()
    path, linear, taylor = (accuracy.filter(like=f"/{name}") for name in ("path", "linear", "taylor"))
    assert path.min() == 1
    assert linear.min() < 1 > taylor.min()
    assert accuracy["cka/direct"] < 0.25 < 0.95 < accuracy["l1/direct"] < accuracy["cosine/direct"] == 1
    assert accuracy[["detector", "weight_l2", "weight_cosine"]].min() == 1
    assert "`path` is right for every similarity" in readme


def measured(text: str) -> list[str]:
    """Measured numbers outside code, tables and addresses."""
    prose = re.sub(
        r"```.*?```|`[^`]*`|^\|.*?$|\[[^\]]*\]\(http.*?\)", "", text, flags=re.DOTALL | re.MULTILINE
    )
    return sorted(MEASURED.findall(prose))


def test_no_other_measured_number_is_in_the_readme(readme):
    """Beside the screen, the tables, and what the tests above look at."""
    assert measured(readme) == ["1.000", "100 %", "99.2 %"]


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
