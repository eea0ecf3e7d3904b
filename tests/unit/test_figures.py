"""The figure of accuracy against alpha."""

import pandas as pd
import pytest

from lineage.evaluation import alpha_curves
from lineage.figures import alpha_chart, save

PARENT_OF = {"a": "p0", "b": "p1"}


def scores() -> pd.DataFrame:
    """Alpha 0.5 is right for both children, alpha 0 (direct) for `a` alone."""
    rows = []
    for approximation, alpha, right in (("direct", 0.0, ["a"]), ("path", 0.5, ["a", "b"])):
        for child, parent in PARENT_OF.items():
            for candidate in ("p0", "p1"):
                is_best = (candidate == parent) == (child in right)
                rows.append(("cka", approximation, "layer2", alpha, child, candidate, float(is_best)))
    return pd.DataFrame(
        rows, columns=["similarity", "approximation", "layer", "alpha", "child", "candidate", "score"]
    )


def test_curves_tell_the_accuracy_of_every_alpha():
    curves = pd.DataFrame(alpha_curves(scores(), PARENT_OF)).set_index("alpha")
    assert curves["accuracy"].to_dict() == {0.0: 0.5, 0.5: 1.0}
    assert set(curves["n"]) == {2}


def test_each_line_starts_with_direct_at_alpha_0(tmp_path):
    chart = alpha_chart(pd.DataFrame(alpha_curves(scores(), PARENT_OF)))
    drawn = chart.data[["approximation", "alpha", "accuracy"]].sort_values("alpha").to_numpy().tolist()
    assert drawn == [["path", 0.0, pytest.approx(50)], ["path", 0.5, pytest.approx(100)]]
    save(chart, tmp_path / "alpha.svg")
    assert (tmp_path / "alpha.svg").read_text().startswith("<svg")
