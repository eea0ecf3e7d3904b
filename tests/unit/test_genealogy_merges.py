"""Merges are known by their recipe, parents and weights, among decoys; what was only trained is no merge."""

import numpy as np
import pytest
from merged_models import MERGINGS, average, dare, recipe_of
from small_networks import child_of, network, save_all

import lineage
from lineage.genealogy.arborescence import NO_PARENT
from lineage.genealogy.build import below_themselves
from lineage.genealogy.distances.geometry import Nearest
from lineage.genealogy.merges.find import merges_of
from lineage.genealogy.merges.linear import on_plane, solved
from lineage.genealogy.merges.passthrough import covering
from lineage.genealogy.merges.patched import coordinates
from lineage.genealogy.merges.types import Mixing, Recipe

PARENT = {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 4, 7: 0}
SIZE, GRID = 64, np.float32(2**12)
FIRST, SECOND, MERGED = 2, 7, 8
PLACES = {"base": 0, "first": FIRST, "second": SECOND}
ANCESTOR = {(parent, child): 0.9 for child, parent in PARENT.items()}


def grown(seed: int) -> np.ndarray:
    """Matrices [n, SIZE, SIZE]: a parent's plus a change of its own."""
    draw = np.random.default_rng(seed)
    found = [draw.normal(size=(SIZE, SIZE))]
    for parent in PARENT.values():
        found.append(found[parent] + 0.3 * draw.normal(size=(SIZE, SIZE)))
    return np.stack(found)


def points_with(merge, seed: int, *, dtype=np.float32) -> list[np.ndarray]:
    found = []
    for number in range(2):
        matrices = grown(10 * seed + number).astype(np.float32)
        merged = merge(*(matrices[place].astype(float) for place in PLACES.values()))
        found.append(np.concatenate([matrices, merged.astype(dtype)[None]]).astype(np.float32))
    return found


def found_in(points: list[np.ndarray], ancestor=ANCESTOR) -> dict:
    flat = np.concatenate([matrices.reshape(len(matrices), -1) for matrices in points], axis=1)
    apart = ((flat[:, None] - flat[None]) ** 2).sum(2)
    np.fill_diagonal(apart, np.inf)
    places = np.argsort(apart, axis=1)[:, :-1]
    return merges_of(
        points, coordinates(points), Nearest(places, np.take_along_axis(apart, places, axis=1)), ancestor
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", MERGINGS)
def test_a_merge_has_its_recipe_parents_and_weights_among_decoys(kind, seed):
    merge, wanted = MERGINGS[kind]
    found = found_in(points_with(merge, seed))
    assert list(found) == [MERGED]
    mixing = found[MERGED]
    assert mixing.recipe == recipe_of(kind)
    assert mixing.weights == {
        PLACES[part]: pytest.approx(weight, abs=0.02) for part, weight in wanted.items()
    }
    assert mixing.error < 0.01
    assert mixing.base == (0 if recipe_of(kind) in ("WiSE-FT", "task arithmetic", "TIES", "DARE") else None)


@pytest.mark.parametrize("kind", ["average", "weighted average", "SLERP", "TIES"])
def test_a_merge_whose_base_is_not_here_has_its_parents(kind):
    merge, wanted = MERGINGS[kind]
    points = [matrices[1:] for matrices in points_with(merge, 3)]
    shifted = {(parent - 1, child - 1): value for (parent, child), value in ANCESTOR.items() if parent}
    found = found_in(points, shifted)
    assert list(found) == [MERGED - 1]
    assert found[MERGED - 1].weights == {
        PLACES[part] - 1: pytest.approx(weight, abs=0.02) for part, weight in wanted.items()
    }


@pytest.mark.parametrize("kind", ["task arithmetic", "DARE"])
def test_of_a_merge_that_needs_its_base_nothing_is_said_without_it(kind):
    points = [matrices[1:] for matrices in points_with(MERGINGS[kind][0], 4)]
    assert found_in(points, {}) == {}


BESIDE = [
    ("average", ("base", "first")),
    ("average", ("base", "second")),
    ("weighted average", ("base", "first")),
    ("weighted average", ("first", "second")),
    ("WiSE-FT", ("first", "second")),
    ("WiSE-FT", ("base", "second")),
    ("task arithmetic", ("base", "first")),
    ("task arithmetic, strong", ("base", "first")),
    ("task arithmetic, strong", ("first", "second")),
]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("kind", "averaged"), BESIDE)
def test_another_merge_of_the_same_models_is_no_parent(kind, averaged, order, seed):
    merge, wanted = MERGINGS[kind]
    points = points_with(merge, 30 + seed)
    for number, matrices in enumerate(points):
        mean = sum(matrices[PLACES[part]].astype(float) for part in averaged) / 2
        points[number] = np.concatenate([matrices, mean[None].astype(np.float32)])[::order]
    last = len(points[0]) - 1

    def place(number: int) -> int:
        return number if order == 1 else last - number

    found = found_in(
        points, {(place(above), place(below)): share for (above, below), share in ANCESTOR.items()}
    )
    assert {child: dict(mixing.weights) for child, mixing in found.items()} == {
        place(MERGED): {place(PLACES[part]): pytest.approx(share) for part, share in wanted.items()},
        place(MERGED + 1): {place(PLACES[part]): pytest.approx(0.5) for part in averaged},
    }
    assert found[place(MERGED)].recipe == recipe_of(kind)


@pytest.mark.parametrize("kind", ["average", "WiSE-FT", "task arithmetic, strong"])
def test_a_rounded_copy_of_a_merge_hides_none_of_its_parents(kind):
    merge, wanted = MERGINGS[kind]
    points = [
        np.concatenate([matrices, np.round(matrices[-1:] * GRID) / GRID])
        for matrices in points_with(merge, 40)
    ]
    assert found_in(points)[MERGED].weights == {
        PLACES[part]: pytest.approx(share, abs=1e-3) for part, share in wanted.items()
    }


@pytest.mark.parametrize("between", [[0.5], [0.25, 0.5, 0.75], [0.06, 0.2, 0.4, 0.5, 0.7, 0.94], [0.85, 0.9]])
def test_of_models_on_one_line_those_between_are_merges_of_the_ends_which_are_none(between):
    shares = dict(enumerate(between, start=MERGED))
    points = []
    for number in range(2):
        matrices = grown(50 + number).astype(np.float32)
        merges = [(1 - share) * matrices[FIRST] + share * matrices[SECOND] for share in shares.values()]
        points.append(np.concatenate([matrices, merges]).astype(np.float32))
    assert {child: dict(mixing.weights) for child, mixing in found_in(points).items()} == {
        child: {FIRST: pytest.approx(1 - share), SECOND: pytest.approx(share)}
        for child, share in shares.items()
    }


def test_a_strong_merge_is_found_beyond_an_average_of_its_parents_on_a_line_with_the_base():
    weights = {0: -0.4, FIRST: 0.7, SECOND: 0.7}
    points = []
    for number in range(2):
        matrices = grown(60 + number).astype(np.float32)
        average = (matrices[FIRST] + matrices[SECOND]) / 2
        strong = sum(np.float32(weight) * matrices[place] for place, weight in weights.items())
        points.append(np.concatenate([matrices, average[None], strong[None]]))
    found = found_in(points)
    assert found[MERGED].weights == {FIRST: pytest.approx(0.5), SECOND: pytest.approx(0.5)}
    assert found[MERGED + 1].weights == {
        place: pytest.approx(weight, abs=1e-3) for place, weight in weights.items()
    }


def test_a_model_of_zeros_is_no_merge():
    points = [np.concatenate([grown(70 + number), np.zeros((1, SIZE, SIZE))]) for number in range(2)]
    assert found_in([matrices.astype(np.float32) for matrices in points]) == {}


def test_the_share_that_dare_drops_is_known():
    mixing = found_in(points_with(dare, 5))[MERGED]
    assert mixing.left_out == pytest.approx(0.6, abs=0.02)


def test_an_average_in_half_precision_is_one():
    mixing = found_in(points_with(average, 6, dtype=np.float16))[MERGED]
    assert mixing.weights == {FIRST: pytest.approx(0.5, abs=0.01), SECOND: pytest.approx(0.5, abs=0.01)}


def test_a_corner_of_a_parallelogram_is_a_merge_only_beside_its_known_base():
    def corner(base, first, second):
        return first + second - base

    assert found_in(points_with(corner, 7), {}) == {}
    mixing = found_in(points_with(corner, 7))
    assert {place: dict(found.weights) for place, found in mixing.items()} == {
        MERGED: {0: pytest.approx(-1), FIRST: pytest.approx(1), SECOND: pytest.approx(1)}
    }


@pytest.mark.parametrize("seed", range(3))
def test_of_two_models_that_may_each_be_the_others_base_one_is_the_merge(seed):
    undecided = {(above, below): 0.5 for above in (0, MERGED) for below in (FIRST, SECOND)}
    found = found_in(points_with(MERGINGS["task arithmetic, strong"][0], 20 + seed), undecided)
    assert {place: mixing.base for place, mixing in found.items()} == {MERGED: 0}


@pytest.mark.parametrize("seed", range(6))
def test_trained_pruned_and_frozen_models_are_no_merges(seed):
    points = []
    for number in range(2):
        matrices = grown(100 + 10 * seed + number)
        pruned = np.where(np.abs(matrices[4]) > 0.3, matrices[4], 0)
        frozen = (
            matrices[1] if number else matrices[1] + np.random.default_rng(seed).normal(size=(SIZE, SIZE))
        )
        points.append(np.concatenate([matrices, pruned[None], frozen[None]]).astype(np.float32))
    assert found_in(points) == {}


def test_mixtures_are_those_of_least_squares():
    draw = np.random.default_rng(0)
    parts, mixed = draw.normal(size=(4, 50)), draw.normal(size=50)
    together = np.vstack([parts, mixed])
    products = together @ together.T
    np.testing.assert_allclose(solved(products), np.linalg.lstsq(parts.T, mixed, rcond=None)[0], atol=1e-9)
    differences = (parts[1:] - parts[0]).T
    others = np.linalg.lstsq(differences, mixed - parts[0], rcond=None)[0]
    np.testing.assert_allclose(on_plane(products), [1 - others.sum(), *others], atol=1e-9)


def test_few_models_cover_all_matrices():
    sources = {"a": {1: "a", 2: "a"}, "b": {1: "b"}, "c": {3: "c", 2: "c"}, "d": {1: "d", 3: "d"}}
    assert covering(sources) == [1, 2]


@pytest.fixture(scope="module")
def of_layers(tmp_path_factory):
    """A root, three children, a model of two children's layers in turn, and a child with one frozen layer."""
    folder = tmp_path_factory.mktemp("layers")
    models = {"root": network(3)}
    for number, name in enumerate("abc"):
        models[name] = child_of(models["root"], number)
    models["stack"] = {
        name: models["b" if name.startswith("layer1") else "a"][name] for name in models["root"]
    }
    models["frozen"] = child_of(models["root"], 7) | {"layer0.weight": models["root"]["layer0.weight"]}
    save_all(folder, models)
    return lineage.tree(folder, store_digests=False)


def test_a_passthrough_merge_says_which_layers_come_from_where(of_layers):
    (merge,) = of_layers.merges
    assert (merge.child, merge.recipe) == ("stack", "passthrough")
    assert merge.layers == {
        "layer0.weight": ("a", "layer0.weight"),
        "layer1.weight": ("b", "layer1.weight"),
        "layer2.weight": ("a", "layer2.weight"),
    }
    assert {edge.parent: edge.weight for edge in of_layers.edges if edge.kind == "merged"} == {
        "a": pytest.approx(2 / 3),
        "b": pytest.approx(1 / 3),
    }


def test_edges_along_which_a_merges_parent_descends_from_it_are_named():
    mixing = Mixing(recipe=Recipe.AVERAGE, error=0.0, weights={3: 0.5, 4: 0.5})
    parents = {0: NO_PARENT, 1: 5, 2: 1, 3: 2, 4: 0, 5: NO_PARENT}
    assert below_themselves(parents, {5: mixing}) == {(5, 1)}
    assert below_themselves(parents | {1: 0}, {5: mixing}) == frozenset()
