"""The small tables that sum up a run: calibration, scores of pairs, times and memory of stages."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD
from lineage.experiment.config import checked, experiments_of
from lineage.results.summarise import calibration, pairs, stages, tables_of
from lineage.results.summary import time_by_stage
from lineage.storage.parquet import write_table
from lineage.storage.schemas import OUTCOMES, RESULTS


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


def test_the_empty_log_of_a_job_that_failed_counts_as_no_job(tmp_path):
    logs = [tmp_path / "logs" / "run" / "features" / f"{name}.time.json" for name in ("failed", "done")]
    logs[0].parent.mkdir(parents=True)
    for log, text in zip(
        logs, ("", json.dumps({"rule": "features", "import": 1.0, "compute": 2.0})), strict=True
    ):
        log.write_text(text)
    assert stages("run", tmp_path)["jobs"].tolist() == [1]
    assert time_by_stage(logs).loc["features"].to_dict() == {"jobs": 1, "importing": 1.0, "computing": 2.0}


def test_an_experiment_of_hybrids_alone_which_have_no_scores_of_pairs_is_summed_up(tmp_path):
    data = {"source": "embedded:fashion-mnist"}
    setting = {"children": 3, "data": data, "grid": {"learning_rate": [0.1], "epochs": [1]}}
    raw = {
        "network": {"name": "fc", "image_size": 28, "channels": 1},
        "roots": {"count": 2, "data": data, "learning_rate": 0.1, "epochs": 1},
        "settings": {"mixed": setting | {"hybrid": {"sources": 2}}},
        "probe": {"data": data, "images": 8},
    }
    experiment = experiments_of(checked({"experiments": {"run": raw}}))["run"]
    write_table(tmp_path / "outcomes.parquet", OUTCOMES.empty_table().to_pandas(), OUTCOMES, ["child"])
    (tmp_path / "run").mkdir()
    write_table(tmp_path / "run" / "results.parquet", RESULTS.empty_table().to_pandas(), RESULTS, ["setting"])
    none = {"scores": [], "predictions": [], "histories": []}
    tables = tables_of(
        "run",
        outcomes=tmp_path / "outcomes.parquet",
        folder=tmp_path,
        configuration=experiment.plain(),
        **none,
    )
    assert tables["pairs"].empty
    assert {"network", "roots"} <= set(tables["run"]["what"])
