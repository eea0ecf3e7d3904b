"""What keeps fine-tuning near its start: L2-SP, dropout before the head, early stopping."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout
from torch.utils.hooks import RemovableHandle

from lineage.networks.architectures import head_of, head_prefixes
from lineage.networks.backbone import evaluating


def l2_sp(net: nn.Module, strength: float):
    """The penalty strength / 2 · |θ - θ₀|² over the backbone's trained parameters, θ₀ being those of now.

    Xuhong et al. 2018 (arXiv:1802.01483), eq. 3; the head's own decay is the recipe's `weight_decay`.
    """
    heads = head_prefixes(net)
    starts = [
        (parameter, parameter.detach().clone())
        for name, parameter in net.named_parameters()
        if parameter.requires_grad and not name.startswith(heads)
    ]

    def penalty() -> Tensor | float:
        return strength / 2 * sum((parameter - start).square().sum() for parameter, start in starts)

    return penalty


def drop_before_head(net: nn.Module, share: float) -> RemovableHandle:
    """Sets a share of the head's inputs to 0 in training, by torch's own random numbers."""
    return drop_before(net.get_submodule(head_of(net)), share)


def drop_before(layer: nn.Module, share: float) -> RemovableHandle:
    """Sets a share of a layer's inputs to 0 in training, by torch's own random numbers."""
    return layer.register_forward_pre_hook(
        lambda module, inputs: (dropout(inputs[0], share, training=module.training), *inputs[1:])
    )


class EarlyStopping:
    """Keeps the state with the lowest loss on held-out images, and says when to stop.

    Args:
        net: looked at after every epoch.
        pixels, labels: the held-out images.
        patience: epochs without a lower loss after which to stop.
        batch_size: images at a time.
    """

    def __init__(self, net: nn.Module, pixels: Tensor, labels: Tensor, *, patience: int, batch_size: int):
        self._net, self._patience = net, patience
        self._batches = list(zip(pixels.split(batch_size), labels.split(batch_size), strict=True))
        self._lowest, self._state, self._since = float("inf"), None, 0

    def is_best(self) -> bool:
        """Looks at the network; whether its loss is the lowest so far."""
        loss = self._loss()
        if loss < self._lowest:
            self._lowest, self._state, self._since = loss, copy.deepcopy(self._net.state_dict()), 0
            return True
        self._since += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether to stop."""
        return self._since >= self._patience

    def restore(self) -> None:
        """Gives the network its best state."""
        if self._state is not None:
            self._net.load_state_dict(self._state)

    @torch.no_grad()
    def _loss(self) -> float:
        with evaluating(self._net):
            return sum(
                cross_entropy(self._net(pixels), labels, reduction="sum").item()
                for pixels, labels in self._batches
            )
