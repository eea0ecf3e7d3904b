"""What the tables show, in each of their formats."""

import csv
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lineage.errors import UserError
from lineage.experiment.conditions import ABSENT, STANDARD, with_count
from lineage.results.tables import write_tables
from lineage.storage.parquet import write_table
from lineage.storage.schemas import PUBLISHED, RESULTS

ACCURACY = {
    "detector": [0.9, 1.0, 0.8],
    "l1/direct": [0.25, 0.25, 0.5],
    "cka/path": [1.0, 0.8, 0.9],
    "weight_l2": [0.5, 0.5, 0.5],
}


def results_of(experiment: str, accuracy: dict[str, list[float]]) -> list[dict]:
    rows = []
    for method, values in accuracy.items():
        common = {"experiment": experiment, "setting": "full", "method": method, "condition": STANDARD}
        for seed, value in enumerate(values):
            of_seed = {"accuracy": value, "ties": seed, "overshoots": 0}
            rows += [
                common | {"seed": seed, "metric": metric, "value": float(number), "n": 20}
                for metric, number in of_seed.items()
            ]
        pooled = {"chance": 1 / 6, "interval_low": min(values) / 2, "interval_high": 1.0}
        rows += [
            common | {"seed": None, "metric": metric, "value": number, "n": 57}
            for metric, number in pooled.items()
        ]
    return rows


@pytest.fixture
def write(tmp_path):
    """Writes tables of these accuracies and returns the folder."""
    published = tmp_path / "published.parquet"
    paper = {"ancestor": "G1", "descendant": "G2", "std": 0.1}
    rows = [
        paper | {"method": "l1/direct", "mean": 90.47},
        paper | {"method": "detector", "mean": 97.75, "descendant": "G4"},
    ]
    write_table(published, rows, PUBLISHED, ["method"])

    def run(*experiments: dict[str, list[float]], folder: str = "tables"):
        paths = []
        for number, accuracy in enumerate(experiments):
            paths.append(tmp_path / f"results{number}.parquet")
            rows = results_of(f"run_{number}", accuracy)
            write_table(paths[-1], rows, RESULTS, ["method", "metric", "seed"])
        write_tables(paths, published, tmp_path / folder)
        return tmp_path / folder

    return run


def markdown(folder) -> pd.DataFrame:
    """The Markdown table's cells by heading."""
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (folder / "accuracy.md").read_text().strip().splitlines()
    ]
    return pd.DataFrame(rows, columns=head)


def bold(folder) -> set[tuple[str, str]]:
    cells = markdown(folder)
    starred = cells[cells["accuracy %"].str.fullmatch(r"\*\*.*\*\*")]
    return set(zip(starred["experiment"], starred["method"], strict=True))


def test_mean_and_sample_deviation_over_seeds(write):
    cells = markdown(write(ACCURACY)).set_index("method")["accuracy %"].str.strip("*")
    for method, values in ACCURACY.items():
        mean, std = 100 * np.mean(values), 100 * np.std(values, ddof=1)
        assert cells[method] == f"{mean:.1f} ± {std:.1f}"


def test_one_seed_has_no_deviation(write):
    cells = markdown(write({"detector": [0.875]})).iloc[0]
    assert cells["accuracy %"] == "**87.5**"
    assert cells["seeds"] == "1"


def test_the_best_of_each_experiment_are_bold_with_all_that_tie(write):
    folder = write(ACCURACY, {"detector": [0.1], "l1/direct": [0.2]})
    assert bold(folder) == {("run_0", "detector"), ("run_0", "cka/path"), ("run_1", "l1/direct")}


@pytest.mark.parametrize(("accuracy", "both"), [(0.505, True), (0.5054, True), (0.504, False)])
def test_methods_that_show_the_same_number_are_bold_together(write, accuracy, both):
    folder = write({"detector": [0.5055], "l1/direct": [accuracy]})  # 50.55, which shows as 50.5
    assert (len(bold(folder)) == 2) == both
    assert (markdown(folder)["accuracy %"].nunique() == 1) == both


def test_each_method_has_its_interval_n_chance_ties_and_the_published_number(write):
    cells = markdown(write(ACCURACY)).set_index("method")
    row = cells.loc["l1/direct"]
    assert row["95 % interval"] == "12.5 … 100.0"
    assert (row["n"], row["seeds"], row["chance %"], row["ties"]) == ("57", "3", "16.7", "3")
    assert cells.filter(like="published").loc["l1/direct"].item() == "90.47"
    assert cells.filter(like="published").loc["detector"].item() == ""


def test_csv_holds_the_same_numbers_as_markdown(write):
    folder = write(ACCURACY)
    rows = list(csv.DictReader(io.StringIO((folder / "accuracy.csv").read_text())))
    cells = markdown(folder)
    assert [row["method"] for row in rows] == list(cells["method"])
    for row, shown in zip(rows, cells["accuracy %"].str.strip("*"), strict=True):
        assert f"{float(row['mean']):.1f} ± {float(row['std']):.1f}" == shown
        assert float(row["chance"]) == pytest.approx(100 / 6)


def test_latex_is_a_booktabs_table_with_the_best_in_bold_and_signs_escaped(write):
    text = (write(ACCURACY) / "accuracy.tex").read_text()
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert set(re.findall(r"\\textbf\{(.*?)\}", text)) == {r"90.0 $\pm$ 10.0"}
    assert text.count(r"\textbf") == 2
    assert r"weight\_l2" in text
    body = "".join(line for line in text.splitlines() if not line.startswith("%"))
    assert not re.search(r"(?<!\\)[%_]", body)
    columns = re.search(r"\\begin\{longtable\}\{(\w+)\}", text).group(1)
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "Continued" not in line]
    assert {line.count("&") for line in rows} == {len(columns) - 1}
    assert text.isascii()


def test_the_same_results_give_the_same_bytes_in_any_order(write, tmp_path):
    first = write(ACCURACY, folder="a")
    again = write(dict(reversed(ACCURACY.items())), folder="b")
    for name in ("accuracy.md", "accuracy.csv", "accuracy.tex"):
        assert (first / name).read_bytes() == (again / name).read_bytes()


def test_the_detector_comes_first_and_the_weight_baseline_before_features(write):
    assert list(markdown(write(ACCURACY))["method"]) == ["detector", "weight_l2", "l1/direct", "cka/path"]


def test_a_missing_file_is_told_and_no_table_is_written(tmp_path):
    with pytest.raises(UserError, match=r"none\.parquet"):
        write_tables([tmp_path / "none.parquet"], tmp_path / "published.parquet", tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_tables_need_no_torch():
    code = "import sys, lineage.results.tables, lineage.results.summary, lineage.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_other_conditions_have_a_table_of_their_own_beside_the_standard_accuracy(tmp_path):
    rows = results_of("run", ACCURACY)
    lower = {"detector": [0.7, 0.9, 0.8]}
    rows += [row | {"condition": with_count(5)} for row in results_of("run", lower)]
    rows += [row | {"condition": ABSENT} for row in results_of("run", lower)]
    common = {"experiment": "run", "setting": "full", "method": "detector", "condition": ABSENT, "n": 20}
    rows += [common | {"seed": seed, "metric": "auroc", "value": 0.9 + seed / 100} for seed in range(3)]
    write_table(tmp_path / "r.parquet", rows, RESULTS, ["condition", "method", "metric", "seed"])
    write_table(tmp_path / "p.parquet", [], PUBLISHED, ["method"])
    write_tables([tmp_path / "r.parquet"], tmp_path / "p.parquet", tmp_path)
    table = pd.read_csv(tmp_path / "conditions.csv").set_index("condition")
    assert list(table.index) == [with_count(5), ABSENT]
    assert table["mean"].tolist() == pytest.approx([80, 80])
    assert table.loc[with_count(5), "standard"] == pytest.approx(90)
    assert table.loc[ABSENT, "auroc"] == pytest.approx(0.91)
    assert "5 candidates" not in (tmp_path / "accuracy.md").read_text()
    assert r"AUROC" in (tmp_path / "conditions.tex").read_text()
