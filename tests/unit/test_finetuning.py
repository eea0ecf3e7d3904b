"""What the ways to fine-tune change and what they leave alone; each penalty against its closed form."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from lineage.data.images import Images, stratified_subset
from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.networks.architectures import build, head_of
from lineage.training.fit import fit, trained
from lineage.training.freezing import frozen_parameters
from lineage.training.sampling import imbalanced_counts, training_images
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network

RECIPE = {
    "data": {"source": "parquet:toy.parquet"},
    "learning_rate": 0.05,
    "epochs": 2,
    "batch_size": 8,
    "momentum": 0.9,
    "weight_decay": 0.01,
}
CPU = torch.device("cpu")
RESNET = Network(name="timm:resnet18", image_size=32, channels=3)
FC = Network(name="fc", image_size=4, channels=1)


def images(labels: list[int], network: Network = FC, seed: int = 0) -> Images:
    size, channels = network.image_size, network.channels
    classes = max(labels) + 1
    noise = np.random.default_rng(seed).integers(0, 256, (len(labels), size, size, channels))
    return Images(
        pixels=noise.astype(np.uint8),
        labels=np.array(labels),
        ids=[f"i{number}" for number in range(len(labels))],
        class_names=[f"class {label}" for label in range(classes)],
    )


def model(seed: int = 5, **recipe) -> Model:
    keys = {"setting": "full", "parent": "p0", "index": 0, "generation": 2}
    return Model(id="p0.full.000", seed=seed, recipe=Recipe.of(RECIPE | recipe), **keys)


def parent_of(network: Network) -> dict[str, torch.Tensor]:
    size = {"channels": network.channels, "image_size": network.image_size}
    net = build(network.name, classes=2, **size, seed=99)
    draw = torch.Generator().manual_seed(0)
    state = {}
    for name, value in net.state_dict().items():  # normalisations as after training, none of them dead
        shift = torch.rand(value.shape, generator=draw) / 2 if value.ndim == 1 else torch.zeros(())
        state[name] = (value + shift).to(value.dtype)
    return state


def child_of(parent: dict, network: Network, **recipe) -> dict[str, torch.Tensor]:
    of_training = images(list(range(4)) * 4, network)
    return trained(model(**recipe), network, of_training, parent, CPU)[1]


def changed(state: dict, parent: dict, net: nn.Module) -> set[str]:
    """Names of the backbone's tensors that differ."""
    head = f"{head_of(net)}."
    return {
        name for name in parent if not name.startswith(head) and not torch.equal(state[name], parent[name])
    }


# which images


@pytest.mark.parametrize("ratio", [1, 10, 100])
@pytest.mark.parametrize(("classes", "most"), [(10, 500), (100, 500), (3, 7), (1, 5)])
def test_an_exponential_tail_is_a_geometric_series(classes, most, ratio):
    counts = imbalanced_counts(kind="exponential", ratio=ratio, classes=classes, most=most)
    series = [most * (1 / ratio) ** (i / (classes - 1) if i else 0) for i in range(classes)]
    assert counts[0] == most
    np.testing.assert_allclose(counts, np.maximum(series, 1), atol=0.5 + 1e-9)
    assert list(counts) == sorted(counts, reverse=True)


def test_the_long_tail_of_cifar10_has_the_published_size():
    counts = imbalanced_counts(kind="exponential", ratio=100, classes=10, most=5000)
    assert abs(counts.sum() - 12406) <= 10  # CIFAR10-LT, Cui et al. 2019, which rounds down
    assert (counts[0], counts[-1]) == (5000, 50)


def test_a_step_has_two_heights():
    assert list(imbalanced_counts(kind="step", ratio=10, classes=4, most=50)) == [50, 50, 5, 5]
    assert list(imbalanced_counts(kind="step", ratio=10, classes=5, most=50)) == [50, 50, 50, 5, 5]
    assert list(imbalanced_counts(kind="step", ratio=100, classes=2, most=20)) == [20, 1]


@pytest.mark.parametrize("kind", ["exponential", "step"])
def test_the_images_drawn_are_thinned_out_in_an_order_of_classes_that_the_seed_decides(kind):
    of_training = images([number % 5 for number in range(500)])
    wanted = imbalanced_counts(kind=kind, ratio=20, classes=5, most=80)
    recipe = {"images": 400, "imbalance": {"kind": kind, "ratio": 20}}
    seen = set()
    for seed in range(20):
        chosen = training_images(model(seed, **recipe), of_training)
        counts = np.bincount(of_training.labels[chosen], minlength=5)
        assert sorted(counts) == sorted(wanted)
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= set(stratified_subset(of_training.labels, 400, seed))
        np.testing.assert_array_equal(chosen, training_images(model(seed, **recipe), of_training))
        seen.add(tuple(counts))
    assert len(seen) > 1


def test_few_shot_takes_as_many_of_each_class_whatever_their_sizes():
    of_training = images([0] * 40 + [1] * 7 + [2] * 5)
    chosen = training_images(model(images_per_class=5), of_training)
    assert list(np.bincount(of_training.labels[chosen])) == [5, 5, 5]


def test_without_a_number_all_images_are_used():
    assert sorted(training_images(model(), images([0, 1, 1]))) == [0, 1, 2]


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"images_per_class": 6}, r"images_per_class: expected at least 6 .*'class 1'.*there are 3"),
        ({"images": 13, "imbalance": {"kind": "exponential", "ratio": 1}}, r"imbalance: .*'class 1'"),
    ],
)
def test_a_class_with_too_few_images_is_named(recipe, told):
    with pytest.raises(UserError, match=told):
        training_images(model(**recipe), images([0] * 10 + [1] * 3))


# training


def plain_training(net: nn.Module, pixels, labels, recipe, seed):
    """Training as it is without any of the optional keys but `clip`, written out."""
    optimizer = torch.optim.SGD(
        net.parameters(), lr=recipe["learning_rate"], momentum=recipe["momentum"],
        weight_decay=recipe["weight_decay"],
    )  # fmt: skip
    order = torch.Generator().manual_seed(seed)
    net.train()
    for _ in range(recipe["epochs"]):
        for batch in torch.randperm(len(labels), generator=order).split(recipe["batch_size"]):
            optimizer.zero_grad()
            cross_entropy(net(pixels[batch]), labels[batch]).backward()
            if "clip" in recipe:
                clip_grad_norm_(net.parameters(), recipe["clip"])
            optimizer.step()


@pytest.mark.parametrize("optional", [{}, {"clip": 0.5}])
def test_without_the_optional_keys_training_is_the_plain_loop_bit_for_bit(optional):
    parent, of_training = parent_of(FC), images([number % 3 for number in range(30)])
    recipe = RECIPE | {"images": 20} | optional
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
    recipe = {
        "data": RECIPE["data"],
        "learning_rate": 0.2,
        "epochs": 4,
        "batch_size": 12,
        "momentum": 0,
        "weight_decay": 0,
        "l2_sp": 0.7,
    }
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
            Recipe.of(RECIPE | {"dropout": 0.25, "epochs": 1}),
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
    recipe = RECIPE | {"weight_decay": 0.0, "early_stopping": {"patience": 3, "share": 0.25}}
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
    recipe = RECIPE | {"early_stopping": {"patience": 1, "share": 0.9}}
    with pytest.raises(UserError, match="early_stopping.share: .*0.9 of 2 are 2"):
        fit(nn.Linear(1, 2), torch.ones(2, 1), torch.zeros(2, dtype=torch.long), Recipe.of(recipe), 0)


# what stays

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
    recipe = {
        "data": RECIPE["data"],
        "learning_rate": 0.1,
        "epochs": 1,
        "batch_size": 9,
        "momentum": 0,
        "weight_decay": 0,
    }
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


@pytest.mark.parametrize("how", [["permute"], ["permute", "rescale"]])
def test_a_disguised_child_computes_what_it_would_have_with_other_weights(how):
    data = images([0, 1] * 8)
    (row, plain), (again, disguised) = (
        trained(model(**recipe), FC, data, parent_of(FC), CPU) for recipe in ({}, {"disguise": how})
    )
    assert row == again
    probe = torch.rand(9, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    outputs = []
    for state in (plain, disguised):
        net = build("fc", classes=2, channels=1, image_size=4, seed=0)
        net.load_state_dict(state)
        outputs.append(net(probe).detach())
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(plain["layer2.0.weight"], disguised["layer2.0.weight"], atol=1e-3)


def test_a_network_whose_axes_are_not_known_is_not_disguised():
    from lineage.training.disguised_children import disguised_state

    with pytest.raises(UserError, match=r"p0\.full\.000: cannot be disguised: .*drop settings\.\*\.disguise"):
        disguised_state({"table": torch.rand(3, 4)}, ["permute"], model())
