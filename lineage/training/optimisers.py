"""Optimisers of training: which one, how far in which layer and when, in which precision."""

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR

from lineage.networks.backbone import Backbone
from lineage.types.recipe import Drops, Recipe

SECOND_BETA = 0.999
"""Of Adam: how much of the mean of squares stays at each step."""


class Steps:
    """Takes a step for each sum of gradients.

    Args:
        net: in training mode, with what is frozen and adapted.
        recipe: names the optimiser, its learning rates, the clip and the precision.
        sample: one input [1, ...], on the network's device.
        of_an_epoch: how many steps an epoch has.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, sample: Tensor, of_an_epoch: int):
        self._net, self._clip = net, recipe.clip
        self._optimizer = optimizer_of(net, recipe, sample)
        self._optimizer.zero_grad()
        self._schedule = schedule_of(self._optimizer, recipe, of_an_epoch)
        in_float16 = recipe.mixed_precision == "float16"
        self._scaler = torch.amp.GradScaler(sample.device.type, enabled=in_float16)

    def add(self, loss: Tensor) -> None:
        """Adds the gradient of a loss, or of a part of it."""
        self._scaler.scale(loss).backward()

    def take(self) -> None:
        """Takes a step by the gradients added, and forgets them; none where they left float16's range."""
        if self._clip is not None:
            self._scaler.unscale_(self._optimizer)
            clip_grad_norm_(self._net.parameters(), self._clip)
        scale = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
        if self._schedule is not None and self._scaler.get_scale() >= scale:
            self._schedule.step()


def optimizer_of(net: nn.Module, recipe: Recipe, sample: Tensor) -> torch.optim.Optimizer:
    """torch's SGD, Adam or AdamW of the parameters that are trained."""
    parameters = parameters_of(net, recipe, sample)
    options = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer in (None, "sgd"):
        return torch.optim.SGD(parameters, momentum=recipe.momentum, **options)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(parameters, betas=(recipe.momentum, SECOND_BETA), **options)


def parameters_of(net: nn.Module, recipe: Recipe, sample: Tensor) -> list[Tensor] | list[dict]:
    """The parameters that are trained, with `layer_decay` in groups of one learning rate each.

    The head's is the recipe's; that of the layer before is `layer_decay` times as high, and so on (Clark et al. 2020,
    arXiv:2003.10555; for images Bao et al. 2022, arXiv:2106.08254).
    """
    named = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    if recipe.layer_decay is None:
        return list(named.values())
    layers = layers_of(net, sample)
    last = max(layers.values())
    return [
        {
            "params": [parameter for name, parameter in named.items() if layers[name] == layer],
            "lr": recipe.learning_rate * recipe.layer_decay ** (last - layer),
        }
        for layer in sorted({layers[name] for name in named})
    ]


def layers_of(net: nn.Module, sample: Tensor) -> dict[str, int]:
    """The layer of each parameter, counted from the input: timm's of its networks, the stages of others."""
    if hasattr(net, "group_matcher"):
        from timm.models import group_parameters

        return group_parameters(net, net.group_matcher(coarse=False), reverse=True)
    stages = Backbone(net, sample).parameters
    of_backbone = {name: layer for layer, names in enumerate(stages.values()) for name in names}
    return {name: of_backbone.get(name, len(stages)) for name, _ in net.named_parameters()}


def schedule_of(optimizer: torch.optim.Optimizer, recipe: Recipe, steps_an_epoch: int) -> LRScheduler | None:
    """How learning rates change from step to step; None where they stay.

    In a warm-up of w steps, step i = 1, 2, ... has i / (w + 1) of the rate. Of n steps after it, step i = 0, 1, ...
    has (1 + cos(π i / n)) / 2 with `cosine` (Loshchilov & Hutter 2017, arXiv:1608.03983), 1 - i / n with `linear`.
    A warm-up leaves one step at least after it.
    """
    last = max(recipe.epochs * steps_an_epoch - 1, 0)
    warm_up = min(round((recipe.warm_up or 0) * steps_an_epoch), last)
    steps = recipe.epochs * steps_an_epoch - warm_up
    schedule = None
    if isinstance(recipe.schedule, Drops):
        every = recipe.schedule.every * steps_an_epoch
        schedule = StepLR(optimizer, step_size=every, gamma=recipe.schedule.factor)
    elif recipe.schedule == "cosine":
        schedule = CosineAnnealingLR(optimizer, T_max=steps)
    elif recipe.schedule == "linear":
        schedule = LinearLR(optimizer, start_factor=1, end_factor=0, total_iters=steps)
    if not warm_up:
        return schedule
    rise = LinearLR(optimizer, start_factor=1 / (warm_up + 1), total_iters=warm_up)
    return rise if schedule is None else SequentialLR(optimizer, [rise, schedule], [warm_up])
