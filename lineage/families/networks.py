"""Small networks of twelve kinds, in a width that is given, for grey images of 16 x 16 pixels.

Each ends in a head, its last module. N images, T tokens, W the width.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from lineage.families.plain import Gated, funnel, plain_conv, shallow
from lineage.families.transformers import llama, vit
from lineage.networks.architectures import head_of, seeded

SIZE = 16
"""Pixels an edge."""


def mlp(width: int, classes: int, norm: Callable[[int], nn.Module] | None = None) -> nn.Module:
    """Three hidden layers of one width."""
    layers = OrderedDict(flatten=nn.Flatten())
    for number, inputs in enumerate([SIZE**2, width, width], start=1):
        parts = [nn.Linear(inputs, width), *([norm(width)] if norm else []), nn.ReLU()]
        layers[f"layer{number}"] = nn.Sequential(*parts)
    layers["head"] = nn.Linear(width, classes)
    return nn.Sequential(layers)


def mlp_norm(width: int, classes: int) -> nn.Module:
    """The same with LayerNorm."""
    return mlp(width, classes, nn.LayerNorm)


def _convolved(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias, and BatchNorm."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def _pooled_head(width: int, classes: int) -> dict[str, nn.Module]:
    """The mean over positions, and a head."""
    return {
        "pool": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        "head": nn.Linear(width, classes),
    }


def conv(width: int, classes: int) -> nn.Module:
    """Four convolutions with BatchNorm; the first three halve the image."""
    sizes = [(1, width // 4, 2), (width // 4, width // 2, 2), (width // 2, width, 2), (width, width, 1)]
    layers = {
        f"block{number}": nn.Sequential(*_convolved(inputs, outputs, stride=stride), nn.ReLU())
        for number, (inputs, outputs, stride) in enumerate(sizes, start=1)
    }
    return nn.Sequential(OrderedDict(layers | _pooled_head(width, classes)))


class Residual(nn.Module):
    """What is added to its input, where the shapes are the same, or to a convolution of it, if one is given."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None, *, rectified: bool):
        super().__init__()
        self.branch = branch
        if shortcut is not None:
            self.shortcut = shortcut
        self.rectified = rectified

    def forward(self, x: Tensor) -> Tensor:
        """The sum."""
        added = self.branch(x)
        if hasattr(self, "shortcut"):
            added = added + self.shortcut(x)
        elif added.shape == x.shape:
            added = added + x
        return added.relu() if self.rectified else added


def resnet(width: int, classes: int) -> nn.Module:
    """A stem and two basic blocks (He et al. 2016, doi:10.1109/CVPR.2016.90)."""

    def block(inputs: int, outputs: int) -> nn.Module:
        branch = nn.Sequential(
            *_convolved(inputs, outputs, stride=2), nn.ReLU(), *_convolved(outputs, outputs)
        )
        return Residual(branch, _convolved(inputs, outputs, 1, 2), rectified=True)

    layers = {
        "stem": nn.Sequential(*_convolved(1, width // 4, stride=2), nn.ReLU()),
        "block1": block(width // 4, width // 2),
        "block2": block(width // 2, width),
    }
    return nn.Sequential(OrderedDict(layers | _pooled_head(width, classes)))


def mobile(width: int, classes: int) -> nn.Module:
    """Inverted residuals with depthwise convolutions (Sandler et al. 2018, doi:10.1109/CVPR.2018.00474)."""

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        branch = nn.Sequential(
            *_convolved(inputs, width, 1),
            nn.ReLU6(),
            *_convolved(width, width, 3, stride, groups=width),
            nn.ReLU6(),
            *_convolved(width, outputs, 1),
        )
        return Residual(branch, None, rectified=False)

    layers = {
        "stem": nn.Sequential(*_convolved(1, width // 4, stride=2), nn.ReLU6()),
        "block1": block(width // 4, width // 4, 2),
        "block2": block(width // 4, width // 4, 1),
        "block3": block(width // 4, width // 2, 2),
        "last": nn.Sequential(*_convolved(width // 2, width, 1), nn.ReLU6()),
    }
    return nn.Sequential(OrderedDict(layers | _pooled_head(width, classes)))


class Recurrent(nn.Module):
    """An LSTM of two layers over the image's rows, two at a time; the head sees its last state."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.LSTMCell(2 * SIZE, width), nn.LSTMCell(width, width)])
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes]."""
        states = [None] * len(self.layers)
        for rows in images.reshape(len(images), SIZE // 2, 2 * SIZE).unbind(1):
            seen = rows
            for number, layer in enumerate(self.layers):
                states[number] = layer(seen, states[number])
                seen = states[number][0]
        return self.head(seen)


ARCHITECTURES: dict[str, Callable[[int, int], nn.Module]] = {
    "mlp": mlp,
    "mlp-norm": mlp_norm,
    "conv": conv,
    "mobile": mobile,
    "resnet": resnet,
    "vit": vit,
    "lstm": Recurrent,
    "llama": llama,
    "plain-conv": partial(plain_conv, SIZE),
    "funnel": partial(funnel, SIZE),
    "shallow": partial(shallow, SIZE),
    "gru": partial(Gated, SIZE),
}


def network(architecture: str, *, width: int, classes: int, seed: int) -> nn.Module:
    """A network with random weights drawn from `seed`; `width` is a multiple of 32."""
    with seeded(seed):
        return ARCHITECTURES[architecture](width, classes)


def start_from(net: nn.Module, taken: dict[str, Tensor], *, is_head_new: bool) -> None:
    """Gives a network another one's weights; where the head is new, all but the head's."""
    own, head = net.state_dict(), f"{head_of(net)}."
    net.load_state_dict(
        {name: own[name] if is_head_new and name.startswith(head) else taken[name] for name in own}
    )


def matrices(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a state's backbone that have rows and columns, each as a matrix [rows, columns]."""
    return {
        name: value.flatten(1)
        for name, value in state.items()
        if value.ndim > 1 and len(value) > 1 and not name.startswith(("head.", "score."))
    }


def relative_change(before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
    """‖after - before‖ / ‖before‖ over the matrices of the backbone."""
    old, new = matrices(before), matrices(after)
    moved = sum((new[name] - old[name]).double().square().sum() for name in old)
    size = sum(value.double().square().sum() for value in old.values())
    return float(torch.sqrt(moved / size))
