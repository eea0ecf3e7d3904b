"""Small networks that are fine-tuned on noise: a parent as after training, its child, and the training by hand."""

import numpy as np
import torch
from plain_training import RECIPE, model_of, plain_loop
from torch import Tensor, nn

from lineage.data.images import Images
from lineage.experiment.zoo import Model
from lineage.networks.architectures import build
from lineage.training.fit import trained
from lineage.types.scoring import Network

DECAYED = RECIPE | {"weight_decay": 0.01}
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
    return model_of(DECAYED | recipe, "p0", seed)


def parent_of(network: Network) -> dict[str, Tensor]:
    size = {"channels": network.channels, "image_size": network.image_size}
    net = build(network.name, classes=2, **size, seed=99)
    draw = torch.Generator().manual_seed(0)
    state = {}
    for name, value in net.state_dict().items():  # normalisations as after training, none of them dead
        shift = torch.rand(value.shape, generator=draw) / 2 if value.ndim == 1 else torch.zeros(())
        state[name] = (value + shift).to(value.dtype)
    return state


def child_of(parent: dict, network: Network, **recipe) -> dict[str, Tensor]:
    of_training = images(list(range(4)) * 4, network)
    return trained(model(**recipe), network, of_training, parent, CPU)[1]


def plain_training(net: nn.Module, pixels: Tensor, labels: Tensor, recipe: dict, seed: int) -> None:
    """The plain loop with the plain optimiser."""
    options = {"momentum": recipe["momentum"], "weight_decay": recipe["weight_decay"]}
    optimizer = torch.optim.SGD(net.parameters(), lr=recipe["learning_rate"], **options)
    plain_loop(net, optimizer, pixels, labels, recipe, seed)
