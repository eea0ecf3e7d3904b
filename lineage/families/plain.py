"""Small networks without norms, for random trees alone: convolutions, unequal layers, few layers, a GRU.

Each ends in a head, its last module. W is the width.
"""

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn


def plain_conv(size: int, width: int, classes: int) -> nn.Module:
    """Five convolutions with biases, of which two are followed by pooling (as VGG's; arXiv:1409.1556)."""
    channels = [1, width // 4, width // 4, width // 2, width // 2, width]
    layers = OrderedDict()
    for number, (inputs, outputs) in enumerate(pairwise(channels), start=1):
        layers[f"conv{number}"] = nn.Conv2d(inputs, outputs, 3, padding=1)
        layers[f"relu{number}"] = nn.ReLU()
        if number % 2 == 0:
            layers[f"pool{number}"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["hidden"] = nn.Sequential(nn.Linear(width * (size // 4) ** 2, width), nn.ReLU())
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(layers)


def funnel(size: int, width: int, classes: int) -> nn.Module:
    """Four hidden layers with GELU, of 2 W, W, W and W / 2 units."""
    sizes = [size**2, 2 * width, width, width, width // 2]
    layers = OrderedDict(flatten=nn.Flatten())
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers[f"layer{number}"] = nn.Sequential(nn.Linear(inputs, outputs), nn.GELU())
    layers["head"] = nn.Linear(width // 2, classes)
    return nn.Sequential(layers)


def shallow(size: int, width: int, classes: int) -> nn.Module:
    """Two hidden layers with tanh, of 2 W and W units."""
    layers = OrderedDict(flatten=nn.Flatten())
    layers["layer1"] = nn.Sequential(nn.Linear(size**2, 2 * width), nn.Tanh())
    layers["layer2"] = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh())
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(layers)


class Gated(nn.Module):
    """A GRU over an image's rows, after a layer that embeds each; the head sees its last state."""

    def __init__(self, size: int, width: int, classes: int):
        super().__init__()
        self.embed = nn.Linear(size, width)
        self.gru = nn.GRUCell(width, width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes]."""
        state = None
        for rows in self.embed(images.flatten(0, 1)).tanh().unbind(1):
            state = self.gru(rows, state)
        return self.head(state)
