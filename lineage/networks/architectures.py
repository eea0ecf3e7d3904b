"""The architectures that the workflow trains, by name; adding one takes one entry in ARCHITECTURES.

Names like `timm:resnet18` and `torchvision:resnet18` give those libraries' networks.

A network's head is what fine-tuning replaces; everything before it is the backbone.
"""

import contextlib
import inspect
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from lineage.errors import UserError


def fc(*, classes: int, channels: int, image_size: int) -> nn.Module:
    """A fully connected network, widths 1024-256-128 (Yu & Wang 2024, FcNet)."""
    widths = [channels * image_size**2, 1024, 256, 128]
    layers = OrderedDict(flatten=nn.Flatten())
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        layers[f"layer{number}"] = nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU())
    layers["head"] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)


def convnet(*, classes: int, channels: int, image_size: int) -> nn.Module:
    """Three blocks of convolution, BatchNorm, ReLU and pooling, width 128, then the mean over positions."""
    widths = [channels, 128, 128, 128]
    layers = OrderedDict()
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        layers[f"block{number}"] = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
    layers["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    layers["head"] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)


def timm_size(name: str, image_size: int) -> dict[str, int]:
    """What tells timm the image size, for networks that have to know it."""
    import timm

    return {"img_size": image_size} if timm.get_pretrained_cfg(name).fixed_input_size else {}


def timm_network(name: str, *, classes: int, channels: int, image_size: int) -> nn.Module:
    """A network of timm, with random weights.

    Raises:
        UserError: if timm has none of that name, or not for such images.
    """
    import timm

    try:
        size = timm_size(name, image_size)
        return timm.create_model(name, num_classes=classes, in_chans=channels, **size)
    except (RuntimeError, AttributeError) as error:
        raise UserError(f"network.name: timm:{name}: timm says: {error}; see timm.list_models()") from None


def torchvision_network(name: str, *, classes: int, channels: int, image_size: int) -> nn.Module:
    """A classifier, segmentation network or detector of torchvision, with random weights; it takes RGB images.

    A detector has one class more, the background.

    Raises:
        UserError: if torchvision has none of that name, or for other than three channels.
    """
    from torchvision.models import get_model, get_model_builder

    if channels != 3:
        raise UserError(f"network.channels: expected 3 for torchvision:{name}, but got {channels}")
    options = {"image_size": image_size} if name.startswith("vit_") else {}
    try:
        builder = get_model_builder(name)
        if "weights_backbone" in inspect.signature(builder).parameters:
            options["weights_backbone"] = None
        if ".detection." in builder.__module__:
            classes += 1  # the background
        return get_model(name, weights=None, num_classes=classes, **options)
    except ValueError as error:
        raise UserError(
            f"network.name: torchvision:{name}: torchvision says: {error}; see torchvision.models.list_models()"
        ) from None


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"fc": fc, "convnet": convnet}
FAMILIES: dict[str, Callable[..., nn.Module]] = {"timm": timm_network, "torchvision": torchvision_network}


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws the body's random numbers from `seed`, and leaves the caller's random state as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def build(name: str, *, classes: int, channels: int, image_size: int, seed: int) -> nn.Module:
    """A network with random weights drawn from `seed`, whatever the caller's own random state.

    Raises:
        UserError: for an unknown name.
    """
    size = {"classes": classes, "channels": channels, "image_size": image_size}
    family, _, member = name.partition(":")
    with seeded(seed):
        if member and family in FAMILIES:
            return FAMILIES[family](member, **size)
        if name in ARCHITECTURES:
            return ARCHITECTURES[name](**size)
    known = [*ARCHITECTURES, *(f"{family}:<name>" for family in FAMILIES)]
    raise UserError(f"network.name: expected one of {', '.join(known)}, but got {name!r}")


def head_of(network: nn.Module) -> str:
    """The name of the head: the module that owns the last parameter."""
    *_, (last, _) = network.named_parameters()
    return last.rpartition(".")[0]


def head_prefixes(network: nn.Module) -> tuple[str, ...]:
    """How the names of the head's parameters begin.

    Where a module is called `backbone`, as in torchvision's segmentation networks, all the others are the head.
    """
    parts = [name for name, _ in network.named_children()]
    heads = [name for name in parts if name != "backbone"] if "backbone" in parts else [head_of(network)]
    return tuple(f"{name}." for name in heads)


def backbone_state(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of such a network without the head's entries."""
    heads = head_prefixes(network)
    return {key: value for key, value in state.items() if not key.startswith(heads)}


def classes_of(name: str, state: dict[str, Tensor], *, channels: int, image_size: int) -> int:
    """How many classes the head of a state dict tells apart: where tensors of two and of three classes differ.

    Args:
        name: of the architecture.
        state: of such a network, whatever its head.
        channels: 1 or 3.
        image_size: height and width, in pixels.

    Raises:
        UserError: if no tensor grows with the classes, or the name is unknown.
    """
    size = {"channels": channels, "image_size": image_size, "seed": 0}
    with torch.device("meta"):
        of_two, of_three = (build(name, classes=classes, **size).state_dict() for classes in (2, 3))
    for key, value in of_two.items():
        if each := len(of_three[key]) - len(value) if value.ndim else 0:
            return 2 + (len(state[key]) - len(value)) // each
    raise UserError(f"{name}: expected a head that grows with the classes, but it has none")
