"""Candidates that are run on inputs: networks of a known architecture with a file's weights. Needs torch.

N inputs of H x W x C pixels; d features.
"""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.errors import UserError
from lineage.networks.architectures import build, head_of
from lineage.networks.backbone import evaluating
from lineage.networks.from_checkpoint import shapes_of, state_from
from lineage.relation.matching import match

BATCH = 256
STEPS, SEEN_A_STEP, RATE = 50, 32, 0.01
"""Of a copy that is trained further: an ordinary fine-tuning with few images."""


def restored(model: Checkpoint, architecture: str, *, channels: int, image_size: int) -> nn.Module:
    """The architecture with a checkpoint's weights, head included; tensors go by name, then by shape and order.

    Raises:
        UserError: for an unknown architecture, or a checkpoint that is not of it.
    """
    size = {"channels": channels, "image_size": image_size}
    with torch.device("meta"):
        skeleton = build(architecture, classes=2, seed=0, **size)
    head = f"{head_of(skeleton)}."
    wanted = shapes_of(skeleton)
    theirs = {name: entry.shape for name, entry in model.entries.items()}
    backbone = {name: shape for name, shape in wanted.items() if not name.startswith(head)}
    left = match(backbone, theirs).only_candidate
    heads = [shape for name, shape in wanted.items() if name.startswith(head) and len(shape) > 1]
    classes = [theirs[name][0] for name in left if any(theirs[name][1:] == shape[1:] for shape in heads)]
    network = build(architecture, classes=classes[0] if len(classes) == 1 else 2, seed=0, **size)
    state = state_from(
        model,
        shapes_of(network),
        architecture=architecture,
        advice="give another --arch, --image-size or --channels",
    )
    network.load_state_dict(state, strict=False)
    return network


@torch.no_grad()
def pruned(network: nn.Module, share: float) -> nn.Module:
    """A copy without the smallest share of the weights of each tensor that has rows and columns."""
    found = copy.deepcopy(network)
    for values in found.parameters():
        if values.ndim > 1:
            size = values.abs()
            bound = size.flatten().kthvalue(max(1, int(share * values.numel()))).values
            values.mul_(size > bound)
    return found


def trained_further(
    network: nn.Module,
    images: np.ndarray,
    answers: np.ndarray,
    order: np.random.Generator,
    *,
    mean: list[float] | None,
    std: list[float] | None,
) -> nn.Module:
    """A copy that learned for STEPS steps of SGD to answer what is given; statistics of BatchNorm stay.

    Args:
        images: uint8 [N, H, W, C]; answers: probabilities [N, classes].
        order: draws the images of each step.
        mean, std: as in `answers_of`.
    """
    found = copy.deepcopy(network).eval()
    for parameter in found.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    steps = torch.optim.SGD(found.parameters(), lr=RATE, momentum=0.9)
    for _ in range(STEPS):
        drawn = order.integers(0, len(images), SEEN_A_STEP)
        loss = cross_entropy(found(_pixels(images[drawn], mean, std)), torch.from_numpy(answers[drawn]))
        steps.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(found.parameters(), 1.0)
        steps.step()
    return found


@torch.no_grad()
def answers_of(
    network: nn.Module, images: np.ndarray, *, mean: list[float] | None, std: list[float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """What a network says of inputs: log-probabilities float32 [N, classes], and what its head sees, [N, d].

    Args:
        network: left in the mode that it was in.
        images: uint8 [N, H, W, C].
        mean, std: of each channel of pixels in [0, 1], to normalise by.

    Raises:
        UserError: if it does not give one row of logits an input.
    """
    outputs, features, seen = [], [], []
    head = dict(network.named_modules())[head_of(network)]
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        with evaluating(network):
            for start in range(0, len(images), BATCH):
                seen.clear()
                logits = network(_pixels(images[start : start + BATCH], mean, std))
                if logits.ndim != 2:
                    raise UserError(
                        f"a candidate: expected logits [n, classes], got the shape {tuple(logits.shape)}"
                    )
                outputs.append(logits.log_softmax(1))
                features.append(_pooled(seen[-1]))
    finally:
        hook.remove()
    return torch.cat(outputs).float().numpy(), torch.cat(features).float().numpy()


def _pixels(images: np.ndarray, mean: list[float] | None, std: list[float] | None) -> torch.Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float().div_(255)
    if mean is not None and std is not None:
        pixels.sub_(torch.tensor(mean)[:, None, None]).div_(torch.tensor(std)[:, None, None])
    return pixels


def _pooled(seen: torch.Tensor) -> torch.Tensor:
    """What a head sees as [n, d]: of tokens or maps their mean over positions."""
    if seen.ndim == 3:
        return seen.mean(1)
    return seen.flatten(2).mean(2) if seen.ndim > 3 else seen
