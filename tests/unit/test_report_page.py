"""The page of results: what it says and draws is what the Parquet files hold."""

import html
import json
import re

import pyarrow.parquet as pq
import pytest
from page_of_results import ALL, REFERENCE, Texts, cells, raw

from lineage.report.inputs import read_inputs
from lineage.report.page import page
from lineage.report.sections import filled_sections

NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def inputs():
    return read_inputs(REFERENCE)


@pytest.fixture(scope="module")
def sections(inputs) -> list:
    """All figures are drawn once, for the page and for the tests of figures."""
    return filled_sections(inputs)


@pytest.fixture(scope="module")
def text(inputs, sections, without_vega) -> str:
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


def test_nothing_in_the_page_is_fetched(text):
    without_data = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!#|data:)""", without_data)
    assert "url(" not in without_data
    assert "default-src 'none'" in without_data
