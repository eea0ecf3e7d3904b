"""Trains a lineage detector on training children, keeps its best state on validation children.

B children, P candidates.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lineage.detector import LineageDetector
from lineage.episodes import Episodes
from lineage.errors import UserError
from lineage.progress import Tracked

TEST_CROPS = 4
"""Logits are averaged over this many crops, at places that do not change."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a detector is trained."""

    epochs: int
    learning_rate: float
    """The highest of Adam's one-cycle schedule."""
    batch_size: int
    """Children a step."""
    crop: int
    """Rows and columns of the crops."""
    seed: int


def train_detector(
    detector: LineageDetector,
    episodes: Episodes,
    parts: dict[str, str],
    config: TrainingConfig,
    device: torch.device,
    tracked: Tracked,
) -> list[dict]:
    """Trains in place; ends with the state of the lowest validation loss (the earliest such).

    Args:
        detector: on `device`.
        episodes: of all the children.
        parts: each child's part; those in `test` are not looked at.
        config: how.
        device: where.
        tracked: says how far it is.

    Returns:
        One row an epoch: epoch, learning_rate, loss, validation_loss, validation_accuracy.

    Raises:
        UserError: if the validation loss was never finite.
    """
    training = sorted(child for child, part in parts.items() if part == "train")
    validation = sorted(child for child, part in parts.items() if part == "validation")
    generator = torch.Generator().manual_seed(config.seed)
    steps = -(-len(training) // config.batch_size)
    optimizer = torch.optim.Adam(detector.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, epochs=config.epochs, steps_per_epoch=steps
    )
    best, best_state, history = float("inf"), None, []
    for epoch in tracked(range(config.epochs), "epochs"):
        detector.train()
        rate, total = schedule.get_last_lr()[0], 0.0
        order = torch.randperm(len(training), generator=generator).tolist()
        for start in range(0, len(order), config.batch_size):
            children = [training[place] for place in order[start : start + config.batch_size]]
            loss = _loss(detector, episodes, children, config, generator, device)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(children)
        logits = predicted_logits(detector, episodes, validation, config, device)
        targets = episodes.targets(validation)
        validation_loss = cross_entropy(logits, targets).item()
        history.append(
            {
                "epoch": epoch + 1,
                "learning_rate": rate,
                "loss": total / len(training),
                "validation_loss": validation_loss,
                "validation_accuracy": (logits.argmax(1) == targets).float().mean().item(),
            }
        )
        if validation_loss < best:
            best, best_state = validation_loss, copy.deepcopy(detector.state_dict())
    if best_state is None:
        raise UserError(
            f"detector: training diverged (validation loss {validation_loss}) at learning_rate "
            f"{config.learning_rate}; lower it"
        )
    detector.load_state_dict(best_state)
    return history


def _loss(
    detector: LineageDetector,
    episodes: Episodes,
    children: list[str],
    config: TrainingConfig,
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    weights, features = episodes.batch(children, config.crop, generator)
    logits = detector([w.to(device) for w in weights], [f.to(device) for f in features])
    return cross_entropy(logits, episodes.targets(children).to(device))


@torch.no_grad()
def predicted_logits(
    detector: LineageDetector,
    episodes: Episodes,
    children: list[str],
    config: TrainingConfig,
    device: torch.device,
) -> Tensor:
    """Logits [B, P] on the CPU, averaged over fixed crops; a child's do not depend on the others."""
    detector.eval()
    logits = []
    for child in children:
        generator = torch.Generator().manual_seed(0)
        crops = [episodes.batch([child], config.crop, generator) for _ in range(TEST_CROPS)]
        weights, features = (
            [torch.cat(layer).to(device) for layer in zip(*kind, strict=True)]
            for kind in zip(*crops, strict=True)
        )
        logits.append(detector(weights, features).mean(0).cpu())
    return torch.stack(logits)


def predictions(
    detector: LineageDetector,
    episodes: Episodes,
    parts: dict[str, str],
    config: TrainingConfig,
    device: torch.device,
) -> list[dict]:
    """Rows part, child, candidate, logit, probability of every validation and test child."""
    children = sorted(child for child, part in parts.items() if part != "train")
    logits = predicted_logits(detector, episodes, children, config, device)
    probabilities = logits.double().softmax(1)
    return [
        {
            "part": parts[child],
            "child": child,
            "candidate": candidate,
            "logit": logits[row, column].item(),
            "probability": probabilities[row, column].item(),
        }
        for row, child in enumerate(children)
        for column, candidate in enumerate(episodes.candidates)
    ]
