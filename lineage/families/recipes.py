"""How a network is trained from another: what, with which optimiser, how fast and how long. No torch."""

from dataclasses import dataclass

OPTIMISERS = ("sgd", "momentum", "adam", "adamw")
OPTIMISERS_OF_TREES = (*OPTIMISERS, "adagrad", "rmsprop")
"""Those of random trees."""

RATES = {
    "sgd": 0.1, "momentum": 0.03, "adam": 0.001, "adamw": 0.001, "adagrad": 0.01, "rmsprop": 0.001
}  # fmt: skip
"""Ordinary learning rates."""
FASTER = {
    "lstm": {"sgd": 1.0, "momentum": 0.2, "adam": 0.003, "adamw": 0.003},
    "plain-conv": {"sgd": 0.6, "momentum": 0.1},
    "funnel": {"sgd": 3.0, "momentum": 0.3},
    "gru": {"sgd": 0.6, "momentum": 0.1},
}
"""Of architectures that learn nothing in so few steps at those."""
DECAYS = {"sgd": 5e-4, "momentum": 5e-4, "adam": 0.0, "adamw": 0.05, "adagrad": 0.0, "rmsprop": 0.0}
"""Ordinary weight decay; AdamW's alone is no part of the gradient."""
STRONG_DECAYS = {
    "sgd": 0.03, "momentum": 0.01, "adam": 0.01, "adamw": 2.0, "adagrad": 0.01, "rmsprop": 0.01
}  # fmt: skip
"""What takes away some tenths of the weights in a fine-tuning."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training.

    task: a name of `lineage.families.tasks`; epochs: passes over its images; steps: instead, so many;
    optimiser: None for the family's own; rate: times the ordinary one; lora: the rank, None trains all weights;
    l2_sp: strength of the penalty towards the start; strong_decay: whether weight decay is strong; dropout: share of
    what linear and convolutional layers but the first are given that is left out, so that an LSTM has none;
    first_rate: the first layer's rate over the last one's; from layer to layer it grows by the same factor.
    """

    task: str
    epochs: int = 0
    steps: int | None = None
    optimiser: str | None = None
    rate: float = 1.0
    lora: int | None = None
    l2_sp: float | None = None
    strong_decay: bool = False
    dropout: float = 0.0
    first_rate: float = 1.0


def learning_rate(training: Training, architecture: str, optimiser: str) -> float:
    """The learning rate of a training; LoRA's own is the same for all architectures."""
    faster = FASTER.get(architecture, {}) if training.lora is None else {}
    return training.rate * (RATES | faster)[optimiser]


def weight_decay(training: Training, optimiser: str) -> float:
    """The weight decay of a training; LoRA has none."""
    if training.lora is not None:
        return 0.0
    return (STRONG_DECAYS if training.strong_decay else DECAYS)[optimiser]
