"""What makes scores: a network, its images, the probe, the features tapped and their similarities.

Each type is a frozen, keyword-only dataclass that comes from plain values, as in YAML and in the params of a rule,
and goes back to them. They stand in one file: it, and no other configuration, decides what a job of scores computes.
"""

from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints


class Plain:
    """A frozen, keyword-only dataclass whose fields are plain values, tuples of them, or such dataclasses.

    A field that is None stands for a key that is absent.
    """

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The instance of a dict; lists become tuples, and dicts the dataclasses that the fields' types name."""
        types = get_type_hints(cls)
        return cls(**{key: _typed(types.get(key), value) for key, value in values.items()})

    def plain(self) -> dict[str, Any]:
        """The dict that `of` turns into an equal instance, with no more keys than that needs."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: _plain(value) for key, value in values.items() if value is not None}


def _typed(wanted: Any, value: Any) -> Any:
    if isinstance(value, dict):
        if get_origin(wanted) is dict:
            _, of_values = get_args(wanted)
            return {key: _typed(of_values, item) for key, item in value.items()}
        options = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
        (kind,) = (option for option in options if is_dataclass(option) or get_origin(option) is dict)
        return kind.of(value) if is_dataclass(kind) else _typed(kind, value)
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Plain):
        return value.plain()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


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


@dataclass(frozen=True, kw_only=True)
class Tapping(Plain):
    """Which features of a network are looked at."""

    layers: tuple[str, ...] | None = None
    """Names of the modules tapped; None: the network's stages without the last, the head."""
    pool: str = "mean"
    """How features with more than two axes become [n, d]: `mean` or `flatten`."""
    batch_norm: str = "moves"
    """Whether running statistics go along the path with the weights: `moves` or `stays`."""


@dataclass(frozen=True, kw_only=True)
class Similarity(Tapping):
    """Which scores of a candidate and a child are computed."""

    similarities: tuple[str, ...] = ("l1", "l2", "cka", "cosine", "weight_l2", "weight_cosine")
    """Names from SIMILARITIES and WEIGHT_SIMILARITIES."""
    approximations: tuple[str, ...] = ("direct", "path", "linear", "taylor")
    """Some of APPROXIMATIONS."""
    alphas: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    """How far from the candidate to the child, in (0, 1]."""
    align: bool | None = None
    """Whether candidates' weights are first brought to the order and scale of each child's; None: they are not."""

    @property
    def tapping(self) -> Tapping:
        """Which features are looked at."""
        return Tapping(layers=self.layers, pool=self.pool, batch_norm=self.batch_norm)
