"""Results of every kind that figures are drawn of, with numbers drawn at random."""

from pathlib import Path

import numpy as np

from lineage.experiment.conditions import STANDARD, with_count
from lineage.storage.parquet import write_table
from lineage.storage.schemas import BLOCK_SOURCES, RESULTS

METHODS = ("detector", "weight_l2", "cka/direct", "cka/path", "l1/path")
PROBES = (8, 32, 1024)
CONDITIONS = (
    STANDARD,
    *map(with_count, (2, 5, 100)),
    *("ancestor in g2", "ancestor in g3", "block layer1", "block layer2"),
)
GAPS = (1, 2, 3)
N = 60


def rows_of(experiment: str) -> list[dict]:
    """Rows of RESULTS: accuracies under every condition, and precision and recall by generation gap."""
    generator = np.random.default_rng(len(experiment))
    rows = []

    def add(setting: str, method: str, condition: str, seed: int | None, **values: float) -> None:
        common = {"experiment": experiment, "setting": setting, "method": method, "condition": condition}
        common |= {"seed": seed, "n": N}
        rows.extend(common | {"metric": metric, "value": value} for metric, value in values.items())

    for method in METHODS:
        for condition in CONDITIONS:
            share = generator.random()
            for seed in range(3):
                add("g4", method, condition, seed, accuracy=share, ties=0.0, overshoots=0.0)
            bounds = {"interval_low": 0.9 * share, "interval_high": 0.9 * share + 0.1}
            add("g4", method, condition, None, chance=0.1, **bounds)
        for gap in GAPS:
            precision, recall = generator.random(2)
            add("all", method, f"gap {gap}", None, precision=precision, precision_low=0.9 * precision,
                precision_high=0.9 * precision + 0.1, recall=recall, recall_low=0.9 * recall,
                recall_high=0.9 * recall + 0.1)  # fmt: skip
    return rows


def sources_of(experiment: str) -> list[dict]:
    """Rows of BLOCK_SOURCES: blocks of hybrids, of which every third is found to come from elsewhere."""
    rows = []
    for number in range(30):
        child, layer = f"p{number // 3}.mixed.000", f"blocks.{5 * (number % 3)}"
        rows += [
            {"experiment": experiment, "setting": "mixed", "method": method, "seed": seed, "child": child,
             "layer": layer, "candidates": 10, "source": f"p{number % 10}",
             "predicted": f"p{(number + (number % 3 == 2)) % 10}", "probability": 0.9, "source_probability": 0.9,
             "tied": 1, "overshoot": 0, "credit": float(number % 3 != 2), "alpha": 0.5, "temperature": 1.0}
            for method in ("cka/path", "weight_l2") for seed in (0, 1)
        ]  # fmt: skip
    return rows


def write_every_result(folder: Path) -> None:
    """Writes experiments that differ in their probe, one of them with hybrids."""
    experiment = f"made-probe-{PROBES[0]}"
    order = ["method", "seed", "child", "layer"]
    write_table(folder / experiment / "block_sources.parquet", sources_of(experiment), BLOCK_SOURCES, order)
    for probe in PROBES:
        experiment = f"made-probe-{probe}"
        path = folder / experiment / "results.parquet"
        write_table(path, rows_of(experiment), RESULTS, ["setting", "method", "condition", "seed", "metric"])
