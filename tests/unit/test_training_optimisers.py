"""Optimisers, schedules, layer-wise rates, accumulation, precision: against torch's, timm's, closed forms."""

import math

import numpy as np
import pytest
import torch
from plain_training import plain_loop
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lineage.networks.architectures import build
from lineage.training.fit import fit
from lineage.training.optimisers import layers_of, optimizer_of, parameters_of, schedule_of
from lineage.types.recipe import Recipe

RECIPE = {"data": {"source": "parquet:toy.parquet"}, "learning_rate": 0.05, "epochs": 3, "batch_size": 8}
SAMPLE = torch.zeros(1, 1, 4, 4)


def recipe(**keys) -> Recipe:
    return Recipe.of(RECIPE | keys)


def network(seed: int = 0) -> nn.Module:
    return build("fc", classes=3, channels=1, image_size=4, seed=seed)


def toy(count: int = 30) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 3
    return torch.rand(count, 1, 4, 4, generator=draw) + labels[:, None, None, None] / 3, labels


def written_out(optimizer: torch.optim.Optimizer, net: nn.Module, seed: int, schedule=None) -> dict:
    """The state after the plain loop with an optimiser and a schedule of torch."""
    plain_loop(net, optimizer, *toy(), RECIPE, seed, schedule)
    return net.state_dict()


def same(state: dict, expected: dict) -> bool:
    return all(torch.equal(state[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    ("keys", "kind", "options"),
    [
        ({"optimizer": "sgd"}, torch.optim.SGD, {"momentum": 0.9}),
        ({"optimizer": "adam", "weight_decay": 0.1}, torch.optim.Adam, {"weight_decay": 0.1}),
        ({"optimizer": "adamw"}, torch.optim.AdamW, {"weight_decay": 0}),
        (
            {"optimizer": "adamw", "momentum": 0.5, "weight_decay": 0.2},
            torch.optim.AdamW,
            {"betas": (0.5, 0.999), "weight_decay": 0.2},
        ),
    ],
)
def test_each_optimiser_is_torchs_own_bit_for_bit(keys, kind, options):
    net, again = network(), network()
    fit(net, *toy(), recipe(**keys), seed=4)
    assert same(net.state_dict(), written_out(kind(again.parameters(), lr=0.05, **options), again, 4))


def test_a_schedule_is_taken_step_by_step_as_torch_does():
    net, again = network(), network()
    fit(net, *toy(), recipe(schedule="cosine"), seed=4)
    optimizer = torch.optim.SGD(again.parameters(), lr=0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3 * 4)
    assert same(net.state_dict(), written_out(optimizer, again, 4, schedule))


FORMS = {
    "cosine": lambda step, steps, _: (1 + math.cos(math.pi * step / steps)) / 2,
    "linear": lambda step, steps, _: 1 - step / steps,
    "drops": lambda step, _, an_epoch: 0.1 ** (step // (2 * an_epoch)),
    None: lambda *_: 1,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("warm_up", [None, 0.5, 2])
def test_learning_rates_follow_their_closed_forms(form, warm_up):
    epochs, an_epoch = 6, 4
    schedule = {"every": 2, "factor": 0.1} if form == "drops" else form
    keys = {"schedule": schedule, "warm_up": warm_up, "epochs": epochs}
    of_run = recipe(**{key: value for key, value in keys.items() if value is not None})
    optimizer = optimizer_of(network(), of_run, SAMPLE)
    steps = schedule_of(optimizer, of_run, an_epoch)
    rise = int((warm_up or 0) * an_epoch)
    assert (steps is None) == (form is None and not rise)
    for step in range(epochs * an_epoch):
        rate = optimizer.param_groups[0]["lr"] / 0.05
        expected = (step + 1) / (rise + 1) if step < rise else FORMS[form](step - rise, 24 - rise, an_epoch)
        assert rate == pytest.approx(expected, abs=1e-12), step
        optimizer.step()
        if steps is not None:
            steps.step()


@pytest.mark.parametrize("form", ["cosine", "linear"])
def test_a_warm_up_that_rounds_to_all_steps_leaves_the_schedule_one(form):
    net = network()
    of_run = recipe(schedule=form, warm_up=1.5, epochs=2, batch_size=30)
    optimizer = optimizer_of(net, of_run, SAMPLE)
    steps = schedule_of(optimizer, of_run, 1)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05 / 2)
    optimizer.step()
    steps.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    assert np.isfinite(fit(net, *toy(), of_run, seed=0).loss)


@pytest.mark.parametrize("count", [24, 29, 7])
def test_accumulated_batches_are_one_batch_of_all_their_images(count):
    pixels, labels = toy(count)
    states = []
    for keys in ({"batch_size": 4, "accumulate": 3}, {"batch_size": 12}):
        net = network().double()
        found = fit(net, pixels.double(), labels, recipe(**keys), seed=2)
        states.append((net.state_dict(), found.loss))
    for name, value in states[0][0].items():
        torch.testing.assert_close(value, states[1][0][name], rtol=1e-10, atol=1e-13)
    assert states[0][1] == pytest.approx(states[1][1])


def test_a_smoothed_loss_spreads_its_share_over_all_classes():
    pixels, labels = toy()
    net = network().double()
    with torch.no_grad():
        logarithms = net(pixels.double()).log_softmax(1).numpy()
    target = 0.8 * np.eye(3)[labels.numpy()] + 0.2 / 3
    found = fit(net, pixels.double(), labels, recipe(epochs=1, batch_size=30, label_smoothing=0.2), seed=0)
    assert found.loss == pytest.approx(-(target * logarithms).sum(1).mean(), rel=1e-12)


def test_each_layer_steps_by_its_share_of_the_gradient():
    pixels, labels = toy()
    net, again = network().double(), network().double()
    cross_entropy(again(pixels.double()), labels).backward()
    keys = {"epochs": 1, "batch_size": 30, "momentum": 0, "layer_decay": 0.5}
    fit(net, pixels.double(), labels, recipe(**keys), seed=0)
    shares = {"layer1": 1 / 8, "layer2": 1 / 4, "layer3": 1 / 2, "head": 1}
    for (name, moved), start in zip(net.named_parameters(), again.parameters(), strict=True):
        expected = start - 0.05 * shares[name.split(".")[0]] * start.grad
        torch.testing.assert_close(moved, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "convnext_atto"])
def test_layers_of_timms_networks_have_the_rates_that_timm_gives_them(name):
    net = build(f"timm:{name}", classes=2, channels=3, image_size=32, seed=0)
    wanted = {
        id(parameter): group["lr_scale"]
        for group in param_groups_layer_decay(net, layer_decay=0.75)
        for parameter in group["params"]
    }
    groups = parameters_of(net, recipe(layer_decay=0.75), torch.zeros(1, 3, 32, 32))
    found = {id(parameter): group["lr"] / 0.05 for group in groups for parameter in group["params"]}
    assert found == pytest.approx(wanted)
    assert len(set(found.values())) > 4


def test_layers_of_torchvisions_networks_are_their_stages_and_frozen_ones_are_left_out():
    net = build("torchvision:resnet18", classes=2, channels=3, image_size=32, seed=0)
    layers = layers_of(net, torch.zeros(1, 3, 32, 32))
    firsts = ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.bias", "fc.weight"]
    assert [layers[name] for name in firsts] == sorted({layers[name] for name in firsts})
    net.conv1.weight.requires_grad_(False)
    groups = parameters_of(net, recipe(layer_decay=0.5), torch.zeros(1, 3, 32, 32))
    assert net.conv1.weight not in {parameter for group in groups for parameter in group["params"]}
    assert groups[-1]["lr"] == 0.05


@pytest.mark.parametrize("clip", [0.05, 100.0])
def test_a_step_by_scaled_losses_in_float16_is_that_in_float32_but_for_rounding(clip):
    nets = [network() for _ in range(3)]
    for net, keys in zip(nets[1:], [{}, {"mixed_precision": "float16"}], strict=True):
        fit(net, *toy(), recipe(epochs=1, batch_size=30, clip=clip, **keys), seed=0)
    for start, plain, mixed in zip(*(net.parameters() for net in nets), strict=True):
        assert mixed.dtype == torch.float32
        assert 0 < (mixed - plain).norm() < 0.05 * (plain - start).norm()


def test_a_step_whose_gradients_leave_float16s_range_is_left_out_and_the_schedule_waits():
    pixels, labels = toy(8)
    net = network()
    with torch.no_grad():
        net.head.weight.mul_(1e4)  # the gradient of the layer before is beyond 65504 once the loss is scaled
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fit(net, pixels, labels, recipe(epochs=1, mixed_precision="float16", schedule="cosine"), seed=0)
    assert same(net.state_dict(), before)
