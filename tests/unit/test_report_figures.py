"""Figures of every kind of result against the rows that they are drawn from, and their files."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from every_result import GAPS, METHODS, PROBES, N, rows_of, write_every_result
from PIL import Image

from lineage.experiment.conditions import STANDARD
from lineage.report.figures.accuracy import block_figures, candidates_figures, gap_figures, probe_figures
from lineage.report.figures.hybrids import source_figures
from lineage.report.figures.p_values import shares
from lineage.report.files import write_figures
from lineage.report.inputs import read_inputs


def test_shares_of_p_values_are_their_empirical_distribution():
    log10_p = [0.0, 0.0, -0.5, -1.0, -1.0, -3.0]
    found = shares(pd.DataFrame({"log10_p": log10_p}))
    expected = scipy.stats.ecdf([10**value for value in log10_p]).cdf
    np.testing.assert_allclose(found["p"], expected.quantiles, atol=1e-4)
    np.testing.assert_allclose(found["share"], expected.probabilities, atol=1e-4)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    write_every_result(folder)
    return read_inputs(folder)


def value(experiment: str, method: str, condition: str, metric: str) -> float:
    [found, *_] = [
        row["value"]
        for row in rows_of(experiment)
        if (row["method"], row["condition"], row["metric"]) == (method, condition, metric)
    ]
    return pytest.approx(100 * found, abs=1e-3)


def test_the_probe_figure_joins_experiments_that_differ_in_their_probe(everything):
    [figure] = probe_figures(everything)
    assert figure.name == "probe-made-g4"
    assert len(figure.data) == len(METHODS) * len(PROBES)
    for row in figure.data.itertuples():
        assert row.mean == value(f"made-probe-{row.probe}", row.method, STANDARD, "accuracy")
        assert row.high == value(f"made-probe-{row.probe}", row.method, STANDARD, "interval_high")


def test_candidates_and_blocks_have_a_point_a_condition(everything):
    counted = next(candidates_figures(everything)).data
    assert set(zip(counted["method"], counted["candidates"], strict=True)) == {
        (method, count) for method in METHODS for count in (2, 5, 100)
    }
    blocks = {figure.name: figure for figure in block_figures(everything)}["block-made-probe-8-g4"]
    for row in blocks.data.itertuples():
        assert row.mean == value("made-probe-8", row.method, f"block {row.block}", "accuracy")


def test_generation_gaps_have_precision_and_recall_with_their_intervals(everything):
    figures = {figure.name: figure for figure in gap_figures(everything)}
    ancestors, gaps = figures["ancestors-made-probe-8-g4"], figures["gap-made-probe-8-all"]
    assert set(ancestors.data["ancestors"]) == {"g2", "g3"}
    assert len(gaps.data) == len(METHODS) * len(GAPS) * 2
    for row in gaps.data.itertuples():
        for end, column in (("", row.mean), ("_low", row.low), ("_high", row.high)):
            assert column == value("made-probe-8", row.method, f"gap {row.gap}", row.metric + end)
        assert row.n == N


def test_the_figure_of_hybrids_has_a_cell_a_block_and_says_what_was_found(everything):
    [figure] = source_figures(everything)
    assert len(figure.data) == 2 * 30
    is_right = figure.data["source"] == figure.data["predicted"]
    assert (figure.data["found"] == "right").tolist() == is_right.tolist()
    assert is_right.mean() == pytest.approx(2 / 3)
    assert list(dict.fromkeys(figure.data["layer"])) == ["blocks.0", "blocks.5", "blocks.10"]
    assert list(dict.fromkeys(figure.data["child"])) == [f"p{number}.mixed.000" for number in range(10)]


def test_figures_are_written_as_svg_pdf_and_png(results_of_two_methods):
    to = results_of_two_methods / "figures"
    written = write_figures(results_of_two_methods, to)
    assert {path.suffix for path in written} == {".svg", ".pdf", ".png"}
    for path in written:
        content = path.read_bytes()
        if path.suffix == ".svg":
            assert b"currentColor" not in content
            drawing = ElementTree.fromstring(content)
            assert drawing.findall(".//{*}g[@class='mark-symbol role-mark layer_2_marks']/{*}path")
            assert float(drawing.get("width")) < 400
        elif path.suffix == ".pdf":
            assert content.startswith(b"%PDF-")
        else:
            picture = Image.open(io.BytesIO(content))
            assert picture.width > 900
            assert len(picture.convert("RGB").getcolors(10**6)) > 5


@pytest.fixture
def results_of_two_methods(tmp_path):
    from lineage.storage.parquet import write_table
    from lineage.storage.schemas import RESULTS

    pooled = {"interval_low": 0.4, "interval_high": 0.8, "chance": 0.1}
    rows = []
    for method in ("cka/path", "weight_l2"):
        common = {"experiment": "run", "setting": "full", "method": method, "condition": STANDARD, "n": 20}
        for seed in range(3):
            of_seed = {"accuracy": 0.5 + seed / 10, "ties": 0.0, "overshoots": 0.0}
            rows += [
                common | {"seed": seed, "metric": name, "value": value} for name, value in of_seed.items()
            ]
        rows += [common | {"seed": None, "metric": name, "value": value} for name, value in pooled.items()]
    write_table(tmp_path / "run" / "results.parquet", rows, RESULTS, ["method", "metric", "seed"])
    return tmp_path
