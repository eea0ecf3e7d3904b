"""Which relatives lie between an ancestor and the child, on networks whose lines are planted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audited_tensors import audit_of
from small_networks import child_of, network

from lineage.auditing.audit import Audit, Settings
from lineage.auditing.stages.thirds.passing import Passing, passage_of
from lineage.families.direction import fitted_passage
from lineage.relation.direction.between import Between, pooled_shares
from lineage.relation.direction.estimate import unmodelled

ROOT = network(0)
LATE = child_of(ROOT, 1)
MODELS = {
    "root": ROOT,
    "late": LATE,
    "sibling": child_of(ROOT, 2, strength=0.3),
    "stranger": network(9),
    "child": child_of(LATE, 3),
}
"""root → late → child, and a sibling of late that moved little."""


def audited(folder: Path, *candidates: str) -> Audit:
    """The child's audit against some of the models."""
    others = {name: MODELS[name] for name in candidates}
    return audit_of(folder, MODELS["child"], others, settings=Settings(direction=unmodelled))


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    return audited(tmp_path_factory.mktemp("line"), "root", "late", "sibling", "stranger")


def test_a_network_on_the_way_is_told_from_one_beside_it(audit):
    passing = Passing(audit.together, unmodelled)
    assert passing("root", "late").is_probable
    assert not passing("root", "sibling").is_probable
    assert not passing("late", "root").is_probable
    assert not passing("late", "sibling").is_probable


def test_the_way_from_a_sibling_leads_by_its_parent(audit):
    """sibling → root → late → child."""
    passing = Passing(audit.together, unmodelled)
    assert passing("sibling", "root").is_probable
    assert passing("sibling", "late").is_probable


def test_how_far_two_relatives_are_apart_is_their_squared_distance_over_the_childs(audit):
    """Over all matrices alike: sums of squares of the planted networks, each over the child's own."""
    names = [name for name in ROOT if name.startswith("layer") and ROOT[name].ndim > 1]

    def squared(first, second):
        differences = [
            np.square(MODELS[first][name] - MODELS[second][name]).sum()
            / np.square(MODELS["child"][name]).sum()
            for name in names
        ]
        return sum(map(float, differences))

    found = Passing(audit.together, unmodelled)("root", "late").apart
    assert found == pytest.approx(squared("root", "late") / squared("root", "child"), rel=0.05)


def test_what_was_not_compared_is_not_guessed(audit):
    assert passage_of(audit.together, "root", "stranger") == {}
    assert Passing(audit.together, unmodelled)("stranger", "late") is None


def test_relatives_beyond_those_that_are_compared_are_outlying(audit, monkeypatch, tmp_path):
    """Two are compared, the nearest by weights; a lone relative is beyond nobody."""
    monkeypatch.setattr("lineage.auditing.stages.thirds.together.MOST", 2)

    def outlying(*names):
        return {place.id for place in audited(tmp_path, *names).places if place.is_outlying}

    farthest = max(
        (place for place in audit.places if place.id != "stranger"), key=lambda place: place.distance
    )
    assert outlying("root", "late", "sibling") == {farthest.id}
    assert outlying("root") == set()


def test_the_child_contains_all_of_what_its_parent_added(audit):
    """late's update over root is in the child's, up to the child's own training, which is orthogonal to it."""
    features = passage_of(audit.together, "root", "late")
    for name in ("whole", "typical", "weak"):
        assert features[f"contained_{name}_middle"] == pytest.approx(1, abs=0.15)
    assert features["back_whole_middle"] < 0.8


def test_quantiles_over_matrices_are_numpys():
    values = [0.3, 0.1, 0.9, 0.5]
    found = pooled_shares([{"whole": value} for value in values], "a_", ".b")
    assert list(found) == [f"a_whole_{end}.b" for end in ("least", "low", "middle", "high", "most")]
    assert list(found.values()) == list(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    assert pooled_shares([]) == {}


def test_the_model_of_passages_weighs_rare_and_frequent_alike_and_is_sure_at_its_error():
    """Shares of about 1 belong to one class, which is rare; of 0.2 to the other."""
    generator = np.random.default_rng(0)
    is_between = generator.random(4000) < 0.1
    shares = np.where(is_between, 1.0, 0.2) + generator.normal(0, 0.25, 4000)
    table = pd.DataFrame(
        {
            "features": [{"share": share} for share in shares],
            "is_between": is_between,
            "architecture": generator.choice(list("abcd"), 4000),
        }
    )
    model = fitted_passage(table, error=0.01)
    again = Between.of_arrays(model.arrays("x."), "x.")
    at = np.linspace(-0.5, 2, 251)
    found = [model({"share": share}) for share in at]
    assert found == [again({"share": share}) for share in at]
    assert at[np.argmax([way.is_probable for way in found])] == pytest.approx(0.6, abs=0.15)
    unseen = 0.2 + generator.normal(0, 0.25, 20_000)
    sure_from = at[np.argmax([way.is_sure for way in found])]
    assert 0.005 < np.mean(unseen >= sure_from) < 0.02
