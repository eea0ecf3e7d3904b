"""Cases from families: what is true of them, by hand; and the table, from verdicts by hand."""

import numpy as np
import pandas as pd
import pytest
from small_networks import save_all

from lineage.auditing.audit import Settings
from lineage.families.cases import tree
from lineage.families.cases.audited import audited_family, within
from lineage.families.cases.changes import copy_of, mixed, with_fixed
from lineage.families.cases.lines import FIXED, LINES, SHARES, Case, Member, cases_of
from lineage.families.cases.random_lines import cases_of_tree
from lineage.families.cases.scored import MEASURES, bench_rows
from lineage.families.plan import Family
from lineage.families.random_trees import RandomTree
from lineage.storage.family_schemas import BENCH, VERDICTS

FAMILY = Family(architecture="mlp", optimiser="sgd", seed=0, width=64, epoch_steps=4)
STRANGER = Family(architecture="mlp", optimiser="adam", seed=2, width=64, epoch_steps=4)
ALL_CASES = cases_of(FAMILY, [STRANGER], 1000)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("c.sgd", "c.lora", "root"),
        ("gg", "c.adamw", "c.adamw"),
        ("gg", "g.light", "root"),
        ("task.data", "gg", "init"),
        ("line.2", "line.5", "line.2"),
        ("line.1", "root", "init"),
        ("scratch", "root", None),
    ],
)
def test_where_two_lines_of_descent_part(first, second, shared):
    assert tree.common_ancestor(first, second) == tree.common_ancestor(second, first) == shared


@pytest.mark.parametrize(
    ("child", "candidates", "closest"),
    [
        ("gg", ["root", "g.adamw", "c.adamw"], {"g.adamw"}),
        ("gg", ["root", "g.light", "task.data"], {"root"}),
        ("c.sgd", ["c.lora", "g.light", "task.data"], {"c.lora", "g.light"}),
        ("line.3", ["line.1", "line.2", "line.4"], {"line.4"}),
        ("root", ["scratch"], set()),
    ],
)
def test_the_closest_leaves_the_childs_line_last(child, candidates, closest):
    """A descendant of the child has not left it at all."""
    assert tree.closest(child, candidates) == closest


@pytest.mark.parametrize(
    ("start", "child", "between"),
    [
        ("root", "gg", {"c.adamw", "g.adamw"}),
        ("init", "c.sgd", {"root"}),
        ("c.sgd", "g.light", {"root", "c.light"}),
        ("g.light", "c.sgd", {"c.light", "root"}),
        ("g.adamw", "root", {"c.adamw"}),
        ("line.5", "line.2", {"line.3", "line.4"}),
        ("root", "c.sgd", set()),
        ("scratch", "root", set()),
    ],
)
def test_the_way_leads_up_to_where_two_lines_part_and_down_again(start, child, between):
    assert {model for model in tree.PARENT_OF if tree.is_on_the_way(start, model, child)} == between


def test_no_case_asks_for_itself_or_names_a_parent_that_is_no_candidate():
    for case in ALL_CASES:
        ids = [member.id for member in case.candidates]
        assert case.child.id not in ids
        assert len(set(ids)) == len(ids) > 0
        assert case.parent is None or case.parent in ids
        assert {case.claimed} <= {"", *ids}


def test_what_must_not_be_named_is_never_the_parent():
    for case in ALL_CASES:
        assert case.parent not in case.never


def test_the_lines_of_the_table_are_those_that_are_measured():
    lines = {case.line for case in ALL_CASES}
    of_trees = {case.line for case in cases_of_tree(RandomTree(architecture="mlp", seed=0))}
    assert lines | of_trees == {measure.case for measure in MEASURES}
    few = cases_of(FAMILY, [STRANGER], 2)
    counts = pd.Series([case.line for case in few]).value_counts()
    assert set(counts.index) == lines
    assert (counts == 2).all()
    assert len(few) == 2 * (len(LINES) - 1 + len(SHARES))


def test_siblings_only_hold_no_ancestor_and_descendants_only_no_other():
    for case in ALL_CASES:
        above = {f"{FAMILY.id}/{model}" for model in tree.line_of_descent(case.child.model)}
        own = {member.id for member in case.candidates if member.family == FAMILY.id}
        if case.line in ("siblings only", "LoRA and L2-SP siblings only", "same initialisation only"):
            assert own
            assert not above & own
        if case.line == "descendants as candidates":
            assert set(case.never) >= own


def weights(draw: np.random.Generator, columns: int = 40) -> dict[str, np.ndarray]:
    names = {"a.weight": (64, columns), "a.bias": (64,), "b.weight": (64, 64), "head.weight": (10, 64)}
    return {name: draw.standard_normal(shape).astype(np.float32) for name, shape in names.items()}


def test_a_pruned_copy_has_a_share_of_zeros_and_is_else_the_same():
    state = weights(np.random.default_rng(0))
    pruned = copy_of(state, "pruned")
    assert (pruned["a.weight"] == 0).mean() == pytest.approx(0.3, abs=0.01)
    left = pruned["a.weight"] != 0
    assert (pruned["a.weight"] == state["a.weight"])[left].all()
    assert np.abs(state["a.weight"][~left]).max() <= np.abs(state["a.weight"][left]).min()
    assert (pruned["head.weight"] == state["head.weight"]).all()


def test_an_int8_copy_has_few_values_a_row_and_is_off_by_half_a_step():
    state = weights(np.random.default_rng(0))
    values, rounded = state["b.weight"], copy_of(state, "int8")["b.weight"]
    steps = np.abs(values).max(1, keepdims=True) / 127
    assert (np.abs(rounded - values) <= steps * 0.5001).all()
    assert all(len(np.unique(row)) <= 255 for row in rounded)


def test_a_mixture_is_between_the_two_where_the_shapes_agree():
    first, second = weights(np.random.default_rng(0)), weights(np.random.default_rng(1), columns=30)
    found = mixed(first, second, 0.25)
    np.testing.assert_allclose(
        found["b.weight"], 0.75 * first["b.weight"] + 0.25 * second["b.weight"], rtol=1e-5
    )
    assert found["a.weight"] is first["a.weight"]


@pytest.mark.parametrize("kind", FIXED)
def test_fixed_weights_are_alike_in_networks_that_share_nothing(kind):
    first, second = (with_fixed(weights(np.random.default_rng(seed)), kind, seed) for seed in (0, 1))
    one_front, two_front = (np.abs(state[f"front.{kind}.weight"]).ravel() for state in (first, second))
    assert np.corrcoef(one_front, two_front)[0, 1] > 0.1
    alone = with_fixed(weights(np.random.default_rng(0)), f"{kind} alone", 0)
    assert [name for name in alone if name.endswith("weight")] == [f"front.{kind}.weight", "head.weight"]


def test_the_share_within_which_a_child_branched_off_by_hand():
    """The candidate moved 3 by a way of its own, the child 4 and 3: 3 / 5."""
    start = {"w": np.zeros((2, 2), np.float32), "head.weight": np.zeros((2, 2), np.float32)}
    candidate = start | {"w": np.array([[3, 0], [0, 0]], np.float32)}
    child = start | {"w": np.array([[0, 4], [3, 0]], np.float32), "head.weight": np.ones((2, 2), np.float32)}
    assert within(candidate, start, child) == pytest.approx(0.6)
    assert within(start, start, child) == 0
    assert within(candidate, start, start) == np.inf


def test_an_audited_case_says_what_is_true_and_what_the_verdict_was(tmp_path):
    draw = np.random.default_rng(0)
    root = weights(draw)
    child = {
        name: values + 0.05 * draw.standard_normal(values.shape).astype(np.float32)
        for name, values in root.items()
    }
    save_all(tmp_path, {"root": root, "c.sgd": child, "scratch": weights(draw)})
    members = {name: Member(family=FAMILY.id, model=name) for name in ("root", "c.sgd", "scratch")}
    of_child = Case(
        line="parent and roots",
        child=members["c.sgd"],
        candidates=[members["root"], members["scratch"]],
        parent=members["root"].id,
    )
    of_stranger = Case(line="independent networks", child=members["scratch"], candidates=[members["root"]])
    cases, folders = [of_child, of_stranger], {FAMILY.id: tmp_path}
    first, second = audited_family(FAMILY, cases, folders, Settings())
    assert first["closest"] == first["parent"] == f"{FAMILY.id}/root"
    assert first["closest_right"]
    assert first["closest_within"] == 0
    assert first["dependent"] == 1
    assert (second["word"], second["dependent"], second["closest_right"]) == ("none of these", 0, None)
    assert {*first, "fitted_on"} == set(VERDICTS.names)


def verdicts(**changes: list) -> pd.DataFrame:
    """Rows of the table of verdicts; each line of `siblings only`, nothing named."""
    count = len(next(iter(changes.values())))
    rows = {
        "line": "siblings only", "family": [f"f{number}" for number in range(count)], "architecture": "mlp",
        "optimiser": "sgd", "parent": None, "never": [[]] * count, "named": None, "is_same": False, "bound": np.nan,
        "closest_within": np.nan, "named_within": np.nan, "closest_right": True, "is_contradicted": False,
        "dependent": 1, "seconds": 1.0, "fitted_on": "x",
    }  # fmt: skip
    return pd.DataFrame(rows | changes, index=range(count))


def value(rows: pd.DataFrame, metric: str) -> float:
    table = pd.DataFrame(bench_rows(rows))
    assert set(table.columns) <= set(BENCH.names)
    found = table[
        (table["metric"] == metric) & (table["architecture"] == "all") & (table["optimiser"] == "all")
    ]
    return float(found["value"].iloc[0])


def test_a_sibling_named_as_parent_is_wrong_unless_a_small_and_true_bound_is_stated():
    """Nothing named; no bound; a false one; a large one; a true one."""
    rows = verdicts(
        named=[None, "s", "s", "s", "s"],
        bound=[np.nan, np.nan, 0.1, 0.5, 0.3],
        named_within=[np.nan, 0.2, 0.2, 0.2, 0.2],
    )
    assert value(rows, "wrong parent") == 3 / 5
    assert value(rows, "wrong parent, whatever the bound") == 4 / 5


def test_a_decoy_that_is_named_counts_and_apart_from_it_one_beyond_the_bound():
    """Nothing named; the parent; a decoy that is nearer to the parent than is stated; one that is not."""
    rows = verdicts(
        line=["framing by 5 %"] * 4,
        parent=["p"] * 4,
        never=[["d"]] * 4,
        named=[None, "p", "d", "d"],
        bound=[np.nan, 0.3, 0.3, 0.3],
        named_within=[np.nan, 0.0, 0.1, 0.4],
    )
    assert value(rows, "decoy named") == 2 / 4
    assert value(rows, "decoy named, beyond the bound") == 1 / 4


def test_a_grandparent_that_is_named_is_wrong_beside_the_parent_and_else_within_its_bound():
    rows = verdicts(parent=["p", None], named=["g", "g"], bound=[0.3, 0.3], named_within=[0.0, 0.0])
    assert value(rows, "wrong parent") == 1 / 2
    assert value(rows, "wrong parent, whatever the bound") == 2 / 2


def test_a_bound_is_judged_by_the_closest_where_both_are_known():
    rows = verdicts(bound=[0.1, 0.2, 0.3, np.nan], closest_within=[0.05, 0.3, np.nan, 0.1])
    assert value(rows, "bound is true") == 1 / 2
