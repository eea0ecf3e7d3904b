"""The page of results: what it says and draws is what the Parquet files hold."""

import html
import json
import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import vl_convert
from lineage_network import write_edges

from lineage.errors import UserError
from lineage.report.inputs import read_inputs
from lineage.report.page import page, write_page
from lineage.report.sections import filled_sections

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module", autouse=True)
def without_vega():
    """The page without the drawing library, which takes seconds to bundle; the browser's tests have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "javascript_bundle", lambda **_: "")
        yield


@pytest.fixture(scope="module")
def inputs():
    return read_inputs(REFERENCE)


@pytest.fixture(scope="module")
def sections(inputs) -> list:
    """All figures are drawn once, for the page and for the tests of figures."""
    return filled_sections(inputs)


@pytest.fixture(scope="module")
def text(inputs, sections) -> str:
    return page(inputs, sections)


@pytest.fixture(scope="module")
def drawn(sections) -> dict:
    return {figure.name: figure for filled in sections for figure in filled.figures}


@pytest.fixture(scope="module")
def specifications(text, drawn) -> dict[str, dict]:
    """What the page holds for each figure to be drawn from, by the figure's name."""
    found = re.findall(
        r'<figure class="\w+" id="(.*?)".*?<script type="application/json">(.*?)</script>', text, re.DOTALL
    )
    assert {name for name, _ in found} == drawn.keys()
    return {name: json.loads(specification) for name, specification in found}


@pytest.fixture(scope="module")
def style(text) -> dict:
    """Vega-Lite's `config` of every figure."""
    return json.loads(re.search(r'<script type="application/json" id="style">(.*?)</script>', text)[1])


def page_of(folder: Path) -> str:
    inputs = read_inputs(folder)
    return page(inputs, filled_sections(inputs))


class Texts(HTMLParser):
    """Cells of the accuracy table, and the summary's paragraphs under their headings."""

    def __init__(self, text: str):
        super().__init__()
        self.rows, self.said, self._at, self._in_body = [], {}, [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self._at.append((tag, dict(attributes).get("id")))
        self._in_body = self._in_body or tag == "tbody"
        if tag == "tr" and self._in_body:
            self.rows.append([])
        if tag == "td" and self._in_body:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "tbody":
            self._in_body = False
        while self._at and self._at.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self._at]
        if "td" in tags and self._in_body:
            self.rows[-1][-1] += data
        chapter = next((id for _, id in self._at if id and id.endswith("-summary")), None)
        if chapter and "strong" in tags:
            experiment = chapter.removeprefix("experiment-").removesuffix("-summary")
            self._setting = f"{experiment}, {data.removesuffix(':')}"
        elif chapter and "p" in tags:
            self.said[self._setting] = self.said.get(self._setting, "") + data


ALL = ["all candidates", "all blocks"]


@cache
def raw() -> pd.DataFrame:
    """All RESULTS rows as they are in the files, read once; not to be changed."""
    return pd.concat(pq.read_table(path).to_pandas() for path in sorted(REFERENCE.glob("*/results.parquet")))


@cache
def rows_of_methods():
    """The rows of verdicts among all candidates, by experiment, setting and method."""
    results = raw()
    return results[results["condition"].isin(ALL)].groupby(["experiment", "setting", "method"])


def cells(experiment: str, setting: str, method: str) -> list[str]:
    """Accuracy, interval, n, seeds, chance, ties and overshoots of a row, from the files alone."""
    mine = rows_of_methods().get_group((experiment, setting, method))
    metric = {name: of.sort_values("seed") for name, of in mine.groupby("metric")}
    by_seed = metric["accuracy"]["value"].to_numpy() * 100
    low, high, chance = (
        metric[name]["value"].item() * 100 for name in ("interval_low", "interval_high", "chance")
    )
    counts = (metric[name]["value"].sum() for name in ("ties", "overshoots"))
    return [
        f"{np.mean(by_seed):.1f} ± {np.std(by_seed, ddof=1):.1f}",
        f"{low:.1f} … {high:.1f}",
        str(metric["chance"]["n"].item()),
        str(len(by_seed)),
        f"{chance:.1f}",
        *(f"{count:.0f}" for count in counts),
    ]


def test_every_number_of_the_table_is_in_the_parquet(text):
    rows = Texts(text).rows
    results = raw()
    results = results[results["condition"].isin(ALL)]
    assert len(rows) == results.groupby(["experiment", "setting", "method"]).ngroups
    published = pq.read_table(REFERENCE / "published.parquet").to_pandas()
    published = published[(published["ancestor"] == "G1") & (published["descendant"] == "G2")]
    published = published.set_index("method")["mean"].map("{:.2f}".format)
    for _, experiment, setting, method, *numbers, paper in rows:
        assert numbers == cells(experiment, setting, method)
        of_hybrids = experiment.endswith("hybrid")
        assert paper == ("" if of_hybrids else published.get(method, ""))


def font_sizes(part) -> list[float]:
    """All sizes of type in a specification."""
    if isinstance(part, list):
        return [size for item in part for size in font_sizes(item)]
    if not isinstance(part, dict):
        return []
    own = [value for key, value in part.items() if key.lower().endswith("fontsize")]
    return own + [size for key, item in part.items() if key != "datasets" for size in font_sizes(item)]


def test_type_in_figures_has_at_least_12_pixels(specifications, style):
    for name, specification in specifications.items():
        assert min(font_sizes(specification), default=12) >= 12, name
    assert min(font_sizes(style)) >= 12
    for kind in ("axis", "header", "legend"):
        assert style[kind]["labelFontSize"] >= 12


def test_the_page_holds_the_data_of_every_figure(specifications, drawn):
    for name, specification in specifications.items():
        columns = specification["datasets"][specification["usermeta"]["rows"]]
        held = {
            column: values if isinstance(values, list) else [values["words"][place] for place in values["at"]]
            for column, values in columns.items()
        }
        shown = json.loads(drawn[name].data.to_json(orient="split", double_precision=15))
        assert list(held) == shown["columns"], name
        for row, values in zip(zip(*held.values(), strict=True), shown["data"], strict=True):
            assert list(row) == [
                pytest.approx(value) if isinstance(value, float) else value for value in values
            ]


def test_every_accuracy_of_the_matrices_is_in_the_parquet(text):
    tables = re.findall(
        r"<h2 id=\S+>(\S+)</h2>\s*(?:<p class=\"quote\">.*?</p>\s*)?"
        r"<div class=\"scroll\"[^>]*>\s*<table class=\"matrix\"",
        text,
        re.DOTALL,
    )
    results = raw()
    assert len(tables) == results["experiment"].nunique()
    shown = re.search(r"Methods and conditions: fc-generations.*?</table>", text, re.DOTALL)[0]
    columns = re.findall(r'<th scope="col">(.*?)</th>', shown)[1:]
    mine = results[(results["experiment"] == "fc-generations")]
    values = mine.groupby(["method", "setting", "condition", "metric"])["value"].mean() * 100
    for line in re.findall(r'<tr><th scope="row">.*?</tr>', shown, re.DOTALL)[:-2]:
        method = re.search(r"</span> (\S+)</th>", line)[1]
        for column, (mean, bounds) in zip(
            columns, re.findall(r"<strong>(.*?)</strong> <span>(.*?)</span></td>", line), strict=True
        ):
            setting, _, condition = column.partition(", ")
            key = (method, setting, condition or "all candidates")
            if not mean:
                assert (*key, "accuracy") not in values
                continue
            assert mean == f"{values[(*key, 'accuracy')]:.1f}"
            low, high = (values.get((*key, f"interval_{end}")) for end in ("low", "high"))
            assert bounds.strip() == ("" if low is None else f"({low:.0f} … {high:.0f})")


def test_every_number_of_the_summary_is_in_the_parquet(text):
    said = Texts(text).said
    results = raw()
    assert said
    results = results[results["setting"] != "all"]  # a network's, which figures show
    for (experiment, setting), rows in results.groupby(["experiment", "setting"]):
        means = (
            rows[rows["metric"].isin(["accuracy", "auroc"])]
            .groupby(["method", "condition", "metric"])["value"]
            .mean()
        )
        pooled = rows[rows["seed"].isna()]
        known = {"95"} | {str(n) for n in pooled["n"]}
        known |= {f"{100 * value:.1f}" for value in [*means, *pooled["value"]]}
        known |= {f"{value:.3f}" for value in means}
        sentences = re.sub(
            r"\b[a-z_]+\d\b|and \d+ more methods?|among \d+ methods", "", said[f"{experiment}, {setting}"]
        )
        found = NUMBER.findall(sentences)
        assert found
        assert set(found) <= known


def test_every_figure_of_accuracy_draws_the_parquets_accuracy(drawn):
    for name in ("accuracy-fc-fashion-full", "accuracy-fc-hard-heavy", "candidates-fc-hard-heavy"):
        kind, experiment, setting = name.split("-", 1)[0], *re.fullmatch(r"\w+-(fc-\w+)-(\w+)", name).groups()
        results = raw()
        results = results[(results["experiment"] == experiment) & (results["setting"] == setting)]
        for row in drawn[name].data.itertuples():
            condition = "all candidates"
            if kind == "candidates" and row.candidates < 20:
                condition = f"{row.candidates} candidates"
            mine = results[(results["method"] == row.method) & (results["condition"] == condition)]
            of = mine.groupby("metric")["value"].mean() * 100
            drawn_numbers = (row.mean, row.low, row.high, row.chance)
            expected = of[["accuracy", "interval_low", "interval_high", "chance"]].tolist()
            assert drawn_numbers == pytest.approx(expected, abs=1e-3)


def test_every_line_of_an_alpha_figure_starts_with_direct(drawn):
    rows = drawn["alpha-fc-hard-heavy-layer3"].data
    starts = rows[rows["alpha"] == 0].pivot(index="similarity", columns="family", values="mean")
    assert {"direct", "path", "linear", "taylor"} <= set(starts)
    for family in starts:
        assert starts[family].tolist() == starts["direct"].tolist()


def test_best_scores_of_the_heatmap_are_the_verdicts():
    for path in sorted(REFERENCE.glob("*/pairs.parquet")):
        pairs = pq.read_table(path).to_pandas()
        verdicts = pq.read_table(path.with_name("outcomes.parquet")).to_pandas()
        verdicts = verdicts[
            (verdicts["condition"] == "all candidates") & (verdicts["seed"] == 0) & (verdicts["tied"] == 1)
        ]
        best = pairs.loc[pairs.groupby(["setting", "method", "child"])["score"].idxmax()]
        both = best.merge(verdicts, on=["setting", "method", "child"])
        assert len(both) >= 0.9 * len(best)
        assert both["candidate"].tolist() == both["predicted"].tolist()
        assert both["parent_x"].tolist() == both["parent_y"].tolist()


def test_every_figure_says_n_on_an_axis_and_has_words_for_those_who_cannot_see_it(drawn, specifications):
    assert len(drawn) == len({figure.title for figure in drawn.values()})
    for figure in drawn.values():
        specification = specifications[figure.name]
        assert re.search(r"\(n = \d+", json.dumps(specification)), figure.name
        assert len(figure.alt) > 40
        assert figure.caption.endswith(".")
        assert specification["description"] == figure.alt


def test_sections_without_data_say_what_they_would_need(tmp_path):
    shutil.copytree(REFERENCE / "fc-hard", tmp_path / "fc-hard")
    inputs = read_inputs(tmp_path)
    sections = filled_sections(inputs)
    text = page(inputs, sections)
    empty = [filled.section for filled in sections if not filled.figures]
    assert empty
    for section in empty:
        assert f"<li>{section.heading}: {section.needs}" in html.unescape(text)
        assert f'<section id="experiment-fc-hard-{section.id}"' not in text


def test_every_figure_stands_in_its_experiments_chapter_and_what_shows_nothing_is_named(text, sections):
    parts = re.split(r'<section class="chapter" id="(.*?)"', text)
    chapter_of = dict(zip(parts[1::2], parts[2::2], strict=True))
    left_out = [(figure, why) for filled in sections for figure, why in filled.left_out]
    for filled in sections:
        for figure in filled.figures:
            of_several = "across" if figure.experiment not in raw()["experiment"].unique() else None
            chapter = chapter_of[of_several or f"experiment-{figure.experiment}"]
            assert f'id="{figure.name}"' in chapter
            assert len(figure.data) > 1
            assert "mean" not in figure.data or (figure.data["mean"] < 100).any()
    assert left_out
    for figure, why in left_out:
        assert why == ("one dot" if len(figure.data) == 1 else "all at 100 %")
        assert f"Left out, {why}: {figure.title}." in html.unescape(text)
        assert f'id="{figure.name}"' not in text


def test_the_same_results_make_the_same_page(tmp_path):
    for name in ("fc-hard", "fc-hybrid"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    assert page_of(tmp_path) == page_of(tmp_path)


def test_nothing_in_the_page_is_fetched(text):
    without_data = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#|data:)""", without_data)
    assert "url(" not in without_data
    assert "default-src 'none'" in without_data


def test_data_cannot_end_its_script(tmp_path):
    shutil.copytree(REFERENCE / "fc-fashion", tmp_path / "fc-fashion")
    write_edges(tmp_path / "fc-fashion" / "edges.parquet", "</script><b>")
    text = page_of(tmp_path)
    assert "</script><b>" not in text
    assert "<b>" not in text


def test_a_folder_without_results_is_told_and_no_page_is_written(tmp_path):
    with pytest.raises(UserError, match=r"results\.parquet"):
        write_page(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_foreign_file_is_named(tmp_path):
    shutil.copytree(REFERENCE / "fc-fashion", tmp_path / "fc-fashion")
    shutil.copy(REFERENCE / "published.parquet", tmp_path / "fc-fashion" / "pairs.parquet")
    with pytest.raises(UserError, match=r"pairs\.parquet: expected the columns"):
        write_page(tmp_path, tmp_path / "report.html")


WITHOUT_HEAVY = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in "torch torchvision timm sklearn scipy h5py snakemake onnx".split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
import vl_convert
vl_convert.javascript_bundle = lambda **_: ""
from lineage.cli import main
main()
"""


def light(*arguments: str) -> subprocess.CompletedProcess:
    """The command where only what tables and report need is installed."""
    command = [sys.executable, "-c", WITHOUT_HEAVY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


def test_tables_and_report_need_nothing_that_a_run_needs(tmp_path):
    shutil.copytree(REFERENCE / "fc-fashion", tmp_path / "fc-fashion")
    for command, made in (("tables", "tables/accuracy.md"), ("report", "report.html")):
        done = light(command, str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / made).stat().st_size > 1000


def test_a_command_that_needs_more_says_what_to_install(tmp_path):
    done = light("audit", "--child", "a.safetensors", "--candidates", "b")
    assert done.returncode == 2
    assert re.fullmatch(
        r'error: `lineage audit` needs the library \w+,.* pip install "neural-lineage\[audit\]"\n',
        done.stderr,
    )
