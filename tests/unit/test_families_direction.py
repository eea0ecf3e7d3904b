"""The model of direction: what its scores must reach, for pairs with norms and for those without."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lineage.errors import UserError
from lineage.families import direction
from lineage.families.direction import fitted, fitted_passage
from lineage.relation.direction.estimate import NEAR, Calibration, Model

ERROR = 0.1
NOISE = {0.0: 1.5, 1.0: 0.3}
"""Of the feature that shows the share, without norms and with them."""


def pairs_of(architectures: list[str], count: int) -> pd.DataFrame:
    """Pairs whose share is shown well where there are norms, and badly where there are none."""
    draw, rows = np.random.default_rng(len(architectures)), []
    for number, architecture in enumerate(architectures):
        norms = float(number % 2)
        for _ in range(count):
            within = float(draw.choice([0.0, 1.0, np.inf]))
            shown = {0.0: 0.0, 1.0: 0.5, np.inf: 1.0}[within]
            noise = NOISE[norms] * draw.standard_normal(2)
            features = {
                "lost.candidate": shown + noise[0],
                "lost.child": 1 - shown + noise[1],
                "norms": norms,
            }
            rows.append({"architecture": architecture, "within": within, "weight": 1.0, **features})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def model() -> Model:
    features = ["lost.candidate", "lost.child", "norms"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direction, "TREES", direction.TREES | {"max_iter": 30})
        pairs = pairs_of([f"a{number}" for number in range(8)], 300)
        passages = pairs.assign(
            features=[{"a": within} for within in pairs.within], is_between=pairs.within > 0
        )
        passage = fitted_passage(passages, error=ERROR)
        return fitted(pairs, features, passage, error=ERROR, fitted_on="planted pairs")


def test_either_kind_is_believed_wrongly_as_often_as_is_stated(model):
    """On pairs of the same kinds that the model has not seen."""
    unseen = pairs_of([f"b{number}" for number in range(9)], 800)
    believed = [
        model(features | {"bulk.candidate": 1.0, "bulk.child": 1.0}).most <= NEAR
        for features in unseen[["lost.candidate", "lost.child", "norms"]].to_dict("records")
    ]
    unseen["believed"] = believed
    wrong = unseen[unseen.within > 0].groupby("norms").believed.mean()
    right = unseen[unseen.within == 0].groupby("norms").believed.mean()
    assert wrong[0.0] == pytest.approx(ERROR, abs=0.04)
    assert wrong[1.0] == pytest.approx(ERROR, abs=0.04)
    assert right[1.0] > right[0.0] + 0.2


def test_pairs_of_one_kind_alone_are_refused_in_one_line(model):
    pairs = pairs_of(["a", "b"], 20).query("norms == 1")
    with pytest.raises(UserError, match="with norms and others without"):
        fitted(
            pairs, ["lost.candidate", "lost.child", "norms"], model.passage, error=ERROR, fitted_on="one kind"
        )


def test_a_model_is_the_same_from_its_arrays(model):
    again = Model.of_arrays(model.arrays())
    assert again.levels[0].with_norms == model.levels[0].with_norms
    assert again.levels[0].without_norms == model.levels[0].without_norms
    assert again.levels[0].with_norms != again.levels[0].without_norms


@pytest.mark.parametrize(("norms", "believed"), [(1.0, True), (0.0, False), (None, False)])
def test_a_pair_that_is_not_known_to_have_norms_is_judged_as_one_without(model, norms, believed):
    sure, never = Calibration(0.0, -np.inf, 1.0, 0.0), Calibration(np.inf, -np.inf, 1.0, 0.0)
    level = replace(model.levels[0], with_norms=sure, without_norms=never)
    features = {"lost.candidate": 0.0, "lost.child": 1.0, "bulk.candidate": 1.0, "bulk.child": 1.0}
    features |= {} if norms is None else {"norms": norms}
    estimate = replace(model, levels=[level])(features)
    assert (estimate.most <= NEAR) == believed
