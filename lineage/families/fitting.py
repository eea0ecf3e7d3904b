"""One training of a network of a family, and how well it does."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize

from lineage.families.recipes import Training, learning_rate, weight_decay
from lineage.families.tasks import BATCH, Task
from lineage.networks.backbone import evaluating
from lineage.training.freezing import LINEAR_PROBE, freeze
from lineage.training.lora import LowRank
from lineage.training.regularisation import drop_before, l2_sp

ALPHA_A_RANK = 2.0
"""LoRA's alpha over its rank."""
OF_CELLS = ("weight_ih", "weight_hh")
ADAPTED = {nn.Linear: ("weight",), nn.Conv2d: ("weight",), nn.LSTMCell: OF_CELLS, nn.GRUCell: OF_CELLS}
"""What LoRA adds to."""
OPTIMISER_OF: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, fused=True),
    "momentum": partial(torch.optim.SGD, momentum=0.9, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}
"""Makes each optimiser of groups of parameters."""


def optimiser_of(
    name: str, net: nn.Module, rate: float, decay: float, first_rate: float = 1.0
) -> torch.optim.Optimizer:
    """An optimiser over the parameters that are trained; `first_rate`: the first layer's rate over the last one's."""
    layers: dict[str, list[nn.Parameter]] = {}
    for parameter_name, parameter in net.named_parameters():
        if parameter.requires_grad:
            layers.setdefault(parameter_name.rpartition(".")[0], []).append(parameter)
    rates = rate * first_rate ** np.linspace(0, 1, len(layers))[::-1]
    groups = [{"params": layer, "lr": own} for layer, own in zip(layers.values(), rates, strict=True)]
    return OPTIMISER_OF[name](groups, lr=rate, weight_decay=decay)


def fitted(
    net: nn.Module, task: Task, training: Training, *, architecture: str, optimiser: str, seed: int
) -> Iterator[int]:
    """Trains in place, and pauses after each epoch and at the end: gives the steps done until then.

    Args:
        net: changed; with LoRA it is an ordinary network again once all is done.
        task: what to learn; training: how.
        architecture, optimiser: the network's, and the name of what trains it.
        seed: of the images' order, of LoRA's start, and of what dropout leaves out.
    """
    rate, decay = learning_rate(training, architecture, optimiser), weight_decay(training, optimiser)
    order = torch.Generator().manual_seed(seed)
    net.train()
    with (
        torch.random.fork_rng(),
        _adapted(net, training.lora, task.images[:1], seed),
        _dropping(net, training.dropout, seed),
    ):
        steps = optimiser_of(optimiser, net, rate, decay, training.first_rate)
        penalty = None if training.l2_sp is None else l2_sp(net, training.l2_sp)
        done = 0
        for _ in range(1 if training.steps else training.epochs):
            batches = torch.randperm(len(task.labels), generator=order).split(BATCH)
            for batch in batches[: training.steps]:
                loss = cross_entropy(net(task.images[batch]), task.labels[batch])
                steps.zero_grad()
                (loss if penalty is None else loss + penalty()).backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                steps.step()
                done += 1
            if training.lora is None:
                yield done
    if training.lora is not None:
        yield done


@contextlib.contextmanager
def _adapted(net: nn.Module, rank: int | None, sample: Tensor, seed: int) -> Iterator[None]:
    """With a rank, only a product of that rank is trained beside each matrix, and the head; merged afterwards."""
    if rank is None:
        yield
        return
    torch.manual_seed(seed)
    flags = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    freeze(net, LINEAR_PROBE, sample)
    adapted = [
        (module, name)
        for module in net.modules()
        for name in ADAPTED.get(type(module), ())
        if not getattr(module, name).requires_grad
    ]
    for module, name in adapted:
        low_rank = LowRank(getattr(module, name), rank=rank, alpha=ALPHA_A_RANK * rank)
        parametrize.register_parametrization(module, name, low_rank)
    yield
    for module, name in adapted:
        parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    for parameter, flag in flags:
        parameter.requires_grad_(flag)


@contextlib.contextmanager
def _dropping(net: nn.Module, share: float, seed: int) -> Iterator[None]:
    """Leaves out this share of what every linear and convolutional layer but the first is given in training."""
    if not share:
        yield
        return
    torch.manual_seed(seed)
    layers = [module for module in net.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    with contextlib.ExitStack() as undo:
        for layer in layers[1:]:
            undo.callback(drop_before(layer, share).remove)
        yield


@torch.no_grad()
def accuracy(net: nn.Module, task: Task) -> float:
    """The share of the test images that a network gets right."""
    with evaluating(net):
        return float((net(task.test_images).argmax(1) == task.test_labels).float().mean())
