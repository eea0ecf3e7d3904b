"""What stays and what moves where layers are frozen, or matrices adapted with a low rank."""

import pytest
import torch
from plain_training import STEPS
from small_fine_tuning import FC, RESNET, child_of, parent_of
from torch import nn
from torch.nn.functional import cross_entropy

from lineage.errors import UserError
from lineage.networks.architectures import build, head_of
from lineage.training.fit import fit
from lineage.training.freezing import frozen_parameters
from lineage.types.recipe import Recipe


def changed(state: dict, parent: dict, net: nn.Module) -> set[str]:
    """Names of the backbone's tensors that differ."""
    head = f"{head_of(net)}."
    return {
        name for name in parent if not name.startswith(head) and not torch.equal(state[name], parent[name])
    }


FREEZES = {
    "linear-probe": ([], ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]),
    "last-block": (["layer4.1"], ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4.0"]),
    "named": (["layer1", "layer3", "layer4"], ["conv1", "bn1", "layer2"]),
}


@pytest.mark.parametrize("way", FREEZES)
def test_what_is_frozen_stays_bit_for_bit_statistics_too_and_the_rest_moves(way):
    moving, still = FREEZES[way]
    parent = parent_of(RESNET)
    what = ["conv1", "bn1", "layer2"] if way == "named" else way
    state = child_of(parent, RESNET, freeze=what, epochs=1)
    net = build(RESNET.name, classes=2, channels=3, image_size=32, seed=0)
    moved = changed(state, parent, net)
    assert not {name for name in moved if name.startswith(tuple(f"{module}." for module in still))}
    assert {name for name in parent if name.startswith(tuple(f"{module}." for module in moving))} == moved


@pytest.mark.parametrize(
    ("name", "trained_parts"),
    [
        ("fc", {"layer3", "head"}),
        ("timm:vit_tiny_patch16_224", {"blocks", "norm", "head"}),
        ("timm:convnext_atto", {"stages", "head"}),
        ("torchvision:resnet18", {"layer4", "fc"}),
    ],
)
def test_the_last_block_is_the_last_stage_with_matrices_and_what_follows_it(name, trained_parts):
    net = build(name, classes=2, channels=3, image_size=32, seed=0)
    frozen = frozen_parameters(net, "last-block", torch.zeros(1, 3, 32, 32))
    left = {parameter for parameter, _ in net.named_parameters()} - frozen
    assert {parameter.split(".")[0] for parameter in left} == trained_parts
    places = {parameter.split(".")[1] for parameter in left if parameter.startswith(("blocks", "stages"))}
    assert len(places) <= 1
    assert 0 < len(frozen) < len(frozen) + len(left)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (["layer9"], r"p0\.full\.000: freeze: .*layer1.*'layer9'"),
        (["layer1", "layer2", "layer3", "head"], "left to train"),
        (["flatten"], "has none"),
    ],
)
def test_freezing_nothing_everything_or_the_unknown_is_told(what, told):
    with pytest.raises(UserError, match=told):
        child_of(parent_of(FC), FC, freeze=what)


@pytest.mark.parametrize("rank", [1, 4])
def test_lora_changes_each_matrix_by_one_of_its_rank_and_nothing_else(rank):
    parent = parent_of(RESNET)
    state = child_of(parent, RESNET, lora={"rank": rank, "alpha": 8}, epochs=1)
    net = build(RESNET.name, classes=2, channels=3, image_size=32, seed=0)
    adapted = {
        f"{name}.weight" for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and name != head_of(net)
    }  # fmt: skip
    assert changed(state, parent, net) == adapted
    assert state.keys() == parent.keys()
    for name in adapted:
        difference = (state[name] - parent[name]).flatten(1).double()
        squares = torch.linalg.eigvalsh(difference @ difference.T).flip(0)  # of the singular values
        assert squares[0] > 1e-8
        assert squares[rank] < 1e-6 * squares[0]


def test_lora_of_full_rank_with_one_step_is_the_step_of_its_product():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 5)).double()
    start = net[0].weight.detach().clone()
    recipe = STEPS | {"learning_rate": 0.1, "batch_size": 9}
    pixels, labels = torch.randn(9, 3, dtype=torch.float64), torch.arange(9) % 5
    free = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 5)).double()
    free.load_state_dict(net.state_dict())
    cross_entropy(free(pixels), labels).backward()
    slope = free[0].weight.grad
    fit(net, pixels, labels, Recipe.of(recipe | {"lora": {"rank": 3, "alpha": 3}}), 0)
    step = net[0].weight.detach() - start  # -0.1 · slope · Aᵀ A, as B starts at 0
    squared = torch.linalg.solve(slope, step) / -0.1
    torch.testing.assert_close(squared, squared.T)
    assert (torch.linalg.eigvalsh(squared) > -1e-9).all()
