"""A program that uses the library, for mypy --strict: types that it gets, and mistakes that must be noticed.

An ignored error that mypy doesn't find is an error itself, so each `type: ignore` here says: this is refused.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_type

import pandas as pd
from torch import Tensor, nn

import lineage
from lineage import SIMILARITIES, LineageDetector, UserError, audit, score_pair, tree


def similarities(parent: nn.Module, child: nn.Module, probe: Tensor) -> float:
    scores = score_pair(parent, child, probe, layers=["layer3"], alphas=(0.5,), similarities=SIMILARITIES)
    assert_type(scores, pd.DataFrame)
    assert_type(lineage.score_pair, Callable[..., pd.DataFrame])  # type: ignore[assert-type]
    score_pair(parent, child)  # type: ignore[call-arg]
    score_pair(parent, child, [probe])  # type: ignore[arg-type]
    score_pair(parent, child, probe, layers=3)  # type: ignore[arg-type]
    score_pair(parent, child, probe, alphas=["0.5"])  # type: ignore[list-item]
    score_pair(parent, child, probe, like="l1")  # type: ignore[call-arg]
    return float(scores["score"].max())


def detector(path: Path, child: nn.Module, candidates: dict[str, nn.Module], probe: Tensor) -> str:
    try:
        trained = LineageDetector.load(path)
    except UserError as error:
        assert_type(error.exit_code, int)
        return str(error)
    assert_type(trained, LineageDetector)
    answer = trained.probabilities(child, candidates, probe)
    assert_type(answer, "pd.Series[float]")
    trained.probabilities(child, [*candidates.values()], probe)  # type: ignore[arg-type]
    LineageDetector(layer=["layer2"])  # type: ignore[call-arg]
    lineage.probabilities  # type: ignore[attr-defined] # noqa: B018
    return str(answer.idxmax())


def verdict(child: Path) -> str:
    report = audit(child, ["bases/", Path("p9.safetensors")], claimed="p9")
    assert_type(report.parent, str | None)
    assert_type(report.closest, str | None)
    assert_type(report.family, Sequence[str])
    assert_type(report.headline, str)
    assert_type(report.log10_p, float | None)
    audit({"weight": 1}, "bases/")  # type: ignore[arg-type]
    report["verdict"]  # type: ignore[index]
    return report.verdict.value


def parents(zoo: Path) -> dict[str, str]:
    found = tree(zoo, alpha=0.05)
    assert_type([node.file for node in found.nodes], list[str | None])
    assert_type([edge.weight for edge in found.edges], list[float | None])
    tree([zoo])  # type: ignore[arg-type]
    return {edge.child: edge.parent for edge in found.edges if edge.is_directed}


def similarity(name: str, F: Tensor, G: Tensor) -> Tensor:
    score = SIMILARITIES[name](F, G)
    assert_type(score, Tensor)
    return score
