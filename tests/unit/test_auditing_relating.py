"""What each relative is to the child, and which one is closest, where directions leave some of it open."""

import dataclasses
from functools import partial

import pytest
from known_verdicts import place

from lineage.auditing.stages.relating import relate
from lineage.relation.direction.between import Passage
from lineage.relation.direction.estimate import Estimate


def share_of_place(shares: dict[str, float]):
    return lambda features: Estimate(shares[features["of"]], *INTERVALS[shares[features["of"]]])


INTERVALS = {0.0: (0.0, 0.1), 0.5: (0.0, 1.0)}
"""Of a share: an ancestor's, and one that leaves the relation open."""
SURE, PROBABLE, NO = Passage(0.999, is_sure=True), Passage(0.9, is_sure=False), Passage(0.1, is_sure=False)


@pytest.mark.parametrize(
    ("way", "relation", "first"),
    [
        (None, "undetermined", "near"),
        (PROBABLE, "undetermined", "near"),
        (SURE, "parent", "near"),
        (NO, "parent", "early"),
    ],
    ids=["not compared", "probably on the way", "surely on the way", "elsewhere"],
)
def test_no_ancestor_is_named_where_a_nearer_relative_may_lie_between(way, relation, first):
    """A relative whose own relation is open has the bound of the ancestor that it is surely on the way from."""
    early = dataclasses.replace(place("early", 1.0), describe=partial(dict, of="early"))
    near = dataclasses.replace(place("near", 0.8), describe=partial(dict, of="near"))
    direction = share_of_place({"early": 0.0, "near": 0.5})
    closest, _ = relate([early, near], direction, lambda start, relative: way)
    assert (closest.id, closest.relation) == (first, relation)
    assert closest.relation != "parent" or closest.bound == pytest.approx((0.1 / 0.9) ** 0.5)


@pytest.mark.parametrize(("share", "relation"), [(0.0, "parent"), (0.5, "undetermined")])
def test_what_is_much_nearer_left_the_line_later_whatever_else_is_said_of_the_way(share, relation):
    """As of a root that was trained on for its own task, beside its initialisation."""
    early = dataclasses.replace(place("early", 1.0), describe=partial(dict, of="early"))
    near = dataclasses.replace(place("near", 0.5), describe=partial(dict, of="near"))
    found = relate([early, near], share_of_place({"early": 0.0, "near": share}), lambda start, relative: NO)
    assert [(found[0].id, found[0].relation), found[1].relation] == [("near", relation), "ancestor"]


@pytest.mark.parametrize(("distance", "first"), [(0.6, "later"), (0.98, "early")])
def test_of_two_ancestors_that_are_far_apart_the_clearly_nearer_is_the_parent(distance, first):
    early = dataclasses.replace(place("early", 1.0), describe=partial(dict, of="early"))
    later = dataclasses.replace(place("later", distance), describe=partial(dict, of="later"))
    for order in ([early, later], [later, early]):
        found = relate(order, share_of_place({"early": 0.0, "later": 0.0}), lambda start, relative: NO)
        assert found[0].id == first
        assert [related.relation for related in found] == ["parent", "ancestor"]


@pytest.mark.parametrize(("back", "first"), [(0.7, "early"), (0.3, "copy")])
def test_a_near_copy_of_an_ancestor_is_closest_if_the_reverse_is_less_probable_and_both_have_a_bound(
    back, first
):
    """The copy is a tenth of the child's own change away from the ancestor; its own relation is open.

    That is less than the ancestor's own bound, which the copy has too.
    """
    early = dataclasses.replace(place("early", 1.0), describe=partial(dict, of="early"))
    copy = dataclasses.replace(place("copy", 1.0), describe=partial(dict, of="copy"))
    probabilities = {"early": 0.8, "copy": back}
    closest, _ = relate(
        [early, copy],
        share_of_place({"early": 0.0, "copy": 0.5}),
        lambda start, relative: Passage(probabilities[start], is_sure=False, apart=0.01),
    )
    assert (closest.id, closest.relation) == (first, "parent")
    assert closest.bound == pytest.approx((0.1 / (1 - 0.1)) ** 0.5)


def test_a_relative_that_is_far_from_the_ancestor_keeps_its_own_relation_open():
    early = dataclasses.replace(place("early", 1.0), describe=partial(dict, of="early"))
    far = dataclasses.replace(place("far", 0.8), describe=partial(dict, of="far"))
    way = Passage(0.9, is_sure=False, apart=0.4)
    closest, _ = relate([early, far], share_of_place({"early": 0.0, "far": 0.5}), lambda start, relative: way)
    assert (closest.id, closest.relation) == ("far", "undetermined")


def test_without_an_ancestor_the_relative_on_the_ways_of_the_others_is_closest():
    """Three siblings and the network that they come from: it lies between each and the child; nothing is named."""
    shares = {"a": 0.5, "b": 0.5, "c": 0.5, "root": 0.5}
    places = [
        dataclasses.replace(place(name, distance), describe=partial(dict, of=name))
        for name, distance in zip(shares, (0.3, 0.4, 0.5, 0.35), strict=True)
    ]
    ways = {"root": SURE}
    found = relate(places, share_of_place(shares), lambda start, relative: ways.get(relative, NO))
    assert (found[0].id, found[0].relation) == ("root", "undetermined")
    found = relate(places[:3], share_of_place(dict(list(shares.items())[:3])), lambda start, relative: NO)
    assert found[0].id == "a"


@pytest.mark.parametrize(("as_descendant", "first"), [(0.9, "before"), (0.1, "after")])
def test_what_is_probably_a_descendant_is_not_the_closest(as_descendant, first):
    """Two stages of one training around the child, whose own relations are open: the later one is nearer."""
    before = dataclasses.replace(place("before", 0.4), describe=partial(dict, of="before"))
    after = dataclasses.replace(place("after", 0.3), describe=partial(dict, of="after"))
    probabilities = {"before": (0.5, 0.1), "after": (0.1, as_descendant)}
    found = relate([after, before], lambda features: Estimate(0.5, 0.0, 1.0, *probabilities[features["of"]]))
    assert next(related.id for related in found) == first
    assert all(related.relation == "undetermined" for related in found)


def test_no_direction_is_said_of_a_relative_farther_than_those_that_were_compared():
    near = dataclasses.replace(place("near", 0.3), describe=partial(dict, of="near"))
    far = dataclasses.replace(place("far", 0.9), describe=partial(dict, of="far"), is_outlying=True)
    closest, outlying = relate([near, far], share_of_place({"near": 0.0, "far": 0.0}))
    assert (closest.id, closest.relation) == ("near", "parent")
    assert (outlying.relation, outlying.bound) == ("undetermined", None)


def test_the_features_of_a_far_relative_are_never_computed_and_of_others_once():
    asked = []

    def describe(name: str) -> dict[str, str]:
        asked.append(name)
        return {"of": name}

    near = dataclasses.replace(place("near", 0.3), describe=partial(describe, "near"))
    far = dataclasses.replace(place("far", 0.9), describe=partial(describe, "far"), is_outlying=True)
    for _ in range(2):
        relate([near, far], share_of_place({"near": 0.5}))
    assert asked == ["near"]
