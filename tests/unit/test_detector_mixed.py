"""The mixed detector: what it sees, what it may not depend on, and whom it names."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage.detector import geometry as seeing
from lineage.detector.geometry import OF_CANDIDATE, OF_PAIR, Geometry
from lineage.detector.mixed_answers import mixed_predictions
from lineage.detector.mixed_episodes import ABSENT_SHARE, Lines, pools_of
from lineage.detector.mixed_model import MixedNetwork, batched
from lineage.detector.mixed_training import Children, mixed_logits, train_mixed
from lineage.errors import UserError
from lineage.experiment.conditions import ABSENT, NO_PARENT, PRESENT, STANDARD
from lineage.progress import untracked
from lineage.types.evaluation import DetectorModels, MixedModels

PARENTS = {"a": "root", "b": "root", "aa": "a", "ab": "a", "aaa": "aa"}
EVERYONE = ["root", "stranger", "second stranger", *PARENTS]


def points(number: int, D: int = 60, seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {f"m{place}": torch.randn(6, D // 6, generator=draw) for place in range(number)}


def seen_in_numpy(child: np.ndarray, candidates: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """By the definitions, one pair at a time, from the weights themselves."""

    def shape(w: np.ndarray) -> np.ndarray:
        rms = np.sqrt(np.mean(w**2))
        return np.log([rms, np.mean(abs(w)) / rms, np.mean((w / rms) ** 4), abs(w).max() / rms])

    norm = child @ child
    distances = [np.sum((a - child) ** 2) / norm for a in candidates]
    logs = np.log(distances)
    own = [
        [
            logs[place],
            logs[place] - logs.min(),
            logs[place] - logs.mean(),
            a @ child / np.linalg.norm(a) / np.linalg.norm(child),
            np.mean(a == child),
            np.log(np.mean(abs(a - child)) / np.sqrt(np.mean((a - child) ** 2))),
            *(shape(a) - shape(child)),
        ]
        for place, a in enumerate(candidates)
    ]
    pairs = np.zeros((len(candidates), len(candidates), OF_PAIR))
    for i, a in enumerate(candidates):
        for j, b in enumerate(candidates):
            if i != j:
                product = (a - child) @ (b - child) / norm
                apart = np.sum((a - b) ** 2) / norm
                pairs[i, j] = [
                    product / distances[i],
                    product / distances[j],
                    product / np.sqrt(distances[i] * distances[j]),
                    np.log(apart / (distances[i] + distances[j])),
                    np.log(apart / distances[i]),
                    np.mean(a == b) - np.mean(a == child),
                    np.mean(a == b) - np.mean(b == child),
                    logs[i] - logs[j],
                ]
    return np.array(own), pairs


def test_what_is_seen_follows_from_the_weights_themselves():
    models = points(5)
    models["m1"][0] = models["m0"][0]  # equal entries
    found = Geometry([models], list(models)).seen("m0", ["m3", "m1", "m4"])
    flat = {name: values.double().numpy().ravel() for name, values in models.items()}
    expected = seen_in_numpy(flat["m0"], [flat[name] for name in ("m3", "m1", "m4")])
    np.testing.assert_allclose(found[0][:, 0], expected[0], rtol=1e-4, atol=1e-5)
    apart = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(found[1][:, :, 0][apart], expected[1][apart], rtol=1e-4, atol=1e-5)


def test_of_large_layers_rows_evenly_spaced_are_seen(monkeypatch):
    models = points(4)
    monkeypatch.setattr(seeing, "MOST_ENTRIES", 30)
    some = Geometry([models], list(models)).seen("m0", ["m1", "m2"])
    monkeypatch.undo()
    rows = Geometry([{name: values[::2] for name, values in models.items()}], list(models))
    assert all(map(torch.equal, some, rows.seen("m0", ["m1", "m2"])))


def test_a_copy_and_a_network_of_zeros_are_seen_as_finite_numbers():
    models = points(3) | {"copy": points(3)["m0"].clone(), "zeros": torch.zeros(6, 10)}
    geometry = Geometry([models], list(models))
    for child in ("m0", "zeros"):
        seen = geometry.seen(child, [name for name in models if name != child])
        assert all(numbers.isfinite().all() for numbers in seen)


def random_seen(P: int, L: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(P, L, OF_CANDIDATE, generator=draw), torch.randn(P, P, L, OF_PAIR, generator=draw)


def network(seed: int = 0) -> MixedNetwork:
    torch.manual_seed(seed)
    return MixedNetwork(8).eval()


@settings(max_examples=15, deadline=None)
@given(order=st.integers(2, 7).flatmap(lambda count: st.permutations(range(count))))
@torch.no_grad()
def test_reordering_the_candidates_reorders_their_logits_and_leaves_that_of_none(order):
    own, pairs = random_seen(len(order))
    (logits,) = network()(*batched([(own, pairs)]))
    (reordered,) = network()(*batched([(own[order], pairs[order][:, order])]))
    torch.testing.assert_close(reordered, logits[[*order, len(order)]], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_childs_logits_do_not_depend_on_those_beside_it():
    few, many = random_seen(3), random_seen(6, seed=1)
    alone, together = network()(*batched([few]))[0], network()(*batched([few, many]))[0]
    torch.testing.assert_close(together[[0, 1, 2, 6]], alone, rtol=1e-4, atol=1e-5)
    assert (together[3:6] < -1e8).all()


def test_the_nearest_ancestor_is_found_wherever_it_stands():
    lines = Lines(PARENTS)
    assert lines.ancestors("aaa") == ["aa", "a", "root"]
    assert lines.nearest("aaa", ["root", "b", "a", "ab"]) == 2
    assert lines.nearest("aaa", ["stranger", "ab", "b"]) == 3, (
        "neither an uncle nor a stranger is an ancestor"
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), most=st.integers(2, 8))
def test_a_draw_is_of_one_pool_without_the_child(seed, most):
    pool = [model for model in EVERYONE if model != "aaa"]
    drawn = Lines(PARENTS).drawn("aa", [pool], torch.Generator().manual_seed(seed), most)
    assert set(drawn) <= set(pool) - {"aa"}
    assert len(set(drawn)) == len(drawn)
    assert 2 <= len(drawn) <= most


def test_a_quarter_of_the_draws_have_no_ancestor_and_most_of_the_rest_have():
    lines, draw = Lines(PARENTS), torch.Generator().manual_seed(0)
    pool = ["root", *(f"stranger {number}" for number in range(40))]
    drawn = [lines.drawn("a", [pool], draw) for _ in range(400)]
    share = sum("root" not in candidates for candidates in drawn) / len(drawn)
    assert ABSENT_SHARE < share < ABSENT_SHARE + 0.2


def family(number: int, D: int = 300) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """A root, four children that partly drift together, and a child of each of these."""
    draw = torch.Generator().manual_seed(number)
    random = lambda size: size * torch.randn(1, D, generator=draw)  # noqa: E731
    root, drift = f"p{number}", random(0.4)
    weights, parents = {root: random(1.0)}, {}
    for place in range(4):
        child = f"{root}.c{place}"
        weights[child], parents[child] = weights[root] + drift + random(0.2), root
        weights[f"{root}.g{place}"], parents[f"{root}.g{place}"] = weights[child] + random(0.2), child
    return weights, parents


FAMILIES = [family(number) for number in range(9)]
WEIGHTS = {name: values for weights, _ in FAMILIES for name, values in weights.items()}
PARENT_OF = {child: parent for _, parents in FAMILIES for child, parent in parents.items()}
GEOMETRY = Geometry([WEIGHTS], list(WEIGHTS))
LINES = Lines(PARENT_OF)


def of_families(*numbers: int) -> list[str]:
    return [name for number in numbers for name in FAMILIES[number][0]]


@pytest.fixture(scope="module")
def trained() -> MixedNetwork:
    def pools(*numbers: int) -> dict[str, list[list[str]]]:
        everyone = of_families(*numbers)
        return {child: [everyone] for child in everyone if child in PARENT_OF}

    torch.manual_seed(0)
    detector = MixedNetwork()
    history = train_mixed(
        detector, GEOMETRY, LINES, Children(train=pools(0, 1, 2, 3), validation=pools(4)), 0, untracked
    )
    assert min(loss for _, loss in history) < history[0][1]
    return detector


def named(detector: MixedNetwork, child: str, candidates: list[str]) -> str:
    return [*candidates, NO_PARENT][int(mixed_logits(detector, GEOMETRY, child, candidates).argmax())]


UNSEEN = [child for child in of_families(5, 6, 7, 8) if child in PARENT_OF]


def test_the_parent_is_named_among_siblings_that_are_nearer_in_families_never_seen(trained):
    """Siblings share most of their way, so the nearest candidate is a sibling."""
    for child in (child for child in UNSEEN if ".c" in child):
        candidates = [name for name in of_families(5, 6, 7, 8) if name != child and ".g" not in name]
        nearest = min(candidates, key=lambda name: (WEIGHTS[name] - WEIGHTS[child]).norm())
        assert nearest != PARENT_OF[child]
        assert named(trained, child, candidates) == PARENT_OF[child]


def test_a_grandparent_is_named_where_it_is_the_nearest_ancestor_that_is_there(trained):
    roots = [f"p{number}" for number in (5, 6, 7, 8)]
    for root in roots:
        assert named(trained, f"{root}.g0", roots) == root
        assert (
            named(trained, f"{root}.g0", [*roots, *(f"{root}.c{place}" for place in range(4))])
            == f"{root}.c0"
        )


def test_nobody_is_named_where_no_ancestor_is_there(trained):
    for child in UNSEEN:
        family, _, _ = child.partition(".")
        strangers = [name for name in of_families(5, 6, 7, 8) if not name.startswith(family)]
        assert named(trained, child, strangers) == NO_PARENT


# In an experiment


def models(part: str = "test") -> MixedModels:
    roots = ("root", "stranger", "second stranger")
    first = DetectorModels(
        parents={"a": "root", "b": "root"},
        candidates=roots,
        unseen=(),
        parts={"a": part, "b": "train"},
        counts=(),
        ancestors={"among relatives": (*roots, "a", "b")},
    )
    second = DetectorModels(
        parents={"aa": "a"},
        candidates=(*roots, "a", "b"),
        unseen=(),
        parts={"aa": part},
        counts=(2,),
        ancestors={"ancestor in roots": roots},
    )
    return MixedModels(
        parents={"a": "root", "b": "root", "aa": "a"},
        trained=("first", "second"),
        settings={"first": first, "second": second},
    )


def test_pools_are_those_of_all_conditions_the_roots_and_whatever_does_not_descend_from_the_child():
    roots = ["root", "stranger", "second stranger"]
    pools = pools_of(models(), Lines(models().parents), "test")
    in_order = sorted(roots)
    assert pools["a"] == [roots, [*roots, "a", "b"], in_order, [*in_order, "a", "b"]]
    assert pools["aa"] == [[*roots, "a", "b"], roots, in_order, [*in_order, "a", "b", "aa"]]
    assert set(pools_of(models(), Lines(models().parents), "train")) == {"b"}


def test_it_answers_for_every_condition_but_an_absent_parent_beside_a_grandparent():
    asked = models()
    weights = points(len(asked.everyone))
    geometry = Geometry([dict(zip(asked.everyone, weights.values(), strict=True))], asked.everyone)
    rows = list(mixed_predictions(network(), geometry, Lines(asked.parents), asked, 0))
    conditions = {(row["child"], row["condition"]) for row in rows}
    assert conditions == {
        *(("a", condition) for condition in (STANDARD, ABSENT, PRESENT, "among relatives")),
        *(("aa", condition) for condition in (STANDARD, "2 candidates", "ancestor in roots")),
    }
    for child, condition in conditions:
        answers = [row for row in rows if (row["child"], row["condition"]) == (child, condition)]
        assert sum(row["probability"] for row in answers) == pytest.approx(1)
        assert answers[-1]["candidate"] == NO_PARENT
        assert child not in {row["candidate"] for row in answers}


def test_without_enough_candidates_there_is_an_error_that_says_what_to_add():
    with pytest.raises(UserError, match=r"detector\.mixed: expected children to train on .* add roots"):
        train_mixed(network(), GEOMETRY, LINES, Children(train={}, validation={}), 0, untracked)
