"""A suspect with labels of its own: its answers are compared by their geometry with candidates' features."""

import numpy as np
import pytest
import torch
from asking_networks import DIGITS, SIZE, trained_briefly
from torch import nn

import lineage
from lineage.asking.distances import AXES, Predictors
from lineage.asking.queryset import QuerySet
from lineage.asking.verdict import Word
from lineage.errors import UserError

OWN = 6
"""Classes of the suspect; the candidates have ten."""


def network(seed: int, classes: int = 10) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(SIZE**2, 24), nn.ReLU(), nn.Linear(24, classes))
    with torch.no_grad():  # random hidden layers that answer more than their bias
        layers[1].weight.mul_(3)
        layers[3].weight.mul_(5)
    return layers


@pytest.fixture(scope="module")
def candidates() -> dict[str, nn.Module]:
    return {f"p{seed}": network(seed) for seed in range(12)}


@pytest.fixture(scope="module")
def queries(candidates) -> QuerySet:
    with trained_briefly():
        return lineage.ask(candidates, budget=300, **DIGITS)


def answered(child: nn.Module, queries: QuerySet) -> np.ndarray:
    with torch.no_grad():
        return (
            child(torch.from_numpy(queries.images.transpose(0, 3, 1, 2) / np.float32(255))).softmax(1).numpy()
        )


def child_of(parent: nn.Module, seed: int) -> nn.Module:
    """The parent's hidden layer, changed by a tenth, under a new head."""
    child = network(seed, OWN)
    with torch.no_grad():
        child[1].weight.copy_(parent[1].weight * (1 + 0.1 * torch.randn_like(parent[1].weight)))
        child[1].bias.copy_(parent[1].bias)
    return child


def test_a_childs_parent_is_known_by_probabilities_labels_and_embeddings(candidates, queries, tmp_path):
    given = answered(child_of(candidates["p7"], 100), queries)
    assert lineage.answer(queries, given).closest == "p7"
    assert lineage.answer(queries, given.argmax(1), own_labels=True).candidates[0].id == "p7"
    np.savez(tmp_path / "answers.npz", embeddings=np.log(given))
    found = lineage.answer(queries, tmp_path / "answers.npz")
    assert (found.closest, found.candidates[0].agreement) == ("p7", None)


def test_an_unrelated_network_under_another_head_has_no_family(queries):
    words = [lineage.answer(queries, answered(network(200 + seed, OWN), queries)).word for seed in range(5)]
    assert words == [Word.UNDETERMINED] * 5


def test_functions_have_no_features_to_compare(queries):
    functions = {f"f{number}": lambda images, number=number: np.eye(10)[(images.sum((1, 2, 3)) + number) % 10]
                 for number in range(10)}  # fmt: skip
    asked = lineage.ask(functions, budget=100, **DIGITS)
    with pytest.raises(UserError, match=r"candidate 'f\d': expected its features"):
        lineage.answer(asked, np.arange(100) % 3, own_labels=True)


def test_very_many_classes_are_looked_at_on_their_leading_axes():
    random = np.random.default_rng(0)
    features = [random.normal(size=(50, 4)) for _ in range(3)]
    low = [random.normal(size=(50, 5)) for _ in range(3)]
    wide = [values @ random.normal(size=(5, 2 * AXES)) for values in low]
    same = [left * strengths for left, strengths, _ in
            (np.linalg.svd(values - values.mean(0), full_matrices=False) for values in wide)]  # fmt: skip
    suspect = random.normal(size=(50, 2))
    assert Predictors(features, wide).predicted(suspect) == pytest.approx(
        Predictors(features, same).predicted(suspect)
    )


def test_places_that_do_not_matter_are_left_out():
    random = np.random.default_rng(1)
    features, usual = ([random.normal(size=(30, 4)) for _ in range(3)] for _ in range(2))
    suspect = random.normal(size=(30, 2))
    whole, part = (Predictors(features, usual).predicted(suspect, places) for places in (None, [0, 2]))
    assert part[[0, 2]] == pytest.approx(whole[[0, 2]])
    assert np.isnan(part[1])
