"""Weights that a root starts from: a file of one's own, or those that timm or torchvision publish.

Files are read, never executed, by the readers of audits.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lineage.checkpoints.plain.form import open_plain_model
from lineage.errors import UserError, one_line
from lineage.networks.architectures import backbone_state, timm_size
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network

HUB = "hub"
COUNTER = "num_batches_tracked"
"""BatchNorm's count of batches, which old files lack."""


def load_pretrained(net: nn.Module, network: Network, recipe: Recipe) -> None:
    """Gives a network's backbone the weights that a root's recipe names; its head stays as it is.

    Args:
        net: the network that `network` describes.
        network: name, image_size, channels.
        recipe: `weights`, a path, `hub`, or `hub:<name>` for other weights of the same architecture; `match`, whether
            a file's tensors are found by their `names` or by their `order`, for files that name them otherwise.

    Raises:
        UserError: for weights that cannot be had, or of another network.
    """
    source = recipe.weights
    hub, _, published = source.partition(":")
    state = hub_state(network, published) if hub == HUB else read_state(source)
    if recipe.match == "order":
        if Path(source).suffix == ".safetensors":
            raise UserError(f"{source}: safetensors keep no order of tensors; expected match: names for it")
        state = _in_order(net, state, source)
    wanted = backbone_state(net, net.state_dict())
    state = unwrapped(state, wanted)
    for name, value in wanted.items():
        if name.endswith(COUNTER):
            continue
        if name not in state:
            raise UserError(
                f"{source}: expected the weights of a {network.name}, but it has no {name}; if it has the same "
                "tensors by other names, set roots.match to order"
            )
        if state[name].shape != value.shape:
            raise UserError(
                f"{source}: {name}: expected shape {list(value.shape)} for a {network.name}, "
                f"but got {list(state[name].shape)}"
            )
    net.load_state_dict({name: state[name] for name in wanted if name in state}, strict=False)


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The float tensors of any checkpoint that an audit reads, on the CPU, in their order; nothing is executed.

    Raises:
        UserError: for a file that is missing, broken, or holds no such tensors.
    """
    path = Path(path).expanduser()
    try:
        model = open_plain_model(path, follow=True)
        return {name: torch.from_numpy(np.array(model.read(name))) for name in model.entries}
    except UserError as error:
        raise UserError(f"{path}: expected a checkpoint that `lineage audit` reads, but {error}") from None


def unwrapped(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what wrappers put before their names, as `module.` and `_orig_mod.`, if that fits."""
    first = next(iter(wanted))
    if first in state:
        return state
    prefixes = [name.removesuffix(first) for name in state if name.endswith(f".{first}")]
    if len(prefixes) != 1:
        return state
    return {name.removeprefix(prefixes[0]): value for name, value in state.items()}


def hub_state(network: Network, published: str = "") -> dict[str, Tensor]:
    """The state dict that timm or torchvision publishes for a network, fetched if it is not yet in their cache.

    Args:
        network: name, image_size, channels.
        published: the name that it is published by, if not the network's own: timm's with its tag.

    Raises:
        UserError: if they have none, or it cannot be fetched.
    """
    family, _, member = network.name.partition(":")
    member = published or member
    try:
        if family == "timm":
            import timm

            size = timm_size(member, network.image_size)
            net = timm.create_model(member, pretrained=True, in_chans=network.channels, **size)
            return net.state_dict()
        if family == "torchvision":
            from torchvision.models import get_model_weights

            return get_model_weights(member).DEFAULT.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        raise UserError(
            f"roots.weights: hub: no weights of {network.name}: {family} says: {one_line(error)}; "
            "check the network's connection, or give the path of a file"
        ) from None
    raise UserError(
        f"roots.weights: hub: expected timm:<name> or torchvision:<name>, but got {network.name!r}"
    )


def _in_order(net: nn.Module, state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """The state dict with the network's own names, given to its tensors in order."""
    names = [name for name in net.state_dict() if not name.endswith(COUNTER)]
    values = [value for name, value in state.items() if not name.endswith(COUNTER)]
    if len(values) != len(names):
        raise UserError(
            f"{source}: expected as many tensors as the network has, {len(names)}, but got {len(values)}"
        )
    return dict(zip(names, values, strict=True))
