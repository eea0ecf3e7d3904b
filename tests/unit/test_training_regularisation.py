"""Training with penalties, dropout and early stopping, each against its closed form; without any, the plain loop."""

import itertools

import numpy as np
import pytest
import torch
from plain_training import STEPS
from small_fine_tuning import CPU, DECAYED, FC, child_of, images, model, parent_of, plain_training
from torch import nn
from torch.nn.functional import cross_entropy

from lineage.data.images import stratified_subset
from lineage.errors import UserError
from lineage.networks.architectures import build
from lineage.training.fit import fit, trained
from lineage.types.recipe import Recipe


@pytest.mark.parametrize("optional", [{}, {"clip": 0.5}])
def test_without_the_optional_keys_training_is_the_plain_loop_bit_for_bit(optional):
    parent, of_training = parent_of(FC), images([number % 3 for number in range(30)])
    recipe = DECAYED | {"images": 20} | optional
    _, found = trained(model(7, images=20, **optional), FC, of_training, parent, CPU)
    net = build("fc", classes=3, channels=1, image_size=4, seed=7)
    net.load_state_dict({name: parent[name] for name in parent if "head" not in name}, strict=False)
    chosen = stratified_subset(of_training.labels, 20, 7)
    plain_training(net, of_training.tensor(chosen), of_training.labels_tensor(chosen), recipe, 7)
    assert all(torch.equal(found[name], value) for name, value in net.state_dict().items())


def test_l2_sp_follows_the_closed_form_on_a_linear_network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)).double()
    pixels, labels = torch.randn(12, 4, dtype=torch.float64), torch.arange(12) % 2
    V, W = (parameter.detach().numpy().copy() for parameter in net.parameters())
    X, Y, start = pixels.numpy(), np.eye(2)[labels.numpy()], V.copy()
    for _ in range(4):
        powers = np.exp(X @ V.T @ W.T)
        slope = (powers / powers.sum(1, keepdims=True) - Y) / len(X)
        of_backbone = W.T @ slope.T @ X + 0.7 * (V - start)  # gradient of 0.7 / 2 · |V - V₀|²
        of_head = slope.T @ X @ V.T
        V, W = V - 0.2 * of_backbone, W - 0.2 * of_head
    recipe = STEPS | {"learning_rate": 0.2, "epochs": 4, "batch_size": 12, "l2_sp": 0.7}
    fit(net, pixels, labels, Recipe.of(recipe), 0)
    np.testing.assert_allclose(net[0].weight.detach().numpy(), V, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(net[1].weight.detach().numpy(), W, rtol=1e-10, atol=1e-12)


def test_a_stronger_l2_sp_ends_nearer_to_the_parent():
    parent = parent_of(FC)
    distances = []
    for strength in (1e-9, 1.0, 10.0):
        state = child_of(parent, FC, l2_sp=strength, epochs=10)
        distances.append(sum((state[name] - parent[name]).norm() for name in parent if "head" not in name))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0] / 2


class Noting(nn.Linear):
    """A head that notes what comes in."""

    def forward(self, x):
        self.seen = [*getattr(self, "seen", []), x.detach()]
        return super().forward(x)


def test_dropout_sets_its_share_to_zero_and_scales_the_rest_from_the_models_seed_alone():
    found = []
    for callers in (1, 2):
        torch.manual_seed(callers)
        net = nn.Sequential(nn.Flatten(), Noting(1000, 2))
        ones = torch.ones(16, 1000)
        state = torch.get_rng_state()
        fit(
            net,
            ones,
            torch.zeros(16, dtype=torch.long),
            Recipe.of(DECAYED | {"dropout": 0.25, "epochs": 1}),
            3,
        )
        assert torch.equal(torch.get_rng_state(), state)
        net.eval()(ones)
        *trained_on, after = net[1].seen
        found.append(torch.cat(trained_on))
        assert torch.equal(after, ones)
    assert torch.equal(*found)
    assert found[0].unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert (found[0] == 0).float().mean() == pytest.approx(0.25, abs=0.01)


def test_early_stopping_keeps_the_weights_of_the_epoch_with_the_lowest_held_out_loss():
    of_training = images([number % 3 for number in range(60)])  # noise: soon learnt by heart
    pixels, labels = of_training.tensor(), of_training.labels_tensor()
    recipe = DECAYED | {"weight_decay": 0.0, "early_stopping": {"patience": 3, "share": 0.25}}
    held = torch.from_numpy(stratified_subset(of_training.labels, 15, 4))
    kept = torch.tensor([number for number in range(60) if number not in set(held.tolist())])
    losses, states = [], []
    for epochs in range(1, 12):
        net = build("fc", classes=3, channels=1, image_size=4, seed=1)
        plain_training(net, pixels[kept], labels[kept], recipe | {"epochs": epochs}, 4)
        losses.append(cross_entropy(net.eval()(pixels[held]), labels[held]).item())
        states.append(net.state_dict())
    best, since = 0, 0
    for place in itertools.count(1):
        best, since = (place, 0) if losses[place] < losses[best] else (best, since + 1)
        if since == 3:
            break
    net = build("fc", classes=3, channels=1, image_size=4, seed=1)
    found = fit(net, pixels, labels, Recipe.of(recipe | {"epochs": 50}), 4)
    assert found.epochs == best + 1
    assert all(torch.equal(states[best][name], value) for name, value in net.state_dict().items())


def test_a_share_that_leaves_nothing_to_train_on_is_told():
    recipe = DECAYED | {"early_stopping": {"patience": 1, "share": 0.9}}
    with pytest.raises(UserError, match="early_stopping.share: .*0.9 of 2 are 2"):
        fit(nn.Linear(1, 2), torch.ones(2, 1), torch.zeros(2, dtype=torch.long), Recipe.of(recipe), 0)
