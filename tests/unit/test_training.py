"""What decides a trained model's weights, and one training against gradients written out in NumPy."""

import numpy as np
import pytest
import torch
from plain_training import RECIPE, STEPS, model_of
from torch import Tensor, nn

from lineage.data.images import Images
from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone
from lineage.networks.restore import restored
from lineage.training.fit import fit, trained
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network

NETWORK = Network(name="fc", image_size=4, channels=1)
CPU = torch.device("cpu")


def images(count: int = 30, classes: int = 3, seed: int = 0) -> Images:
    """Noise whose brightness is its class."""
    labels = np.arange(count) % classes
    pixels = np.random.default_rng(seed).integers(0, 60, (count, 4, 4, 1)) + labels[:, None, None, None] * 60
    return Images(
        pixels=pixels.astype(np.uint8),
        labels=labels.astype(np.int64),
        ids=[f"i{number}" for number in range(count)],
        class_names=[f"class {label}" for label in range(classes)],
    )


def model(seed: int = 5, parent: str | None = None, **recipe) -> Model:
    return model_of(RECIPE | recipe, parent, seed)


def root(seed: int = 5, **recipe) -> dict[str, Tensor]:
    return trained(model(seed, **recipe), NETWORK, images(), None, CPU)[1]


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_the_seed_alone_decides_the_weights_and_the_callers_random_state_is_kept():
    found = []
    for callers in (1, 2):
        torch.manual_seed(callers)
        np.random.seed(callers)
        state = torch.get_rng_state()
        found.append(root())
        assert torch.equal(torch.get_rng_state(), state)
    assert equal(*found)


def test_another_seed_gives_other_weights():
    assert not equal(root(5), root(6))


def test_the_order_in_which_models_are_trained_changes_none():
    first = [root(5), root(6)]
    second = [root(6), root(5)]
    assert equal(first[0], second[1])
    assert equal(first[1], second[0])


def test_a_child_starts_from_its_parents_backbone_under_a_new_head():
    parent = root()
    child = model(seed=9, parent="p0", learning_rate=1e-30, epochs=1)
    _, state = trained(child, NETWORK, images(classes=5), parent, CPU)
    fresh = build("fc", classes=5, channels=1, image_size=4, seed=9).state_dict()
    backbone = [name for name in parent if not name.startswith("head.")]
    assert len(backbone) == 6
    for name in backbone:
        assert torch.equal(state[name], parent[name])
        assert not torch.equal(state[name], fresh[name])
    for name in ("head.weight", "head.bias"):
        assert torch.equal(state[name], fresh[name])
    assert state["head.weight"].shape == (5, 128)


def test_a_head_of_the_parents_size_is_new_all_the_same():
    parent = root()
    _, state = trained(model(9, "p0", learning_rate=1e-30, epochs=1), NETWORK, images(), parent, CPU)
    assert state["head.weight"].shape == parent["head.weight"].shape
    assert not torch.equal(state["head.weight"], parent["head.weight"])


def test_training_a_child_leaves_its_parents_weights_alone():
    parent = root()
    before = {name: value.clone() for name, value in parent.items()}
    _, state = trained(model(9, "p0"), NETWORK, images(), parent, CPU)
    assert equal(parent, before)
    assert not torch.equal(state["layer1.0.weight"], parent["layer1.0.weight"])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.1)])
def test_full_batch_steps_on_a_linear_softmax_follow_the_closed_form(epochs, momentum, decay):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 3)).double()
    pixels, labels = torch.randn(20, 1, 2, 3, dtype=torch.float64), torch.arange(20) % 3
    W, b = (parameter.detach().numpy().copy() for parameter in net.parameters())
    X, Y = pixels.flatten(1).numpy(), np.eye(3)[labels.numpy()]
    speeds = [np.zeros_like(W), np.zeros_like(b)]
    for _ in range(epochs):
        P = softmax(X @ W.T + b)
        loss, right = -np.log((P * Y).sum(1)).mean(), (P.argmax(1) == labels.numpy()).mean()
        slopes = [(P - Y).T @ X / 20 + decay * W, (P - Y).mean(0) + decay * b]
        speeds = [momentum * speed + slope for speed, slope in zip(speeds, slopes, strict=True)]
        W, b = W - 0.3 * speeds[0], b - 0.3 * speeds[1]
    recipe = STEPS | {"learning_rate": 0.3, "epochs": epochs, "batch_size": 20}
    recipe |= {"momentum": momentum, "weight_decay": decay}
    found = fit(net, pixels, labels, Recipe.of(recipe), 0)
    assert found[:2] == pytest.approx((loss, right))
    assert found.epochs == epochs
    np.testing.assert_allclose(net[1].weight.detach().numpy(), W, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(net[1].bias.detach().numpy(), b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 20, 99])
def test_every_epoch_shows_each_image_once_in_another_order(batch_size):
    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen, self.body = [], nn.Linear(1, 2)

        def forward(self, x: Tensor) -> Tensor:
            self.seen += x.flatten().tolist()
            return self.body(x)

    net = Noting()
    recipe = RECIPE | {"epochs": 2, "batch_size": batch_size}
    fit(net, torch.arange(20.0)[:, None], torch.zeros(20, dtype=torch.long), Recipe.of(recipe), 3)
    first, second = net.seen[:20], net.seen[20:]
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_a_task_that_can_be_learnt_is_learnt_and_the_row_says_so():
    row, state = trained(model(epochs=20, images=27), NETWORK, images(), None, CPU)
    assert row["accuracy"] > 0.95
    assert row["loss"] < 0.3
    assert (row["model"], row["parent"], row["images"], row["epochs"]) == ("p0", None, 27, 20)
    net = restored(NETWORK, state)
    assert (net(images().tensor()).argmax(1) == images().labels_tensor()).float().mean() > 0.95


def test_more_images_than_there_are_is_told():
    with pytest.raises(UserError, match=r"p0: images: expected at most 30.*toy\.parquet, but got 31"):
        root(images=31)


@pytest.mark.parametrize("rate", [1e20, 1e30])
def test_a_training_that_diverges_is_told_with_its_learning_rate(rate):
    with pytest.raises(UserError, match=r"p0: training diverged .*learning_rate 1e\+") as caught:
        root(learning_rate=rate, epochs=5)
    assert "\n" not in str(caught.value)


def test_a_parent_of_another_network_is_told():
    parent = {name: value for name, value in root().items() if not name.startswith("layer2")}
    with pytest.raises(UserError, match=r"p0: expected the weights of a fc, but it has no layer2\.0\.bias"):
        trained(model(9, "p0"), NETWORK, images(), parent, CPU)


@pytest.mark.parametrize("name", ["fc", "convnet", "timm:resnet18", "torchvision:resnet18"])
def test_a_network_is_restored_with_the_head_that_it_was_trained_with(name):
    network = Network(name=name, image_size=32, channels=3)
    net = build(name, classes=7, channels=3, image_size=32, seed=1)
    again = restored(network, net.state_dict())
    probe = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(again.eval()(probe), net.eval()(probe))
    assert again(probe).shape == (2, 7)


@pytest.mark.parametrize(
    "name", ["vgg", "timm:no_such_net", "torchvision:no_such_net", "timm:", "other:resnet18"]
)
def test_an_unknown_network_is_told(name):
    with pytest.raises(UserError, match=r"network\.name") as caught:
        build(name, classes=2, channels=3, image_size=32, seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_convnet_is_tapped_after_each_of_its_blocks(channels):
    net = build("convnet", classes=2, channels=channels, image_size=16, seed=0)
    assert Backbone(net, torch.zeros(1, channels, 16, 16)).layers == ("block1", "block2", "pool")


def test_mixed_precision_keeps_weights_in_float32_and_still_learns():
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(256) % 2
    pixels = torch.rand(256, 1, 4, 4, generator=draw) + labels[:, None, None, None] / 2
    recipe = RECIPE | {"epochs": 10, "batch_size": 32}
    nets = [build("fc", classes=2, channels=1, image_size=4, seed=0) for _ in range(2)]
    full = fit(nets[0], pixels, labels, Recipe.of(recipe), seed=0)
    mixed = fit(nets[1], pixels, labels, Recipe.of(recipe | {"mixed_precision": "bfloat16"}), seed=0)
    assert all(value.dtype == torch.float32 for value in nets[1].state_dict().values())
    assert mixed.accuracy > 0.9
    assert mixed.loss != full.loss
