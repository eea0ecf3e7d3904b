"""Whole audits of pruned, quantised and half-precision copies: the source is the copy's parent, never the reverse."""

import numpy as np
import pytest
from audited_tensors import audit_of
from scarred_copies import HALVED, copy_of
from small_networks import ROOTS, child_of

from lineage.auditing.stages.verdict import Verdict, Word
from lineage.relation.relations import Relation

PARENT = ROOTS["p0"]
SOURCE = child_of(PARENT, 9)


@pytest.fixture
def verdict_on(tmp_path):
    def of(child: dict[str, np.ndarray], candidates: dict[str, dict]) -> Verdict:
        return audit_of(tmp_path, child, candidates).verdict

    return of


@pytest.mark.parametrize(
    "change", ["pruned 50 %", "without rows", "int8 by row", "nf4", "pruned, int8", "pruned, fp16"]
)
def test_a_changed_copy_is_a_descendant_of_its_own_source(verdict_on, change):
    alone = verdict_on(SOURCE, {"copy": copy_of(SOURCE, change), "p1": ROOTS["p1"]})
    assert (alone.word, alone.closest, alone.relation) == (Word.FAMILY, "copy", Relation.DESCENDANT)
    assert alone.decided_by.endswith("scars")
    with_parent = verdict_on(SOURCE, {"copy": copy_of(SOURCE, change), "p0": PARENT})
    assert with_parent.parent in ("p0", None)
    assert with_parent.closest == "p0"


@pytest.mark.parametrize(
    "change", ["pruned 50 %", "without rows", "int8 by row", "nf4", "pruned, int8", "pruned, fp16"]
)
def test_the_source_is_the_parent_of_its_changed_copy(verdict_on, change):
    verdict = verdict_on(copy_of(SOURCE, change), {"source": SOURCE, "p0": PARENT, "p1": ROOTS["p1"]})
    assert (verdict.word, verdict.parent) == (Word.PARENT, "source")


def test_a_copy_stored_in_half_precision_has_the_same_weights_and_says_which_is_rounded(verdict_on):
    stored = {name: values.astype(np.float16) for name, values in SOURCE.items()}
    verdict = verdict_on(SOURCE, {"copy": stored})
    assert verdict.word is Word.SAME
    assert "the candidate has the child's values, rounded to half precision" in verdict.reason


@pytest.mark.parametrize("change", HALVED)
def test_a_copy_in_half_precision_that_is_stored_in_full_has_the_same_weights_too(verdict_on, change):
    copy = copy_of(SOURCE, change)
    for child, candidate in ((SOURCE, copy), (copy, SOURCE)):
        verdict = verdict_on(child, {"other": candidate, "p0": PARENT})
        assert (verdict.word, verdict.closest) == (Word.SAME, "other")
        assert "rounded to half precision" in verdict.reason


@pytest.mark.parametrize("change", ["fp16", "bf16"])
def test_a_child_trained_on_from_a_half_precision_copy_has_not_its_weights(verdict_on, change):
    child = child_of(SOURCE, 10, strength=0.05)
    verdict = verdict_on(child, {"copy": copy_of(SOURCE, change)})
    assert verdict.word is not Word.SAME
    assert verdict_on(copy_of(child, change), {"source": SOURCE}).word is not Word.SAME
