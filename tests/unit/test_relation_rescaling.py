"""Scales that were given to the units of a network that was trained on are found again, and taken from it alone."""

import numpy as np
import pytest
import torch

from lineage.families.networks import SIZE, network
from lineage.relation.alignment.align import align, align_as
from lineage.relation.alignment.axes import shapes_of
from lineage.relation.alignment.canonical import in_scale
from lineage.relation.alignment.disguises import disguised
from lineage.relation.alignment.rescaling import fitted, is_rescaled, ratios
from lineage.relation.alignment.structure import structure_of

STEPS = 150
State = dict[str, np.ndarray]


def trained(architecture: str, seed: int, start: State | None = None, how: str = "sgd") -> State:
    """A small network after some steps on random images and labels, from a state or from its initialisation."""
    torch.manual_seed(seed)
    net = network(architecture, width=64, classes=10, seed=0)
    if start:
        net.load_state_dict({name: torch.from_numpy(values) for name, values in start.items()}, strict=False)
    optimiser = {
        "sgd": lambda: torch.optim.SGD(net.parameters(), lr=0.1),
        "adamw": lambda: torch.optim.AdamW(net.parameters(), lr=1e-3),
    }[how]()
    images, labels = torch.randn(64, 1, SIZE, SIZE), torch.randint(10, (64,))
    for _ in range(STEPS):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
    return {name: values.numpy().copy() for name, values in net.state_dict().items() if values.ndim}


def drawn(state: State) -> dict[str, np.ndarray]:
    """A scale for each unit that may have any, and for each norm's factors."""
    structure, draw = structure_of(shapes_of(state)), np.random.default_rng(0)
    sizes = {group.id: group.size for group in structure.groups if group.is_scalable}
    sizes |= {gain.weight: len(state[gain.weight]) for gain in structure.gains}
    return {id: np.exp(0.5 * draw.standard_normal(size)) for id, size in sizes.items()}


def error(found: dict[str, np.ndarray], true: dict[str, np.ndarray]) -> float:
    """The root of the mean squared difference of log scales."""
    apart = [np.log(found[id] / true[id]) for id in true]
    return float(np.sqrt(np.mean(np.square(np.concatenate(apart)))))


@pytest.mark.parametrize(
    ("architecture", "how", "part"),
    [
        ("mlp", "sgd", 0.3),
        ("mlp", "adamw", 0.5),
        ("conv", "adamw", 0.9),
        ("llama", "sgd", 0.3),
        ("llama", "adamw", 0.9),
    ],
)
def test_scales_are_found_more_exactly_than_by_the_sizes_that_training_changed(architecture, how, part):
    root = trained(architecture, 3)
    child, structure, true = trained(architecture, 7, root, how), structure_of(shapes_of(root)), drawn(root)
    hidden = in_scale(child, structure, true)
    sizes = ratios(hidden, root, structure)
    assert all(is_rescaled(sizes[id]) for id in true)
    assert error(fitted(hidden, root, structure, sizes), true) < part * error(sizes, true)


@pytest.mark.parametrize("architecture", ["mlp", "llama"])
def test_a_head_of_other_classes_says_nothing_of_a_scale(architecture):
    root = trained(architecture, 3)
    structure, true = structure_of(shapes_of(root)), drawn(root)
    hidden = in_scale(root, structure, true)
    heads = [name for name in root if name.startswith(("head.", "score."))]
    headless = root | {name: root[name][:4] for name in heads}
    assert heads
    for id, scale in fitted(hidden, headless, structure, ratios(hidden, root, structure)).items():
        np.testing.assert_allclose(scale, true[id], rtol=2e-3)


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
@pytest.mark.parametrize("how", ["sgd", "adamw"])
def test_nothing_is_undone_to_a_network_whose_sizes_training_alone_has_changed(architecture, how):
    root = trained(architecture, 3)
    child, structure = trained(architecture, 7, root, how), structure_of(shapes_of(root))
    assert fitted(child, root, structure, ratios(child, root, structure)) == {}


@pytest.mark.parametrize("architecture", ["mlp", "conv", "llama"])
def test_scales_of_a_network_that_was_not_trained_on_are_found_exactly(architecture):
    root = trained(architecture, 3)
    structure, true = structure_of(shapes_of(root)), drawn(root)
    hidden = in_scale(root, structure, true)
    found = fitted(hidden, root, structure, ratios(hidden, root, structure))
    for id, scale in true.items():
        np.testing.assert_allclose(found[id], scale, rtol=2e-3)


@pytest.mark.parametrize("architecture", ["mlp", "conv", "llama"])
def test_a_relative_of_the_candidate_keeps_the_sizes_that_it_was_given(architecture):
    """The child alone was rescaled: what is undone to it leaves no mark on how its relatives differ."""
    root = trained(architecture, 3)
    sibling, child = trained(architecture, 5, root), trained(architecture, 7, root)
    child = disguised(child, ["rescale"], np.random.default_rng(1), 32)
    first = align(child, root)
    assert first.factors
    second = align_as(child, sibling, first)
    for found, given in ((first, root), (second, sibling)):
        natural = first.in_own_scale(found.tensors)
        for name, values in given.items():
            np.testing.assert_allclose(natural[name], values, rtol=1e-4, atol=1e-6)


def test_a_relative_that_was_rescaled_itself_is_brought_to_the_scale_of_the_first():
    root = trained("mlp", 3)
    sibling, child = trained("mlp", 5, root), trained("mlp", 7, root)
    child = disguised(child, ["rescale"], np.random.default_rng(1), None)
    first = align(child, root)
    second = align_as(child, disguised(sibling, ["rescale"], np.random.default_rng(2), None), first)
    natural = first.in_own_scale(second.tensors)
    for name in ("layer1.0.weight", "layer2.0.weight", "layer3.0.weight"):
        apart = np.linalg.norm(natural[name] - sibling[name]) / np.linalg.norm(sibling[name] - root[name])
        assert apart < 0.5, name
