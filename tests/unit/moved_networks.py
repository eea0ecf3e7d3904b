"""Small networks in float64, moved towards others by hand, and the features of their modules."""

import copy
from collections.abc import Callable

import numpy as np
import pandas as pd
import timm
import torch
from torch import Tensor, nn

BATCH_STATISTICS = ("running_mean", "running_var")


class Attentive(nn.Module):
    """One transformer layer on tokens [n, t, d]."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.mix, self.head = nn.LayerNorm(8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.mix(self.norm(x)).tanh().mean(1))


def fc() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3))


def conv() -> nn.Module:
    parts = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 2), nn.BatchNorm2d(5), nn.Tanh()
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))


def vit() -> nn.Module:
    size = {"img_size": 16, "patch_size": 8, "embed_dim": 12, "num_heads": 2, "depth": 2}
    return timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=3, **size)


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True)
    return nn.Sequential(layer, nn.Linear(8, 5), nn.Linear(5, 2))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str], tuple[int, ...]]] = {
    "fc": (fc, ["1", "3"], (6, 7)),
    "conv": (conv, ["2", "7"], (6, 2, 6, 6)),
    "attention": (Attentive, ["norm", "mix"], (6, 4, 8)),
    "encoder": (encoder, ["0", "1"], (6, 4, 8)),
    "vit": (vit, ["blocks.0", "fc_norm"], (4, 3, 16, 16)),
}


def made(name: str, seed: int) -> nn.Module:
    """A network in float64 whose every parameter and running statistic is random."""
    torch.manual_seed(seed)
    network = NETWORKS[name][0]().double()
    for key, buffer in network.named_buffers():
        if key.endswith(BATCH_STATISTICS):
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return network.eval()


def probe_of(name: str) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(NETWORKS[name][2], generator=generator, dtype=torch.float64)


def moved(parent: nn.Module, child: nn.Module, alpha: float, *, statistics: bool = True) -> nn.Module:
    """The parent with its weights interpolated by hand."""
    network = copy.deepcopy(parent)
    for ours, theirs in zip(network.parameters(), child.parameters(), strict=True):
        ours.data = (1 - alpha) * ours.data + alpha * theirs.data
    for (key, ours), theirs in zip(network.named_buffers(), child.buffers(), strict=True):
        if statistics and key.endswith(BATCH_STATISTICS):
            ours.data = (1 - alpha) * ours.data + alpha * theirs.data
    return network


def hooked(network: nn.Module, layer: str, probe: Tensor) -> np.ndarray:
    """A module's output [n, d], averaged over positions."""
    seen = []
    handle = network.get_submodule(layer).register_forward_hook(lambda *args: seen.append(args[2].clone()))
    with torch.no_grad():
        network.eval()(probe)
    handle.remove()
    values = seen[-1].numpy()
    if values.ndim == 4:
        return values.mean((2, 3))
    return values.mean(1) if values.ndim == 3 else values


def score(frame: pd.DataFrame, **where) -> float:
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame["score"].item()
