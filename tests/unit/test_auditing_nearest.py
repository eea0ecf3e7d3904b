"""Which relative is closest where none is known to be an ancestor, by which lie on the ways of the others."""

import copy
import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from lineage.auditing.audit import audit_sources
from lineage.auditing.stages.place import Place
from lineage.auditing.stages.thirds.nearest import ahead_of_others, search
from lineage.checkpoints.find import Source
from lineage.relation.direction.between import Passage
from lineage.relation.direction.estimate import NEAR, Estimate


def place(id):
    return Place(id=id, similarity=0.9, tests=3, distance=0.3, beside_scale=0.3)


def of_table(table):
    return lambda start, relative: (
        Passage(table[start, relative], is_sure=False) if (start, relative) in table else None
    )


@given(st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12), st.permutations("abcd"))
def test_it_is_the_one_that_no_other_is_ahead_of_in_any_order(probabilities, order):
    """The slow direct version: every pair looked at."""
    table = dict(zip(itertools.permutations("abcd", 2), probabilities, strict=True))
    ahead = {pair for pair in table if table[pair[::-1]] > table[pair]}
    winners = [name for name in "abcd" if sum((name, other) in ahead for other in "abcd") == 3]
    found = ahead_of_others([place(name) for name in order], of_table(table))
    if winners:
        assert found.id == winners[0]
    elif found is not None:
        assert not any((other, found.id) in ahead for other in "abcd")


def test_copies_of_one_network_are_ahead_of_the_same_others():
    """Copies are not compared with each other."""
    table = {("sibling", "root"): 0.04, ("root", "sibling"): 0.001}
    table |= {("sibling", "copy"): 0.04, ("copy", "sibling"): 0.001}
    found = ahead_of_others([place("sibling"), place("root"), place("copy")], of_table(table))
    assert found.id in ("root", "copy")


@pytest.mark.parametrize("ids", [[], ["alone"], ["a", "b"]])
def test_nothing_is_ahead_where_nothing_is_compared(ids):
    assert ahead_of_others(list(map(place, ids)), of_table({})) is None


@given(st.floats(0.01, 0.3), st.floats(0.001, 0.15), st.booleans())
def test_a_copy_of_a_near_sibling_has_no_narrower_bound_than_the_truth(moved, further, is_sure):
    """The parent is absent: a sibling that moved little passes for it, and one trained on from there is near.

    Every change has a direction of its own, and the child's is as long as 1.
    """
    apart = further**2 / (1 + moved**2)
    estimates = {"near": Estimate(0.0, 0.0, NEAR), "copy": Estimate(0.0, 0.0, 1.0)}

    def lies_between(start, relative):
        return Passage(0.9 if relative == "copy" else 0.1, is_sure=is_sure, apart=apart)

    nearest, estimate = search([place("near")], [place("copy")], estimates, lies_between)
    assert nearest.id == "copy"
    assert estimate.bound >= math.hypot(moved, further)


def trained(net, labels, *, rate, epochs, seed):
    """By momentum, on scikit-learn's digits."""
    images = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    steps = torch.optim.SGD(net.parameters(), rate, momentum=0.9)
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=order).split(32):
            steps.zero_grad()
            cross_entropy(net(images[batch]), labels[batch]).backward()
            steps.step()
    return net


def test_a_root_is_closest_to_a_child_whose_siblings_learnt_the_same_by_the_same_recipe(tmp_path):
    """All on the same images, with other labels than the root: only the order of images differs."""
    labels = torch.tensor(load_digits().target)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
    root = trained(net, labels, rate=0.02, epochs=5, seed=0)
    models = {"root": root}
    for seed in (1, 2, 3, 4):
        models[f"c{seed}"] = trained(
            copy.deepcopy(root), (3 * labels + 1) % 10, rate=0.2, epochs=4, seed=seed
        )
    paths = {name: tmp_path / f"{name}.safetensors" for name in models}
    for name, model in models.items():
        save_file({key: values.numpy() for key, values in model.state_dict().items()}, paths[name])
    for child in ("c1", "c2"):
        sources = [Source(id=name, path=str(path)) for name, path in paths.items() if name != child]
        assert audit_sources(str(paths[child]), sources).verdict.closest == "root"
