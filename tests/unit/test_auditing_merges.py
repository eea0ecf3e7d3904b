"""Whole audits of merges, and of children that only look like one."""

from functools import partial

import numpy as np
import pytest
from audited_tensors import audit_of
from small_networks import ROOTS, child_of


@pytest.fixture
def audit(tmp_path):
    """Audits a network against others by name."""
    return partial(audit_of, tmp_path)


def merge(
    weight: float, first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    return {name: (weight * first[name] + (1 - weight) * second[name]).astype("f4") for name in first}


def test_descendants_of_the_child_are_no_mixture_of_it(audit):
    child = child_of(ROOTS["p0"], 9)
    descendants = {f"d{seed}": child_of(child, 20 + seed, strength=0.3) for seed in range(6)}
    assert not audit(child, descendants).verdict.parents
    assert set(audit(child, descendants | ROOTS).verdict.parents) <= {"p0"}


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("decoy", ["sibling", "p3"])
@pytest.mark.parametrize("are_given", ["the parent", "its root", "the decoy"])
def test_a_little_of_another_network_does_not_make_it_the_parent(audit, share, decoy, are_given):
    parent = child_of(ROOTS["p0"], 9)
    decoys = {"sibling": child_of(ROOTS["p0"], 10), "p3": ROOTS["p3"]}
    child = merge(1 - share, parent, decoys[decoy])
    given = {"the parent": {"parent": parent}, "its root": {"p0": ROOTS["p0"]}, "the decoy": {}}[are_given]
    verdict = audit(child, {decoy: decoys[decoy], "p1": ROOTS["p1"]} | given).verdict
    assert verdict.parent != decoy
    if "parent" in given:
        assert verdict.closest == "parent"
        assert verdict.parents.get(decoy, share) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("weight", [0.5, 0.9])
def test_a_child_between_its_root_and_its_sibling_is_their_mixture(audit, weight):
    """What moved on from the merge's own line looks like its descendant; only a merge leaves nothing."""
    sibling = child_of(ROOTS["p0"], 9)
    found = audit(merge(weight, ROOTS["p0"], sibling), ROOTS | {"sibling": sibling})
    assert found.verdict.parents == pytest.approx({"p0": weight, "sibling": 1 - weight}, abs=0.01)
