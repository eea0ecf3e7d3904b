"""How a model is trained."""

from dataclasses import dataclass

from lineage.types.scoring import Data, Plain


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Plain):
    """Training ends when the loss on held-out images no longer falls."""

    patience: int
    """Epochs without a lower loss after which it ends."""
    share: float
    """Of the images, held out."""


@dataclass(frozen=True, kw_only=True)
class Imbalance(Plain):
    """A long tail of classes."""

    kind: str
    """`exponential` or `step`."""
    ratio: float
    """Images of the largest class over those of the smallest."""


@dataclass(frozen=True, kw_only=True)
class LoRA(Plain):
    """Low-rank adaptation: only products of two thin matrices, and the head, are trained."""

    rank: int
    """Columns of the first matrix, rows of the second."""
    alpha: float
    """The product is scaled by alpha / rank."""


@dataclass(frozen=True, kw_only=True)
class Drops(Plain):
    """That the learning rate drops now and then."""

    every: int
    """Epochs, after the warm-up."""
    factor: float
    """What the rate is multiplied by."""


@dataclass(frozen=True, kw_only=True)
class Hybrid(Plain):
    """The models whose blocks a child starts from."""

    sources: tuple[str, ...]
    """Their ids, the parent first."""
    layers: tuple[str, ...]
    """The layers that end its blocks; empty: the network's stages."""


@dataclass(frozen=True, kw_only=True)
class Training(Plain):
    """What all models of a setting have in common in their training; None means without."""

    data: Data
    """The images trained on."""
    batch_size: int = 64
    """Images that go through the network at once."""
    accumulate: int | None = None
    """How many batches make a step; None: each."""
    optimizer: str | None = None
    """`sgd` (as with None), `adam` or `adamw`."""
    momentum: float = 0.9
    """Of SGD; of Adam the first of its betas."""
    weight_decay: float = 0
    schedule: str | Drops | None = None
    """How the learning rate falls: `cosine`, `linear`, or in steps; None: it stays."""
    warm_up: float | None = None
    """Epochs, or a share of one, in which it rises first."""
    layer_decay: float | None = None
    """The learning rate of each layer over that of the next."""
    augmentation: tuple[str, ...] | None = None
    """How images are changed at random."""
    workers: int | None = None
    """Processes that change them; None: in the job's own."""
    label_smoothing: float | None = None
    """The share of each target that is spread over all classes."""
    clip: float | None = None
    """The largest norm of the gradient."""
    mixed_precision: str | None = None
    """`bfloat16` or `float16`: forward passes in 16 bits."""
    images_per_class: int | None = None
    """How many images of each class, instead of a number of images."""
    imbalance: Imbalance | None = None
    l2_sp: float | None = None
    """The weight of the squared distance from where training starts."""
    dropout: float | None = None
    """The share of the head's inputs that are dropped."""
    early_stopping: EarlyStopping | None = None
    freeze: str | tuple[str, ...] | None = None
    """`linear-probe`, `last-block`, or names of modules that are not trained."""
    lora: LoRA | None = None
    disguise: tuple[str, ...] | None = None
    """What is done to the weights afterwards that hides where they come from: names of disguises."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Training):
    """How one model is trained; None means without."""

    learning_rate: float
    epochs: int
    """At most, with early stopping."""
    images: int | None = None
    """How many images, drawn evenly over the classes; None: all."""
    hybrid: Hybrid | None = None
    """What a hybrid starts from."""
    weights: str | None = None
    """What a root starts from: a file, `hub` or `hub:<name>`; None: random weights."""
    match: str | None = None
    """Whether a file's tensors are found by their `names` (as with None) or by their `order`."""
