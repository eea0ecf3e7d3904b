"""Whether a claimed parent is supported, contradicted or left open."""

import dataclasses
import math

import pytest
from known_verdicts import ALPHA, CANNOT_TELL, NONE, PARENT, candidate, family, related, verdict

from lineage.auditing.report.claims import claim_of, least_p
from lineage.auditing.report.headline import headline_of
from lineage.auditing.stages.verdict import Word
from lineage.relation.relations import Relation

CANDIDATES = [
    candidate("p", 30, log10_p=-40), candidate("q", 20, log10_p=-30), candidate("d", 20, log10_p=-30),
    candidate("copy", 30, log10_p=-40), candidate("stranger"), candidate("small", rows=3),
    candidate("other", tests=0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("claimed", "found", "state"),
    [
        ("p", PARENT, "supported"),
        ("copy", PARENT, "supported"),
        ("q", PARENT, "contradicted"),
        ("d", PARENT, "contradicted"),
        ("stranger", PARENT, "contradicted"),
        ("small", PARENT, "undetermined"),
        ("other", PARENT, "undetermined"),
        ("unknown", PARENT, "undetermined"),
        ("p", family(Relation.UNDETERMINED), "undetermined"),
        ("q", family(Relation.UNDETERMINED), "undetermined"),
        ("p", family(Relation.DESCENDANT), "undetermined"),
        ("stranger", family(Relation.UNDETERMINED), "contradicted"),
        ("stranger", NONE, "contradicted"),
        ("stranger", verdict(Word.CANNOT_TELL, log10_p=-0.2), "contradicted"),
        ("stranger", CANNOT_TELL, "undetermined"),
        ("broken", NONE, "undetermined"),
    ],
)
def test_a_claim_is_contradicted_only_by_a_named_parent_or_independence(claimed, found, state):
    claim = claim_of(claimed, found, CANDIDATES, {"broken": "broken.pt: is a web page"}, ALPHA)
    assert (claim.parent, claim.state) == (claimed, state)
    assert claim.reason
    assert claimed != "broken" or claim.reason == "broken.pt: is a web page"


def test_a_descendant_contradicts_a_claim_alone_where_scars_show_that_it_came_later():
    for scars, state in (("it has 50% zeros", "contradicted"), ("", "undetermined")):
        later = related("p", Relation.DESCENDANT, no_ancestor=scars)
        found = verdict(
            Word.FAMILY, family=["p"], closest="p", relation=Relation.DESCENDANT, relatives=[later]
        )
        assert claim_of("p", found, CANDIDATES, {}, ALPHA).state == state


def test_both_parents_of_a_mixture_support_a_claim():
    mixture = verdict(
        Word.PARENT, family=["p", "q", "d"], closest="p", parent="p", parents={"p": 0.6, "q": 0.4},
        relatives=[related(name, Relation.ANCESTOR, distance=0.1) for name in "pqd"],
    )  # fmt: skip
    states = {name: claim_of(name, mixture, CANDIDATES, {}, ALPHA).state for name in "pqd"}
    assert states == {"p": "supported", "q": "supported", "d": "contradicted"}
    assert claim_of("", mixture, CANDIDATES, {}, ALPHA) is None


@pytest.mark.parametrize(
    ("relation", "distance", "state"),
    [
        (Relation.ANCESTOR, 0.100, "undetermined"),
        (Relation.UNDETERMINED, 0.124, "undetermined"),
        (Relation.UNDETERMINED, 0.126, "contradicted"),
        (Relation.ANCESTOR, 0.300, "contradicted"),
        (Relation.SIBLING, 0.100, "contradicted"),
        (Relation.DESCENDANT, 0.100, "contradicted"),
    ],
)
def test_a_claimed_relative_may_be_the_parent_while_it_is_as_near_as_the_bound_of_the_named_one_allows(
    relation, distance, state
):
    """The child branched off within 0.2 of its own change from p: its parent is within 0.1 / 0.8 of it."""
    relatives = [related("p", Relation.PARENT, distance=0.1), related("q", relation, distance=distance)]
    found = dataclasses.replace(PARENT, bound=0.2, relatives=relatives)
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == state


def test_beside_a_copy_of_the_child_its_ancestors_may_be_its_parent():
    relatives = [related("p", Relation.SAME, distance=0.0), related("q", Relation.ANCESTOR, distance=0.1)]
    found = verdict(Word.SAME, family=["p", "q"], closest="p", parent="p", bound=0.0, relatives=relatives)
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == "undetermined"


def test_a_child_that_is_a_changed_copy_of_the_named_one_may_be_meant_by_a_claim_of_its_ancestors():
    """Pruned or quantised, it branched off at the named one itself, which may have been trained from q."""
    relatives = [related("p", Relation.PARENT, distance=0.01), related("q", Relation.ANCESTOR, distance=0.4)]
    found = dataclasses.replace(PARENT, bound=0.0, relatives=relatives)
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == "undetermined"


def test_every_candidate_with_the_childs_weights_is_named_and_supports_a_claim():
    relatives = [related(name, Relation.SAME) for name in "pq"]
    found = verdict(Word.SAME, family=["p", "q"], closest="p", parent="p", relatives=relatives)
    assert headline_of("c", found, 2) == "c has the same weights as p and as q."
    assert claim_of("q", found, CANDIDATES, {}, ALPHA).state == "supported"


def test_a_claim_of_the_childs_matrices_speaks_of_no_more_than_these():
    relatives = [related("p", Relation.SAME), related("q", Relation.SAME, differs=["biases"])]
    found = verdict(Word.SAME, family=["p", "q"], closest="p", parent="p", relatives=relatives)
    claim = claim_of("q", found, CANDIDATES, {}, ALPHA)
    assert claim.state == "supported"
    assert claim.reason == "it has the same matrices as the child, but not the same biases"


def test_a_fixed_part_that_both_hold_leaves_a_claim_undetermined():
    alike = dataclasses.replace(
        candidate("p", 30, log10_p=-40), unmoved=frozenset({"w0", "w1"}), elsewhere=0.9
    )
    claim = claim_of("p", verdict(Word.CANNOT_TELL, log10_p=0.0), [alike], {}, ALPHA)
    assert claim.state == "undetermined"
    assert "fixed part" in claim.reason


@pytest.mark.parametrize(("log10_p", "state"), [(-40, "undetermined"), (-1.5, "contradicted")])
def test_a_claimed_candidate_with_one_dependent_matrix_is_not_called_independent(log10_p, state):
    """As after all other layers were initialised again: too little for a family, too much for independence."""
    claimed = candidate("p")
    tests = claimed.tests | {"w0": dataclasses.replace(claimed.tests["w0"], log10_p=log10_p)}
    claim = claim_of("p", NONE, [dataclasses.replace(claimed, tests=tests)], {}, ALPHA)
    assert claim.state == state


def test_the_least_p_of_two_matrices_of_n_rows_is_one_over_n_factorial():
    assert least_p(candidate("p", rows=7)) == pytest.approx(-math.log10(math.factorial(7)))
