"""Views of candidates: what pruned copies and those that were trained further answer, and what they are good for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from asking_networks import DIGITS, SIZE, unrelated_functions
from torch import nn
from torch.nn.functional import cross_entropy

import lineage
from lineage.asking.checking import check_follows, differences
from lineage.asking.choosing.networks import answers_of, pruned, trained_further
from lineage.asking.files import read_query_set, write_query_set
from lineage.asking.methods import LOGIT, Evidence
from lineage.asking.queryset import PRUNED, TRAINED, VIEWS, QuerySet
from lineage.asking.verdict import together
from lineage.errors import UserError

NORMAL = {"mean": None, "std": None}


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = nn.Sequential(
        nn.Flatten(), nn.Linear(SIZE**2, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 10)
    )
    with torch.no_grad():  # random hidden layers that answer more than their bias
        layers[4].weight.mul_(5)
    return layers.eval()


@pytest.fixture(scope="module")
def candidates() -> dict[str, nn.Module]:
    return {f"p{seed}": network(seed) for seed in range(9)}


@pytest.fixture(scope="module")
def queries(candidates) -> QuerySet:
    return lineage.ask(candidates, budget=100, **DIGITS)


@pytest.mark.parametrize("share", [0.35, 0.65])
def test_a_pruned_copy_lacks_the_smallest_weights_of_each_matrix_and_nothing_else(share):
    net = network(0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = pruned(net, share).state_dict()
    for name, value in before.items():
        expected = value.numpy().copy()
        if value.ndim > 1:
            order = np.argsort(np.abs(expected), axis=None)
            expected.reshape(-1)[order[: int(share * expected.size)]] = 0
        assert np.array_equal(found[name].numpy(), expected)
        assert torch.equal(net.state_dict()[name], value)


def test_a_copy_that_is_trained_further_comes_nearer_to_what_it_learns_and_the_network_stays():
    net, random = network(0), np.random.default_rng(0)
    images = random.integers(0, 256, (300, SIZE, SIZE, 1), dtype=np.uint8)
    target = np.exp(answers_of(network(1), images, **NORMAL)[0])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first, same, other = (
        trained_further(net, images, target, np.random.default_rng(seed), **NORMAL) for seed in (0, 0, 1)
    )

    def far(copy: nn.Module) -> float:
        return float(cross_entropy(torch.tensor(answers_of(copy, images, **NORMAL)[0]), torch.tensor(target)))

    least = float(-(target * np.log(target)).sum(1).mean())
    assert far(first) - least < 0.7 * (far(net) - least)
    assert torch.equal(first[1].weight, same[1].weight)
    assert not torch.equal(first[1].weight, other[1].weight)
    assert torch.equal(first[2].running_mean, net[2].running_mean)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_views_are_what_the_copies_answer_to_the_queries(candidates, queries):
    assert set(queries.views) == set(VIEWS)
    for name, share in PRUNED.items():
        for place, id in enumerate(queries.plan.ids):
            logs = answers_of(pruned(candidates[id], share), queries.images, **NORMAL)[0]
            assert queries.views[name][place] == pytest.approx(logs, abs=0.02)
    assert np.exp(queries.views[TRAINED].astype(float)).sum(2) == pytest.approx(1, abs=0.01)


def test_functions_have_no_views_and_are_answered_without():
    queries = lineage.ask(unrelated_functions(9), budget=100, **DIGITS)
    assert queries.views == {}
    assert "trained further" not in lineage.answer(queries, queries.outputs[2].argmax(1)).method


def test_most_pruned_children_are_nearest_to_their_parent_by_its_pruned_copies(candidates, queries):
    """Of nine, one would be by chance."""
    firsts = 0
    for name, candidate in candidates.items():
        said = answers_of(pruned(candidate, 0.75), queries.images, **NORMAL)[0].argmax(1)
        found = lineage.answer(queries, said)
        firsts += found.candidates[0].id == name
        assert "pruned by 65 %" in found.method
    assert firsts >= 5


def test_views_are_committed_to_and_verified(queries, tmp_path):
    write_query_set(queries, tmp_path / "queries")
    held, stated = read_query_set(tmp_path / "queries")
    check_follows(held, stated)
    forged = replace(held, views=held.views | {TRAINED: held.views[TRAINED][:, ::-1]})
    with pytest.raises(UserError, match="commits to"):
        check_follows(forged, stated)
    assert differences(queries, queries) == []
    assert differences(forged, queries) == [f"{TRAINED}: answer otherwise"]
    assert differences(replace(held, views={}), queries) == [f"{name}: missing" for name in sorted(VIEWS)]


def test_evidence_counts_in_the_deviations_of_the_networks_that_explain_less():
    random = np.random.default_rng(3)
    first, second = random.normal(size=12), 100 * random.normal(size=12) + 7
    found = together([Evidence(distance=LOGIT, view="", values=values) for values in (first, second)])
    by_hand = np.zeros(12)
    for values in (first, second):
        lower = sorted(values)[:-2]  # of twelve, two may stand out
        by_hand += (values - np.mean(lower)) / np.std(lower, ddof=1) / 2
    assert found == pytest.approx(by_hand)
