"""What makes features: a network, its images, and the probe."""

from dataclasses import dataclass

from lineage.types.plain import Plain


@dataclass(frozen=True, kw_only=True)
class Network(Plain):
    """The architecture that all models of an experiment share, and the images that it takes."""

    name: str
    """`fc`, another of ARCHITECTURES, `timm:<name>` or `torchvision:<name>`."""
    image_size: int
    """Height and width of its images, in pixels."""
    channels: int
    """1 for grey images, 3 for RGB."""
    task: str | None = None
    """`segmentation` or `detection`; None for classification."""
    mean: tuple[float, ...] | None = None
    """Subtracted from each channel of images in [0, 1]; None: they are not normalised."""
    std: tuple[float, ...] | None = None
    """Each channel is divided by it after that."""


@dataclass(frozen=True, kw_only=True)
class Data(Plain):
    """A set of labelled images."""

    source: str
    """`<scheme>:<name>`; see `lineage.data.load`."""
    split: str = "train"
    """The part of it."""
    classes: tuple[int, ...] | None = None
    """The only classes used, by their number in the source; None: all."""
    root: str = "data"
    """The folder of torchvision's data sets."""
    download: bool = False
    """Whether torchvision may fetch it."""


@dataclass(frozen=True, kw_only=True)
class Probe(Plain):
    """The inputs that make features."""

    data: Data
    """Where they are taken from."""
    images: int
    """How many, drawn evenly over the classes."""
