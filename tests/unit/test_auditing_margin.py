"""How far the closest candidate is ahead: of the next one, the farthest, and the most similar outside the family."""

import pytest
from known_verdicts import NONE, candidate, place, related, verdict

from lineage.auditing.report.build import margin_of
from lineage.auditing.stages.verdict import Word
from lineage.relation.relations import Relation


def test_the_margin_is_to_the_next_the_farthest_and_the_most_similar_outside():
    """With shares of 0, 0.75 and 0.36 the child made all, half and 0.8 of the changes of 0.1, 1 and 0.5."""
    candidates = [
        candidate(name, z) for name, z in {"a": 9.0, "b": 8.0, "c": 7.0, "x": 1.0, "y": 0.5}.items()
    ]
    shares = {"a": 0.0, "c": 0.36, "b": 0.75}
    relatives = [related(name, Relation.UNDETERMINED, share=share) for name, share in shares.items()]
    found = verdict(Word.FAMILY, family=["a", "c", "b"], closest="a", relatives=relatives)
    margin = margin_of(candidates, found, {"a": place("a", 0.1), "b": place("b", 1.0), "c": place("c", 0.5)})
    assert (margin.parted, margin.next, margin.next_parted) == (0.1, "c", pytest.approx(0.4))
    assert (margin.farthest, margin.farthest_parted) == ("b", pytest.approx(0.5))
    assert (margin.z, margin.outside, margin.outside_z) == (9.0, "x", 1.0)


def test_a_copy_of_the_closest_is_not_the_next():
    candidates = [candidate(name) for name in "abc"]
    relatives = [related(name, Relation.UNDETERMINED, share=0.0) for name in "abc"]
    found = verdict(Word.SAME, family=["a", "b", "c"], closest="a", copies=["b"], relatives=relatives)
    margin = margin_of(candidates, found, {name: place(name, 0.4) for name in "abc"})
    assert (margin.next, margin.farthest, margin.outside) == ("c", "c", None)
    assert margin_of(candidates, NONE, {}) is None
