"""Relatives that were averaged from the child and others: they are later than the child, and no parent of it."""

import numpy as np
import pytest
from audited_tensors import audit_of
from small_networks import child_of, network

from lineage.auditing.audit import Settings
from lineage.auditing.stages.thirds.mixed import mixed_with_child
from lineage.relation.direction.estimate import unmodelled
from lineage.relation.relations import Relation

ROOT = network(0)
CHILD, SIBLING = child_of(ROOT, 1), child_of(ROOT, 2)


def average(*weighted):
    return {name: sum(weight * model[name] for weight, model in weighted).astype(np.float32) for name in ROOT}


def audited(folder, candidates):
    return audit_of(folder, CHILD, candidates, settings=Settings(direction=unmodelled))


@pytest.mark.parametrize(
    ("merge", "beside"),
    [
        (average((0.5, CHILD), (0.5, ROOT)), {"root": ROOT}),
        (average((0.5, CHILD), (0.5, SIBLING)), {"root": ROOT, "sibling": SIBLING}),
        (average((0.2, CHILD), (0.8, SIBLING)), {"root": ROOT, "sibling": SIBLING}),
        (average((0.4, CHILD), (0.3, SIBLING), (0.3, ROOT)), {"root": ROOT, "sibling": SIBLING}),
    ],
    ids=["with the root", "with a sibling", "mostly of a sibling", "of three"],
)
def test_an_average_with_the_child_is_no_parent_of_it_and_the_root_is(tmp_path, merge, beside):
    audit = audited(tmp_path, {"merge": merge, **beside})
    assert set(mixed_with_child(audit.together)) == {"merge"}
    of_merge = next(found for found in audit.verdict.relatives if found.id == "merge")
    assert of_merge.relation not in (Relation.PARENT, Relation.ANCESTOR)
    assert audit.verdict.parent in ("root", None)


def test_trained_relatives_are_no_mixtures(tmp_path):
    line = child_of(CHILD, 4)
    parent = child_of(ROOT, 3, strength=0.4)
    audit = audited(tmp_path, {"root": ROOT, "sibling": SIBLING, "near": parent, "later": line})
    assert mixed_with_child(audit.together) == {}
