"""Small networks that are really trained, within seconds, on scikit-learn's digits: for benches of single rules."""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

State = dict[str, np.ndarray]
CLASSES = 4
HEAD = "head."


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + self.inner(values)


class Attention(nn.Module):
    """Self-attention over patches, between residual connections."""

    def __init__(self, width: int):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 4, batch_first=True)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        normed = self.norm(values)
        return values + self.attention(normed, normed, normed, need_weights=False)[0]


class Network(nn.Module):
    """A body of features and a head; `patches` turns an image of 8 x 8 into 16 tokens of 4."""

    def __init__(self, width: int, body: nn.Module, *, view: tuple[int, ...]):
        super().__init__()
        self.view, self.body, self.head = view, body, nn.Linear(width, CLASSES)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.body(pixels.view(-1, *self.view))
        if features.ndim > 2:
            features = features.mean(1) if len(self.view) == 2 else features.mean((2, 3))
        return self.head(features)


def mlp() -> Network:
    layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()]
    return Network(64, nn.Sequential(*layers), view=(64,))


def normed_mlp() -> Network:
    inner = [Residual(nn.LayerNorm(96), nn.Linear(96, 192), nn.GELU(), nn.Linear(192, 96)) for _ in range(3)]
    return Network(96, nn.Sequential(nn.Linear(64, 96), *inner), view=(64,))


def conv() -> Network:
    layers = []
    for inputs, outputs in ((1, 32), (32, 48), (48, 64)):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return Network(64, nn.Sequential(*layers), view=(1, 8, 8))


def resnet() -> Network:
    block = [
        Residual(nn.Conv2d(48, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
                 nn.Conv2d(48, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48))
        for _ in range(2)
    ]  # fmt: skip
    return Network(48, nn.Sequential(nn.Conv2d(1, 48, 3, stride=2, padding=1), *block), view=(1, 8, 8))


def vit() -> Network:
    layers = [nn.Linear(4, 64)]
    for _ in range(2):
        layers += [
            Attention(64),
            Residual(nn.LayerNorm(64), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64)),
        ]
    return Network(64, nn.Sequential(*layers), view=(16, 4))


FITTED: dict[str, Callable[[], Network]] = {"mlp": mlp, "conv": conv}
"""Bounds were set on these, with seeds below 100."""
UNSEEN: dict[str, Callable[[], Network]] = {"normed mlp": normed_mlp, "resnet": resnet, "vit": vit}
"""And rates are measured on these, with seeds from 100 on."""


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    digits = load_digits()
    return torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)


PIXELS, DIGITS = _digits()


def train(
    build: Callable[[], Network],
    start: State | None,
    task: int,
    *,
    epochs: int,
    optimizer: str,
    strength: float = 1.0,
    masked: bool = False,
) -> State:
    """Trains a network from a state, under a new head, or from its initialisation.

    Args:
        task: seeds the classes, the images and their order, the head and the initialisation.
        optimizer: "sgd" or "adamw"; strength: of its rate.
        masked: whether zeros stay zeros.
    """
    torch.manual_seed(task)
    network = build()
    if start is not None:
        own = network.state_dict()
        network.load_state_dict({
            name: own[name] if name.startswith(HEAD) else torch.tensor(start[name]).view_as(own[name]) for name in own
        })  # fmt: skip
    classes = torch.randint(CLASSES, (10,))
    labels = classes[DIGITS]
    images = torch.randperm(len(PIXELS))[:1000]
    options = {"sgd": (torch.optim.SGD, {"lr": 0.05 * strength, "momentum": 0.9}),
               "adamw": (torch.optim.AdamW, {"lr": 1e-3 * strength})}  # fmt: skip
    kind, settings = options[optimizer]
    steps = kind(network.parameters(), **settings, weight_decay=1e-4 if optimizer == "sgd" else 0.01)
    zeros = {name: values == 0 for name, values in network.named_parameters()} if masked else {}
    network.train()
    for _ in range(epochs):
        for batch in images[torch.randperm(len(images))].split(50):
            steps.zero_grad()
            cross_entropy(network(PIXELS[batch]), labels[batch]).backward()
            steps.step()
            with torch.no_grad():
                for name, values in network.named_parameters():
                    if name in zeros:
                        values[zeros[name]] = 0
    return {name: values.detach().numpy().copy() for name, values in network.state_dict().items()}


def matrices_of(state: State) -> list[str]:
    """The names of the matrices that are no head."""
    return [name for name, values in state.items() if values.ndim >= 2 and not name.startswith(HEAD)]
