"""What a zoo keeps as it grows, and how its children are split."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage.errors import UserError
from lineage.experiment.zoo import Zoo
from lineage.types.experiment import Experiment

COUNTS = st.integers(3, 40)
SHARES = st.floats(0.01, 100)
GRID = {"learning_rate": [0.1, 0.2], "epochs": [1, 2, 3], "images": [10]}


def setting(children: int | dict, parents: str = "roots") -> dict:
    return {
        "parents": parents,
        "children": children,
        "data": {"source": "sklearn:digits"},
        "grid": GRID,
        "batch_size": 64,
        "momentum": 0.9,
        "weight_decay": 0,
    }


def experiment(settings: dict[str, dict], *, roots: int = 2, block_size: int = 4, **keys) -> Experiment:
    given = {
        "seed": 0,
        "network": {"name": "fc", "image_size": 8, "channels": 1},
        "probe": {"data": {"source": "sklearn:digits"}, "images": 8},
        "roots": {"count": roots, "data": {"source": "sklearn:digits"}, "learning_rate": 0.1, "epochs": 1},
        "settings": settings,
        "block_size": block_size,
        "split": {"train": 7, "validation": 1, "test": 2},
    }
    return Experiment.of(given | keys)


def zoo_of(children: int | dict, **keys) -> Zoo:
    return Zoo(experiment({"full": setting(children)}, **keys))


def nested(**keys) -> Zoo:
    settings = {"late": setting(3, "mid"), "early": setting(4), "mid": setting({"default": 3}, "early")}
    return Zoo(experiment(settings, **keys))


def models_of(zoo: Zoo) -> dict:
    return {
        model.id: model for model in [*zoo.roots, *(c for name in zoo.settings for c in zoo.children(name))]
    }


@given(before=COUNTS, more=st.integers(1, 20), block_size=st.integers(1, 9))
def test_appended_children_leave_the_others_and_the_full_blocks_alone(before, more, block_size):
    old, new = (zoo_of(count, block_size=block_size) for count in (before, before + more))
    assert models_of(old).items() <= models_of(new).items()
    for parent, block in old.blocks("full"):
        if (block + 1) * block_size <= before:
            assert old.children("full", parent, block) == new.children("full", parent, block)


@given(roots=st.integers(1, 6), more=st.integers(1, 4))
def test_added_parents_leave_all_children_alone(roots, more):
    old, new = (zoo_of(5, roots=count) for count in (roots, roots + more))
    assert models_of(old).items() <= models_of(new).items()


@given(children=COUNTS, block_size=st.integers(1, 9))
def test_blocks_hold_each_child_once_at_its_index_over_the_size(children, block_size):
    zoo = zoo_of(children, block_size=block_size)
    seen = []
    for parent, block in zoo.blocks("full"):
        held = zoo.children("full", parent, block)
        assert {child.index // block_size for child in held} == {block}
        assert {child.parent for child in held} == {parent}
        assert {zoo.block_of(child) for child in held} == {block}
        seen += [child.id for child in held]
    assert sorted(seen) == sorted(child.id for child in zoo.children("full"))


@given(children=COUNTS, more=st.integers(1, 9), block_size=st.integers(1, 9))
def test_blocks_of_a_setting_hold_the_children_of_all_parents_and_stay_as_they_are(
    children, more, block_size
):
    zoo, wider = (
        zoo_of(count, block_size=block_size, block_by="setting") for count in (children, children + more)
    )
    seen = []
    for group, block in zoo.blocks("full"):
        held = zoo.children("full", group, block)
        assert group == "all"
        assert {child.index // block_size for child in held} == {block}
        assert {child.parent for child in held} == {"p0", "p1"}
        if (block + 1) * block_size <= children:
            assert wider.children("full", group, block) == held
        seen += [child.id for child in held]
    assert sorted(seen) == sorted(child.id for child in zoo.children("full"))


def test_one_parent_may_have_more_children_than_the_others():
    zoo = zoo_of({"default": 3, "p1": 5})
    assert [len(zoo.children("full", parent)) for parent in ("p0", "p1")] == [3, 5]


def test_children_named_for_an_unknown_parent_are_refused():
    with pytest.raises(UserError, match=r"settings\.full\.children.*'p9'"):
        zoo_of({"default": 3, "p9": 5})


@given(
    counts=st.fixed_dictionaries({"default": COUNTS, "p1": COUNTS}),
    shares=st.fixed_dictionaries({"train": SHARES, "validation": SHARES, "test": SHARES}),
    seed=st.integers(0, 20),
)
def test_every_parent_has_children_to_train_to_choose_and_to_test_on(counts, shares, seed):
    zoo = zoo_of(counts, split=shares)
    parts = zoo.split("full", seed)
    assert set(parts) == {child.id for child in zoo.children("full")}
    for parent in zoo.candidates("full"):
        assert {parts[child.id] for child in zoo.children("full", parent)} == {"train", "validation", "test"}


@given(count=COUNTS)
def test_each_seed_tests_other_children_until_all_were_tested(count):
    zoo = zoo_of(count, roots=1)
    seen, everyone = set(), {child.id for child in zoo.children("full")}
    for seed in itertools.count():
        tested = {child for child, part in zoo.split("full", seed).items() if part == "test"}
        if len(seen) + len(tested) > len(everyone):
            break
        assert not tested & seen
        seen |= tested
    assert everyone - seen < tested


@pytest.mark.parametrize("count", [10, 20, 50])
def test_the_default_split_is_seven_to_one_to_two(count):
    parts = list(zoo_of(count, roots=1).split("full", 0).values())
    assert [10 * parts.count(part) for part in ("train", "validation", "test")] == [
        7 * count,
        count,
        2 * count,
    ]


def test_generations_chain_from_setting_to_setting():
    zoo = nested()
    assert zoo.candidates("early") == ["p0", "p1"]
    assert len(zoo.candidates("mid")) == 2 * 4
    assert len(zoo.candidates("late")) == 2 * 4 * 3
    grandchild = zoo.model("p1.early.002.mid.001.late.000")
    assert grandchild.generation == 4
    assert grandchild.parent == "p1.early.002.mid.001"
    assert zoo.model(grandchild.parent).parent == "p1.early.002"
    assert all(zoo.model(child.parent).generation == 3 for child in zoo.children("late"))


@given(order=st.permutations(["late", "early", "mid"]))
def test_the_order_of_settings_changes_no_model_and_no_split(order):
    usual = nested()
    parts = {"late": setting(3, "mid"), "early": setting(4), "mid": setting({"default": 3}, "early")}
    other = Zoo(experiment({name: parts[name] for name in order}))
    assert models_of(usual) == models_of(other)
    for name in order:
        assert usual.split(name, 1) == other.split(name, 1)
        assert usual.blocks(name) == other.blocks(name)
        assert usual.candidates(name) == other.candidates(name)


def test_no_two_models_share_a_seed_and_each_fits_into_a_signed_integer():
    seeds = [model.seed for seed in (0, 1) for model in models_of(nested(seed=seed)).values()]
    assert len(set(seeds)) == len(seeds) == 2 * (2 + 2 * 4 + 2 * 4 * 3 + 2 * 4 * 3 * 3)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_each_parents_children_take_every_cell_of_the_grid_in_turn():
    cells = set(itertools.product(*GRID.values()))
    zoo = zoo_of(2 * len(cells))
    for parent in zoo.candidates("full"):
        taken = [tuple(getattr(child.recipe, key) for key in GRID) for child in zoo.children("full", parent)]
        assert set(taken[: len(cells)]) == set(taken[len(cells) :]) == cells


def test_an_unknown_model_is_refused():
    with pytest.raises(UserError, match="'p7'"):
        zoo_of(3).model("p7")


def test_candidates_come_from_the_settings_named_and_parents_from_one():
    settings = {"one": setting(3), "two": setting({"default": 0, "p0.one.001": 4}, "one")}
    settings["two"]["candidates"] = ["roots", "one", "two"]
    zoo = Zoo(experiment(settings))
    assert zoo.parents("two") == [child.id for child in zoo.children("one")]
    assert len(zoo.candidates("two")) == 2 + 2 * 3 + 4
    assert {child.parent for child in zoo.children("two")} == {"p0.one.001"}
    assert zoo.ancestors("two") == {
        "one": {child.id: "p0.one.001" for child in zoo.children("two")},
        "roots": {child.id: "p0" for child in zoo.children("two")},
    }
    assert set(zoo.split("two", 0)) == {child.id for child in zoo.children("two")}


def test_where_parents_alone_are_candidates_no_other_ancestor_is_asked_for():
    assert all(not nested().ancestors(name) for name in nested().settings)


def test_parents_are_looked_for_among_other_settings_too():
    settings = {"full": setting(3) | {"among": {"relatives": ["roots", "full"]}}}
    zoo = Zoo(experiment(settings))
    children = [child.id for child in zoo.children("full")]
    assert zoo.candidates("full") == ["p0", "p1"]
    assert zoo.among("full") == {"relatives": ["p0", "p1", *children]}
    assert zoo.compared("full") == ["p0", "p1", *children]
    assert zoo_of(3).compared("full") == ["p0", "p1"]
