"""Families of networks: what is trained from what, and that it is the same each time."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from lineage.families import networks, plan
from lineage.families.cases import tree
from lineage.families.fitting import fitted
from lineage.families.grow import grow, path_of
from lineage.families.plan import RUNS, Family, Plan
from lineage.families.recipes import OPTIMISERS, Training
from lineage.families.tasks import Task, task

WIDTHS = [{"width": 64, "epoch_steps": 4}, {"width": 96, "epoch_steps": 2}, {"width": 128, "epoch_steps": 1}]
ROOT = Path(__file__).parents[2]
PLAIN = tuple(yaml.safe_load((ROOT / "config" / "families.yaml").read_text())["trees"]["plain"])
SMALL = Family(architecture="mlp", optimiser="adam", seed=1, width=32, epoch_steps=1)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A family of tiny networks: its folder and rows."""
    folder = tmp_path_factory.mktemp("family")
    return folder, list(grow(SMALL, folder, lambda line: None))


def read(folder, model: str) -> dict[str, torch.Tensor]:
    return load_file(path_of(folder, model))


def test_each_network_of_the_plan_is_written_and_described(grown):
    folder, rows = grown
    assert {path.stem for path in folder.glob("*.safetensors")} == set(tree.PARENT_OF)
    assert {row["model"]: row["parent"] for row in rows} == tree.PARENT_OF


def test_the_change_of_each_is_the_distance_to_its_parent_over_the_parents_size(grown):
    folder, rows = grown
    for row in rows:
        if row["parent"] is None:
            assert row["change"] is None
            continue
        before, after = read(folder, row["parent"]), read(folder, row["model"])
        names = [name for name in before if name.startswith("layer") and name.endswith("weight")]
        flat = [np.concatenate([state[name].numpy().ravel() for name in names]) for state in (before, after)]
        assert row["change"] == pytest.approx(
            np.linalg.norm(flat[1] - flat[0]) / np.linalg.norm(flat[0]), rel=1e-4
        )
        assert row["change"] > 0


def test_a_child_by_lora_differs_from_its_parent_by_its_rank(grown):
    folder, _ = grown
    before, after = read(folder, "root"), read(folder, "c.lora")
    for name in ("layer2.0.weight", "layer3.0.weight"):
        singular = torch.linalg.svdvals((after[name] - before[name]).double())
        assert singular[3] > 1e-4 > 10 * singular[4]
        assert torch.equal(before[name.replace("weight", "bias")], after[name.replace("weight", "bias")])


def test_a_family_is_the_same_each_time_whatever_was_trained_before(grown, tmp_path):
    folder, _ = grown
    torch.manual_seed(99)
    list(grow(SMALL, tmp_path, lambda line: None))
    assert all(path.read_bytes() == (folder / path.name).read_bytes() for path in tmp_path.iterdir())


def test_a_line_is_one_run_that_goes_on_as_if_it_had_not_been_saved(grown):
    """Adam's moments live on between epochs, so the weights are those of an unbroken run."""
    folder, _ = grown
    learned = task("home", SMALL)
    net = networks.network("mlp", width=32, classes=learned.classes, seed=0)
    net.load_state_dict(read(folder, "init"))
    order = SMALL.seed_for("order of line")
    generator = torch.Generator().manual_seed(order)
    adam = torch.optim.Adam(net.parameters(), lr=0.001)
    for _ in range(plan.EPOCHS_OF_LINE):
        for batch in torch.randperm(len(learned.labels), generator=generator).split(32):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(learned.images[batch]), learned.labels[batch]).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
    last = read(folder, f"line.{plan.EPOCHS_OF_LINE}")
    for name, value in net.state_dict().items():
        torch.testing.assert_close(last[name], value, rtol=1e-3, atol=1e-6)


def test_those_of_one_initialisation_share_it_and_the_one_from_scratch_does_not(grown):
    _, rows = grown
    of_init = {row["model"] for row in rows if row["parent"] == "init"}
    assert of_init == {"root", "task.data", "task.labels", "line.1"}
    assert {run.id for run in RUNS if run.parent is None} == {"init", "scratch"}


def test_a_head_is_new_where_it_tells_other_things_apart(grown):
    folder, _ = grown
    root = read(folder, "root")["head.weight"]
    assert read(folder, "c.head")["head.weight"].shape == (5, 32)
    light, away = read(folder, "c.light")["head.weight"], read(folder, "c.one")["head.weight"]
    assert torch.linalg.norm(light - root) < 0.1 * torch.linalg.norm(root)
    assert torch.linalg.norm(away - root) > 0.5 * torch.linalg.norm(root)


@pytest.mark.parametrize("architecture", networks.ARCHITECTURES)
def test_every_architecture_learns_by_every_means(architecture):
    """On 32 images of two classes that a glance tells apart, the loss falls, also by LoRA."""
    labels = torch.arange(32) % 2
    images = (
        torch.randn(32, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        + 3.0 * labels[:, None, None, None]
    )
    seen = Task(images, labels, images, labels, 2)
    for optimiser, means in (
        *((name, Training(task="home", epochs=8)) for name in ("adam", "adagrad", "rmsprop")),
        ("adam", Training(task="home", epochs=8, lora=2, rate=3.0)),
        ("adam", Training(task="home", epochs=8, dropout=0.3)),
        ("adam", Training(task="home", epochs=8, first_rate=0.05)),
    ):
        net = networks.network(architecture, width=32, classes=2, seed=1)
        loss = torch.nn.functional.cross_entropy(net(images), labels).item()
        *_, steps = fitted(net, seen, means, architecture=architecture, optimiser=optimiser, seed=2)
        assert steps == 8
        assert torch.nn.functional.cross_entropy(net(images), labels).item() < loss
        assert all(parameter.requires_grad for parameter in net.parameters())
        assert not any(".parametrizations." in name for name in net.state_dict())


def after_a_step(**means) -> dict[str, torch.Tensor]:
    """A small network after one step of SGD on images of noise."""
    images = torch.randn(32, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(32) % 2
    net = networks.network("mlp", width=32, classes=2, seed=1)
    training = Training(task="home", steps=1, **means)
    seen = Task(images, labels, images, labels, 2)
    list(fitted(net, seen, training, architecture="mlp", optimiser="sgd", seed=2))
    assert not any(module._forward_pre_hooks for module in net.modules())
    return net.state_dict()


def test_each_layer_has_its_own_rate_from_the_first_ones_to_the_last_ones():
    start = networks.network("mlp", width=32, classes=2, seed=1).state_dict()
    even, uneven = after_a_step(), after_a_step(first_rate=0.001)
    names = ["layer1.0.weight", "layer2.0.weight", "layer3.0.weight", "head.weight"]
    for name, share in zip(names, (1e-3, 1e-2, 1e-1, 1), strict=True):
        moved, expected = uneven[name] - start[name], share * (even[name] - start[name])
        assert torch.linalg.norm(moved - expected) < 0.02 * torch.linalg.norm(expected)


def test_dropout_leaves_out_other_inputs_each_time_but_the_same_for_one_seed():
    whole, dropped = after_a_step(), after_a_step(dropout=0.5)
    assert not torch.equal(whole["layer2.0.weight"], dropped["layer2.0.weight"])
    for name, values in after_a_step(dropout=0.5).items():
        torch.testing.assert_close(values, dropped[name], rtol=0, atol=0)


def test_the_architectures_of_the_plan_are_those_of_the_networks():
    assert tuple(networks.ARCHITECTURES) == plan.ARCHITECTURES + PLAIN


def test_each_family_stands_once_in_the_plan_and_once_among_those_of_its_size():
    families = Plan(seeds=3, widths=WIDTHS)
    by_group = [family for group in families.groups.values() for family in group]
    by_size = [family for size in families.sizes.values() for family in size]
    assert len({family.id for family in by_group}) == len(by_group) == 3 * 8 * len(OPTIMISERS)
    assert sorted(by_size, key=lambda family: family.id) == sorted(by_group, key=lambda family: family.id)
    assert all(family in families.groups[families.group_of(family)] for family in by_group)


def test_more_seeds_change_no_family_that_was_planned_before():
    fewer, more = (Plan(seeds=seeds, widths=WIDTHS).groups for seeds in (1, 2))
    assert fewer.items() <= more.items()


@pytest.mark.parametrize("architecture", PLAIN)
def test_plain_networks_have_no_norm_and_end_in_a_head(architecture):
    net = networks.network(architecture, width=64, classes=7, seed=0)
    assert not [module for module in net.modules() if "Norm" in type(module).__name__]
    assert net(torch.zeros(3, 1, networks.SIZE, networks.SIZE)).shape == (3, 7)
    assert list(net.state_dict())[-2:] == ["head.weight", "head.bias"]
