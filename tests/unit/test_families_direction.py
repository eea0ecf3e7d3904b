"""The model of direction, fitted on made pairs: what its cuts promise of pairs alone and beside third relatives."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from lineage.families import direction
from lineage.families.direction import fitted, pairs_of
from lineage.relation.direction.between import Between
from lineage.relation.direction.estimate import Estimate
from lineage.relation.direction.model import Model
from lineage.relation.direction.trees import Trees

ALONE, BESIDE = 0.04, 0.01
NEVER = Between(
    ["share"],
    Trees(
        feature=np.array([-1], np.int16),
        threshold=np.zeros(1),
        missing_left=np.zeros(1, bool),
        left=np.zeros(1, np.int32),
        right=np.zeros(1, np.int32),
        value=np.zeros(1),
        roots=np.zeros(1, np.int32),
        baseline=np.asarray(0.0),
    ),
    np.inf,
)


def pairs(count: int, seed: int) -> pd.DataFrame:
    """Pairs whose lost shares show the truth blurred, and which third relatives show more sharply."""
    generator = np.random.default_rng(seed)
    within = np.where(generator.random(count) < 0.3, 0.0, generator.uniform(0.1, 3, count))
    share = within**2 / (1 + within**2)
    blurred = share + generator.normal(0, 0.15, count)
    sharp = share + generator.normal(0, 0.05, count)
    features = [
        {
            "bulk.candidate": 1.0,
            "bulk.child": 1.0,
            "lost.candidate": first,
            "lost.child": 1 - first,
            "thirds": np.log1p(4),
            "third_low.candidate": second,
            "third_low.child": 1 - second,
        }
        for first, second in zip(blurred, sharp, strict=True)
    ]
    return pd.DataFrame(
        {
            "family": [f"f{number % 40}" for number in range(count)],
            "line": "siblings",
            "architecture": [f"a{number % 8}" for number in range(count)],
            "within": within,
            "child": [f"child{number}" for number in range(count)],
            "candidate": "candidate",
            "features": features,
        }
    )


@cache
def model() -> Model:
    table, features = pairs_of(pairs(4000, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direction, "TREES", direction.TREES | {"max_iter": 30})
        return fitted(table, features, NEVER, error_alone=ALONE, error_beside=BESIDE, fitted_on="made pairs")


def alone(features: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in features.items() if not name.startswith("third")}


def test_each_pair_beside_third_relatives_is_seen_alone_too():
    table, features = pairs_of(pairs(10, 1))
    of_thirds = [name for name in features if name.startswith("third")]
    assert len(table) == 20
    assert table[of_thirds].notna().all(axis=1).sum() == 10
    assert table[of_thirds].isna().all(axis=1).sum() == 10


@pytest.mark.parametrize(("error", "seen"), [(ALONE, alone), (BESIDE, dict)], ids=["alone", "beside thirds"])
def test_pairs_that_parted_long_ago_are_taken_for_ancestors_at_the_error_of_their_kind(error, seen):
    unseen = pairs(4000, 2)
    estimates = [model()(seen(features)) for features in unseen["features"]]
    bounds = np.array([estimate.bound for estimate in estimates])
    wrong = np.mean(bounds[unseen["within"] > 0.35] <= 0.35)
    assert error / 20 < wrong < error


def test_a_model_is_the_same_after_its_file():
    again = Model.of_arrays(model().arrays())
    for features in pairs(50, 3)["features"]:
        assert again(features) == model()(features)


def test_what_is_reached_from_an_ancestor_has_its_bound_unless_its_own_pair_says_otherwise():
    ancestor = Estimate(0.0, 0.0, 0.1, as_ancestor=0.9, as_descendant=0.0)
    unclear = Estimate(0.3, 0.0, 1.0, as_ancestor=0.4, as_descendant=0.1)
    assert ancestor.inherited(unclear, 0.1) == Estimate(0.1, 0.0, 0.1, 0.9, 0.1)
    for own in (Estimate(0.5, 0.2, 1.0), Estimate(0.0, 0.0, 0.05)):
        assert ancestor.inherited(own, 0.1) == own
