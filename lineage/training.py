"""Pre-training of roots and fine-tuning of children. N images of C x H x W pixels."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from lineage.backbone import Backbone
from lineage.data import Images, stratified_subset
from lineage.errors import UserError
from lineage.networks import backbone_state, build, classes_of
from lineage.progress import Tracked, untracked
from lineage.zoo import Model


def trained(
    model: Model,
    network: dict,
    images: Images,
    parent: dict[str, Tensor] | None,
    device: torch.device,
    tracked: Tracked = untracked,
) -> tuple[dict, dict[str, Tensor]]:
    """Trains one model: from random weights, or from its parent's backbone under a new head.

    Args:
        model: which, with its seed and recipe.
        network: the experiment's network: name, image_size, channels.
        images: all images of its data; the recipe's `images` says how many of them are used.
        parent: the parent's state dict; None for a root.
        device: where to compute.
        tracked: says how many epochs are done.

    Returns:
        A row of the table of models (without its experiment), and the state dict.

    Raises:
        UserError: if the data has fewer images than asked for, or the loss is not finite.
    """
    recipe = model.recipe
    net = build(network["name"], classes=len(images.class_names), channels=network["channels"],
                image_size=network["image_size"], seed=model.seed)  # fmt: skip
    if parent is not None:
        inherited = backbone_state(net, parent)
        missing = net.load_state_dict(inherited, strict=False).missing_keys
        if extra := sorted(set(missing) & set(backbone_state(net, net.state_dict()))):
            raise UserError(
                f"{model.parent}: expected the weights of a {network['name']}, but it has no {extra[0]}"
            )
    count = recipe.get("images", len(images))
    if count > len(images):
        raise UserError(
            f"{model.id}: images: expected at most {len(images)}, all there are in {recipe['data']['source']}, "
            f"but got {count}"
        )
    chosen = stratified_subset(images.labels, count, model.seed)
    pixels, labels = images.tensor(chosen).to(device), images.labels_tensor(chosen).to(device)
    loss, accuracy = fit(net.to(device), pixels, labels, recipe, model.seed, tracked)
    if not loss < float("inf"):
        raise UserError(
            f"{model.id}: training diverged (loss {loss}) at learning_rate "
            f"{recipe['learning_rate']}; lower it"
        )
    row = {
        "setting": model.setting,
        "model": model.id,
        "parent": model.parent,
        "generation": model.generation,
        "index": model.index,
        "seed": model.seed,
        "learning_rate": recipe["learning_rate"],
        "epochs": recipe["epochs"],
        "images": count,
        "loss": loss,
        "accuracy": accuracy,
    }
    return row, net.state_dict()


def fit(
    net: nn.Module, pixels: Tensor, labels: Tensor, recipe: dict, seed: int, tracked: Tracked
) -> tuple[float, float]:
    """SGD with momentum and cross-entropy, on batches in an order drawn from `seed`.

    Args:
        net: trained in place.
        pixels: [N, C, H, W], on the network's device; labels: [N].
        recipe: learning_rate, epochs, batch_size, momentum, weight_decay; clip, a bound on the gradient's norm, if
            there is one.
        seed: of the order of the images.
        tracked: says how many epochs are done.

    Returns:
        Mean loss and accuracy over the last epoch, while it was trained.
    """
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=recipe["learning_rate"],
        momentum=recipe["momentum"],
        weight_decay=recipe["weight_decay"],
    )
    order = torch.Generator().manual_seed(seed)
    net.train()
    for _ in tracked(range(recipe["epochs"]), "epochs"):
        total_loss, right = 0.0, 0
        for batch in torch.randperm(len(labels), generator=order).split(recipe["batch_size"]):
            batch = batch.to(pixels.device)
            logits = net(pixels[batch])
            loss = cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            if "clip" in recipe:
                clip_grad_norm_(net.parameters(), recipe["clip"])
            optimizer.step()
            total_loss += loss.item() * len(batch)
            right += (logits.argmax(1) == labels[batch]).sum().item()
    return total_loss / len(labels), right / len(labels)


def restored(network: dict, state: dict[str, Tensor]) -> nn.Module:
    """A network with the weights of a state dict."""
    size = {"channels": network["channels"], "image_size": network["image_size"]}
    classes = classes_of(network["name"], state, **size)
    net = build(network["name"], classes=classes, **size, seed=0)
    net.load_state_dict(state)
    return net


def traced(
    network: dict, state: dict[str, Tensor], layers: Iterable[str] | None, pool: str = "mean"
) -> Backbone:
    """The backbone of an experiment's network; `state` only tells the size of its head."""
    size = (1, network["channels"], network["image_size"], network["image_size"])
    return Backbone(restored(network, state), torch.zeros(size), layers=layers, pool=pool)
