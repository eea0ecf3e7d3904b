"""Averages of a training's steps (EMA, SWA) beside its stages: what the child added to them is more of the same."""

import numpy as np
import pytest
from audited_tensors import audit_of
from small_networks import ROOTS

from lineage.auditing.audit import Settings
from lineage.auditing.stages.verdict import Word
from lineage.relation.direction.estimate import RESOLUTION, unmodelled
from lineage.relation.direction.thirds import family, goes_on
from lineage.relation.relations import Relation

STEPS, DECAY = 60, 0.92


def run_of(start, seed):
    """The weights after each of some steps, which are independent of each other and of low rank."""
    draw = np.random.default_rng(seed)
    along = {name: draw.normal(0, 0.01, (len(values), 6)) for name, values in start.items()}
    found = [start]
    for _ in range(STEPS):
        steps = {name: left @ draw.normal(size=(6, *start[name].shape[1:])) for name, left in along.items()}
        found.append({name: values + steps[name] for name, values in found[-1].items()})
    return [{name: values.astype(np.float32) for name, values in state.items()} for state in found]


def averaged(stages, weights):
    return {
        name: np.average([stage[name] for stage in stages], axis=0, weights=weights).astype(np.float32)
        for name in stages[0]
    }


RUN = run_of(ROOTS["p0"], 1)
OF_EMA = DECAY ** np.arange(STEPS, -1, -1)
CANDIDATES = {
    "a stage": (RUN[STEPS // 2], 0.0),
    "an exponential average": (averaged(RUN, OF_EMA), -1.0),
    "the mean of the last half": (averaged(RUN[STEPS // 2 :], None), -0.5),
    "the mean with the start": (averaged([RUN[0], RUN[-1]], None), -1.0),
}


@pytest.mark.parametrize("kind", CANDIDATES)
def test_where_the_start_leaves_the_path_is_that_of_independent_steps(kind):
    candidate, expected = CANDIDATES[kind]
    points = (
        (RUN[-1][name], np.stack([candidate[name], RUN[0][name]])) for name in RUN[0] if "layer" in name
    )
    features = family((ours.ravel(), theirs.reshape(2, -1)) for ours, theirs in points).features(0)
    assert features["third_far.candidate"] == pytest.approx(expected, abs=0.1)
    assert goes_on(features) == (expected < -0.1)


def verdict_on(folder, candidates):
    return audit_of(folder, RUN[-1], candidates, settings=Settings(direction=unmodelled)).verdict


@pytest.mark.parametrize("kind", CANDIDATES)
def test_beside_the_start_a_stage_is_named_and_an_average_has_no_bound(tmp_path, kind):
    candidate, expected = CANDIDATES[kind]
    verdict = verdict_on(tmp_path, {"candidate": candidate, "start": RUN[0]})
    found = next(found for found in verdict.relatives if found.id == "candidate")
    if expected < -0.1:
        assert verdict.parent in (None, "start")
        assert found.relation not in (Relation.PARENT, Relation.ANCESTOR)
        assert found.bound is None or found.bound > RESOLUTION
    else:
        assert (verdict.word, verdict.parent) == (Word.PARENT, "candidate")


def test_an_average_is_said_to_be_one_that_could_be(tmp_path):
    average = CANDIDATES["an exponential average"][0]
    verdict = verdict_on(tmp_path, {"candidate": average, "start": RUN[0]})
    assert (verdict.word, verdict.closest) == (Word.FAMILY, "candidate")
    assert "an average of stages (EMA, SWA)" in verdict.reason
    assert not verdict.helps
