"""Pre-training of roots and fine-tuning of children. N images of C x H x W pixels."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lineage.data.images import Images, stratified_subset
from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.networks.architectures import backbone_state, build, seeded
from lineage.progress import Tracked, untracked
from lineage.training.augmentation import Transform, transform_of
from lineage.training.batches import Batches
from lineage.training.disguised_children import disguised_state
from lineage.training.freezing import LINEAR_PROBE, freeze
from lineage.training.lora import adapt, merge
from lineage.training.objectives import classified, detected
from lineage.training.optimisers import Steps
from lineage.training.regularisation import EarlyStopping, drop_before_head, l2_sp
from lineage.training.sampling import training_images
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network


class Fit(NamedTuple):
    """How well training went, in the epoch whose weights are kept; no loss where there was none."""

    loss: float | None
    """Mean loss of the epoch, while it was trained: the cross-entropy, or the sum of a detector's losses."""
    accuracy: float | None
    """Likewise; NaN of a detector."""
    epochs: int
    """The epoch's number, from 1."""


Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, float]]
"""The loss of a batch, and how many of it are right."""

Start = Callable[[nn.Module, Network, Recipe], None]
"""Gives a network pretrained weights."""


def trained(
    model: Model,
    network: Network,
    images: Images,
    parent: dict[str, Tensor] | None,
    device: torch.device,
    tracked: Tracked = untracked,
    start: Start | None = None,
) -> tuple[dict, dict[str, Tensor]]:
    """Trains one model: from random or pretrained weights, or from its parent's backbone; always under a new head.

    Args:
        model: which, with its seed and recipe.
        network: the experiment's network.
        images: all images of its data; the recipe says which of them are used.
        parent: the parent's state dict; None for a root.
        device: where to compute.
        tracked: says how many epochs are done.
        start: gives a root the weights that its recipe names, see `lineage.training.pretrained`.

    Returns:
        A row of the table of models (without its experiment), and the state dict.

    Raises:
        UserError: if the data has fewer images than asked for, pretrained weights cannot be had, or the loss is
            not finite.
    """
    recipe = model.recipe
    net = build(network.name, classes=len(images.class_names), channels=network.channels,
                image_size=network.image_size, seed=model.seed)  # fmt: skip
    if parent is not None:
        inherited = backbone_state(net, parent)
        missing = net.load_state_dict(inherited, strict=False).missing_keys
        if extra := sorted(set(missing) & set(backbone_state(net, net.state_dict()))):
            raise UserError(
                f"{model.parent}: expected the weights of a {network.name}, but it has no {extra[0]}"
            )
    if (recipe.weights is None) != (start is None):
        raise ValueError(f"{model.id}: its recipe names weights {recipe.weights}, and start is {start}")
    if start is not None:
        start(net, network, recipe)
    chosen = training_images(model, images)
    place, transform = device, None
    if recipe.augmentation is not None:  # images are changed one by one on the CPU
        place = torch.device("cpu")
        transform = transform_of(recipe.augmentation, network.image_size, images.mean, images.std)
    pixels, labels = images.tensor(chosen).to(place), images.labels_tensor(chosen).to(place)
    try:
        net.to(device)
        objective = detected if network.task == "detection" else None
        found = Fit(None, None, 0)
        if recipe.epochs:
            found = fit(net, pixels, labels, recipe, model.seed, tracked, objective, transform)
    except UserError as error:
        raise UserError(f"{model.id}: {error}") from None
    loss, accuracy, epochs = found
    if epochs and not loss < float("inf"):
        raise UserError(
            f"{model.id}: training diverged (loss {loss}) at learning_rate {recipe.learning_rate}; lower it"
        )
    row = {
        "setting": model.setting,
        "model": model.id,
        "parent": model.parent,
        "generation": model.generation,
        "index": model.index,
        "seed": model.seed,
        "learning_rate": recipe.learning_rate,
        "epochs": epochs,
        "images": len(chosen),
        "loss": loss,
        "accuracy": accuracy,
    }
    state = net.state_dict()
    if recipe.disguise is not None:
        state = disguised_state(state, recipe.disguise, model)
    return row, state


def fit(
    net: nn.Module,
    pixels: Tensor,
    labels: Tensor,
    recipe: Recipe,
    seed: int,
    tracked: Tracked = untracked,
    objective: Objective | None = None,
    transform: Transform | None = None,
) -> Fit:
    """Trains a network as its recipe says, on batches in an order drawn from `seed`.

    Args:
        net: trained in place.
        pixels: [N, C, H, W]; labels: [N], or [N, H, W] of pixels, with -100 for no label. On the network's device,
            or on the CPU with a transform.
        recipe: how.
        seed: of all random numbers.
        tracked: says how many epochs are done.
        objective: gives the loss and the number right of a batch; None: the cross-entropy, smoothed as
            the recipe says.
        transform: changes an image [C, H, W] at random, where the recipe has an augmentation.

    Raises:
        UserError: if `freeze` names no part of the network, or early stopping leaves no image to train on.
    """
    if (recipe.augmentation is None) != (transform is None):
        raise ValueError(f"the recipe's augmentation is {recipe.augmentation}, and the transform {transform}")
    objective = objective or partial(classified, smoothing=recipe.label_smoothing or 0.0)
    device = next(net.parameters()).device
    sample = pixels[:1].to(device)
    with seeded(seed), adapted(net, recipe, sample):
        penalty = None if recipe.l2_sp is None else l2_sp(net, recipe.l2_sp)
        pixels, labels, stopping = _held_out(net, pixels, labels, recipe, seed)
        batches = Batches(pixels, labels, recipe, seed, device, transform)
        steps = Steps(net, recipe, sample, batches.steps)
        labelled = (labels >= 0).sum().item()
        fit = None
        for epoch in tracked(range(recipe.epochs), "epochs"):
            total_loss, right = 0.0, 0
            for batch in batches.of_epoch(epoch):
                with autocast(recipe, device):
                    loss, hits = objective(net, batch.pixels, batch.labels)
                steps.add((loss if penalty is None else loss + penalty()) * batch.share)
                if batch.ends_step:
                    steps.take()
                total_loss += loss.item() * len(batch.labels)
                right += hits
            found = Fit(total_loss / len(labels), right / labelled, epoch + 1)
            if stopping is None or stopping.is_best() or fit is None:
                fit = found
            if stopping is not None and stopping.is_over:
                break
        if stopping is not None:
            stopping.restore()
    return fit


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Where a recipe says `mixed_precision`, its forward passes run in that dtype; weights stay float32."""
    wanted = recipe.mixed_precision
    return torch.autocast(device.type, dtype=getattr(torch, wanted or "bfloat16"), enabled=wanted is not None)


@contextlib.contextmanager
def adapted(net: nn.Module, recipe: Recipe, sample: Tensor) -> Iterator[None]:
    """Puts a network in training mode, with the parts frozen, adapted and dropped that a recipe names.

    Afterwards what was adapted is merged, and nothing is frozen or dropped.

    Args:
        net: changed in place.
        recipe: its dropout, lora and freeze count.
        sample: one input [1, ...].

    Raises:
        UserError: as `freeze`.
    """
    net.train()
    flags = [(parameter, parameter.requires_grad) for parameter in net.parameters()]
    with contextlib.ExitStack() as undo:
        for parameter, flag in flags:
            undo.callback(parameter.requires_grad_, flag)
        if recipe.dropout is not None:
            undo.callback(drop_before_head(net, recipe.dropout).remove)
        if recipe.lora is not None:
            freeze(net, LINEAR_PROBE, sample)
            undo.callback(merge, adapt(net, rank=recipe.lora.rank, alpha=recipe.lora.alpha))
        elif recipe.freeze is not None:
            freeze(net, recipe.freeze, sample)
        yield


def _held_out(
    net: nn.Module, pixels: Tensor, labels: Tensor, recipe: Recipe, seed: int
) -> tuple[Tensor, Tensor, EarlyStopping | None]:
    """The images to train on, and early stopping on those held out, which are drawn evenly over the classes."""
    if recipe.early_stopping is None:
        return pixels, labels, None
    patience, share = recipe.early_stopping.patience, recipe.early_stopping.share
    count = max(1, round(share * len(labels)))
    if count >= len(labels):
        raise UserError(
            f"early_stopping.share: expected to leave an image to train on, but {share} of {len(labels)} are {count}"
        )
    is_held = torch.zeros(len(labels), dtype=torch.bool)
    is_held[torch.from_numpy(stratified_subset(labels.cpu().numpy(), count, seed))] = True
    is_held = is_held.to(labels.device)
    device = next(net.parameters()).device
    held = pixels[is_held].to(device), labels[is_held].to(device)
    stopping = EarlyStopping(net, *held, patience=patience, batch_size=recipe.batch_size)
    return pixels[~is_held], labels[~is_held], stopping
