"""Parts of the report: names, colours, layouts, files, and the small tables that sum up a run."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from every_result import GAPS, METHODS, PROBES, N, rows_of, write_every_result
from hypothesis import given
from hypothesis import strategies as st
from lineage_network import SHARES_RIGHT, edges
from PIL import Image

from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD, with_count
from lineage.report.figures.accuracy import block_figures, candidates_figures, gap_figures, probe_figures
from lineage.report.figures.hybrids import source_figures
from lineage.report.figures.layout import ancestry, circle, family_tree, in_family_order, tree
from lineage.report.figures.network import chord, details, family
from lineage.report.figures.p_values import shares
from lineage.report.files import write_figures
from lineage.report.inputs import read_inputs
from lineage.results.methods import shown_methods
from lineage.results.names import in_numbers, number_in, without_probe
from lineage.results.summarise import calibration, pairs, stages


def test_shares_of_p_values_are_their_empirical_distribution():
    log10_p = [0.0, 0.0, -0.5, -1.0, -1.0, -3.0]
    found = shares(pd.DataFrame({"log10_p": log10_p}))
    expected = scipy.stats.ecdf([10**value for value in log10_p]).cdf
    np.testing.assert_allclose(found["p"], expected.quantiles, atol=1e-4)
    np.testing.assert_allclose(found["share"], expected.probabilities, atol=1e-4)


@given(st.integers(0, 10**6), st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True))
def test_names_give_back_the_number_they_were_made_with(number, base):
    assert number_in(with_count(number), "candidates") == number
    assert number_in(f"gap {number}", "gap") == number
    assert number_in(f"{base}-probe-{number}", "probe") == number
    assert without_probe(f"{base}-probe-{number}") == base


@pytest.mark.parametrize(
    "name", [STANDARD, "parent absent", "unseen parents", "ancestor in full", "fc-probe-", "7"]
)
def test_other_names_carry_no_number(name):
    assert {number_in(name, kind) for kind in ("candidates", "gap", "probe")} == {None}
    assert without_probe(name) == name


def test_names_sort_by_their_numbers_also_beside_digits_that_are_no_decimals():
    assert sorted(["p10", "²", "p9", "p9²", "p9.1"], key=in_numbers) == ["p9", "p9.1", "p9²", "p10", "²"]


@pytest.fixture(scope="module")
def network() -> pd.DataFrame:
    return pd.DataFrame(edges("run"))


def test_the_family_tree_is_the_true_lineage(network):
    graph = family_tree(network)
    assert nx.is_branching(graph)
    assert graph.number_of_nodes() == 300
    assert nx.number_weakly_connected_components(graph) == 5
    for model, lineage in ancestry(graph).items():
        assert set(lineage) == nx.ancestors(graph, model) | {model}
        assert ".".join(lineage[-1].split(".")[: 2 * len(lineage) - 1]) == model


def test_families_lie_side_by_side_on_the_circle(network):
    graph = family_tree(network)
    order = in_family_order(graph)
    for model in graph:
        places = [order.index(relative) for relative in nx.descendants(graph, model) | {model}]
        assert max(places) - min(places) == len(places) - 1
    places = circle(order)
    assert np.hypot(places["x"], places["y"]).to_numpy() == pytest.approx(1)


def test_leaves_have_rows_of_their_own_and_parents_are_in_the_middle_of_their_children(network):
    graph = family_tree(network)
    places = tree(graph).set_index("model")
    leaves = [model for model in graph if not graph.out_degree(model)]
    assert sorted(places.loc[leaves, "row"]) == list(range(len(leaves)))
    for model in set(graph) - set(leaves):
        assert places.loc[model, "row"] == pytest.approx(
            places.loc[list(graph.successors(model)), "row"].mean()
        )
        assert (
            places.loc[list(graph.successors(model)), "generation"] == places.loc[model, "generation"] + 1
        ).all()


def test_chord_and_tree_tell_each_model_and_whether_it_was_right(network):
    graph, methods = family_tree(network), shown_methods(network["method"])
    assert methods[0] == "detector"
    assert set(methods) == set(SHARES_RIGHT)
    models = details(network, graph, methods)
    right = (
        network.assign(is_right=network["predicted"] == network["parent"]).groupby("method")["is_right"].sum()
    )
    for figure in (
        chord("run", network, graph, models, methods),
        family("run", network, graph, models, methods),
    ):
        verdicts = figure.data.groupby(["method", "verdict"]).size().unstack()
        assert verdicts["right"].to_dict() == right.to_dict()
        assert set(verdicts["root"]) == {5}
        text = json.dumps(figure.specification(), ensure_ascii=False)
        assert "p0 → p0.g2.000 → p0.g2.000.g3.000" in text
        assert len(text) < 2_000_000


def test_ties_and_models_that_nobody_asked_about_are_neither_right_nor_wrong(network):
    mine = network[network["method"] == "detector"].reset_index(drop=True)
    middle = "p0.g2.000"
    asked = mine.assign(predicted=mine["predicted"].where(mine.index != 40, None))
    asked = asked[asked["child"] != middle]
    graph = family_tree(asked)
    assert set(graph.edges) == set(family_tree(network).edges)
    verdicts = details(asked, graph, ["detector"]).set_index("model")["verdict"]
    assert verdicts[middle] == "not asked"
    assert verdicts[mine["child"][40]] == "undecided"
    is_right = asked["predicted"] == asked["parent"]
    assert (verdicts == "right").sum() == is_right.sum()
    assert (verdicts == "wrong").sum() == (~is_right & asked["predicted"].notna()).sum()


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


def prediction(child: str, condition: str, **probabilities: float) -> list[dict]:
    common = {
        "setting": "full",
        "method": "detector",
        "seed": 0,
        "part": "test",
        "condition": condition,
        "child": child,
    }
    return [
        common | {"candidate": candidate.replace("_", " "), "probability": value, "logit": value}
        for candidate, value in probabilities.items()
    ]


def test_calibration_counts_right_answers_in_bins_of_their_probability():
    predictions = pd.DataFrame(
        [
            *prediction("a", PRESENT, p0=0.92, p1=0.05, no_parent=0.03),
            *prediction("a", ABSENT, p1=0.96, no_parent=0.04),
            *prediction("b", PRESENT, p0=0.5, p1=0.2, no_parent=0.3),
            *prediction("b", ABSENT, p0=0.45, no_parent=0.55),
            *prediction("b", STANDARD, p0=1.0, p1=0.0, no_parent=0.0),
        ]
    )
    outcomes = pd.DataFrame({"child": ["a", "b"], "parent": ["p0", "p1"]})
    found = calibration(predictions, outcomes).set_index("low")
    assert found["n"].to_dict() == {0.5: 2, 0.9: 2}
    assert found["right"].to_dict() == {0.5: 0.5, 0.9: 0.5}
    assert found["probability"].to_dict() == pytest.approx({0.5: 0.525, 0.9: 0.94})
    assert NO_PARENT in set(predictions["candidate"])


def test_pairs_are_the_scores_at_the_chosen_layer_and_alpha():
    outcome = {"experiment": "run", "setting": "full", "condition": STANDARD, "child": "a", "parent": "p0"}
    outcomes = pd.DataFrame(
        [
            outcome | {"method": "cka/path", "seed": 0, "layer": "layer2", "alpha": 0.5},
            outcome | {"method": "cka/path", "seed": 1, "layer": "layer3", "alpha": 0.5},
            outcome | {"method": "detector", "seed": 0, "layer": None, "alpha": np.nan},
        ]
    )
    scores = pd.DataFrame(
        [
            {"setting": "full", "child": "a", "candidate": candidate, "layer": layer, "similarity": "cka",
             "approximation": "path", "alpha": alpha, "score": hash((candidate, layer, alpha)) % 1000}
            for candidate in ("p0", "p1") for layer in ("layer2", "layer3") for alpha in (0.25, 0.5)
        ]
    )  # fmt: skip
    predictions = pd.DataFrame(prediction("a", STANDARD, p0=0.9, p1=0.05, no_parent=0.05))
    found = pairs(outcomes, scores, predictions).set_index(["method", "candidate"])["score"]
    wanted = scores[(scores["layer"] == "layer2") & (scores["alpha"] == 0.5)].set_index("candidate")["score"]
    assert found["cka/path"].to_dict() == wanted.to_dict()
    assert found["detector"].to_dict() == {"p0": 0.9, "p1": 0.05}


def test_stages_sum_the_times_of_a_rules_jobs_and_keep_the_largest_memory(tmp_path):
    for number, memory in enumerate((100.0, 300.0, "NA")):
        log = tmp_path / "logs" / "run" / "features" / f"{number}.time.json"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(json.dumps({"rule": "features", "import": 1.0, "compute": 2.0}))
        benchmark = tmp_path / "benchmarks" / "run" / "features" / f"{number}.jsonl"
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(json.dumps({"max_rss": memory, "resources": {"mem_mb": 1000}}))
    [row] = stages("run", tmp_path).to_dict("records")
    assert row == {
        "stage": "features",
        "jobs": 3,
        "importing": 3.0,
        "computing": 6.0,
        "memory": 300.0,
        "asked": 1000,
    }
    assert re.fullmatch(r"\w+", row["stage"])
