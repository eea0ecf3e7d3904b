"""Neurons that were scaled one by one, against factors that are known."""

import numpy as np
import pytest
from audited_tensors import audit_of
from small_networks import OF_P2, ROOTS, child_of

from lineage.auditing.audit import Settings
from lineage.auditing.stages.verdict import Word
from lineage.checkpoints.checkpoint import Entry
from lineage.relation.alignment.axes import shapes_of
from lineage.relation.comparison import Pair, compare, spread_of_scales
from lineage.relation.matching import match

CHILD = child_of(ROOTS["p2"], 27)


@pytest.mark.parametrize("deviation", [0.0, 0.3, 1.0])
def test_the_spread_is_the_standard_deviation_of_normal_logarithms(deviation):
    generator = np.random.default_rng(0)
    before = generator.normal(size=(20_000, 3))
    factors = np.exp(generator.normal(0.7, deviation, len(before)))
    assert spread_of_scales(before, factors[:, None] * before) == pytest.approx(deviation, abs=0.02)


def test_dead_rows_and_small_matrices_have_no_spread():
    before = np.ones((40, 4))
    after = np.diag(np.arange(40) >= 30).astype(float) @ before
    assert spread_of_scales(before, after) == 0
    assert spread_of_scales(before[:15], before[:15] * np.arange(1, 16)[:, None]) == 0


@pytest.mark.parametrize(
    ("undisguise", "word"), [(True, Word.PARENT), (False, Word.FAMILY)], ids=["aligned", "as it is"]
)
def test_a_parent_of_rescaled_neurons_is_named_only_after_alignment(tmp_path, undisguise, word):
    """What a layer's neurons are multiplied by, the next layer divides by: the function stays."""
    factors = np.exp(np.random.default_rng(1).normal(size=96)).astype(np.float32)
    child = dict(CHILD)
    child["layer0.weight"] = factors[:, None] * child["layer0.weight"]
    child["layer0.bias"] = factors * child["layer0.bias"]
    child["layer1.weight"] = child["layer1.weight"] / factors
    candidates = ROOTS | {"sibling": OF_P2}
    audit = audit_of(tmp_path, child, candidates, settings=Settings(undisguise=undisguise))
    assert (audit.verdict.word, audit.verdict.closest) == (word, "p2")
    assert "rescaled" in audit.verdict.reason


def test_inputs_that_were_scaled_one_by_one_show_too():
    """As where a norm's factors were changed, and the columns of the matrices after it."""
    draw = np.random.default_rng(0)
    before = draw.normal(size=(64, 32)).astype(np.float32)
    after = before * np.exp(draw.normal(size=32)).astype(np.float32)
    tensors = {"a.weight": before}, {"a.weight": after}
    assert spread_of_scales(before, after) < 0.25
    assert compared(*tensors).is_rescaled
    assert not compared(tensors[0], {"a.weight": before + 0.3 * draw.normal(size=before.shape)}).is_rescaled


def compared(candidate, child):
    pair = Pair(Tensors(child), Tensors(candidate), match(shapes_of(child), shapes_of(candidate)))
    return compare(pair, list(child))


class Tensors:
    def __init__(self, state):
        self._state = state
        self.entries = {name: Entry(values.shape, "float32", values.copy) for name, values in state.items()}

    def read(self, name):
        return self._state[name].astype(np.float32)
