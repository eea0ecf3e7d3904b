"""Low-rank adaptation: weights W + (alpha / r) B A with W kept (Hu et al. 2022, arXiv:2106.09685).

A convolution's kernel [out, in, h, w] is taken as a matrix [out, in·h·w].
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """The sum of a weight and a product of rank r that starts at 0; A is drawn as `nn.Linear` draws, B is 0."""

    def __init__(self, weight: Tensor, *, rank: int, alpha: float):
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        rank = min(rank, rows, columns)
        self.A = nn.Parameter(weight.new_empty(rank, columns))
        self.B = nn.Parameter(weight.new_zeros(rows, rank))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """W + (alpha / r) B A, of W's shape [out, ...]."""
        return weight + self.scale * (self.B @ self.A).view_as(weight)


def adapt(net: nn.Module, *, rank: int, alpha: float) -> list[nn.Module]:
    """Adapts every frozen weight of a linear layer or a convolution, and gives the layers."""
    layers = [
        module
        for module in net.modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not module.weight.requires_grad
    ]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank=rank, alpha=alpha))
    return layers


@torch.no_grad()
def merge(layers: list[nn.Module]) -> None:
    """Adds each product to its weight; the layers are ordinary ones again."""
    for layer in layers:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
