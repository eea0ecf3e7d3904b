"""Trains a lineage detector on training children, keeps its best state on validation children.

B children, P candidates. Where the detector can answer "no parent", each batch sees a random part of the
candidates, at least half of them: children whose parent is not among these have none, and the number varies.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lineage.detector.episodes import Episodes
from lineage.detector.model import DetectorNetwork
from lineage.detector.predict import summarised
from lineage.errors import UserError
from lineage.progress import Tracked


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a detector is trained."""

    epochs: int
    """At most."""
    patience: int
    """Epochs without a lower validation loss after which training stops."""
    learning_rate: float
    """The highest of Adam's one-cycle schedule."""
    batch_size: int
    """Children a step."""
    seed: int


def train_detector(
    detector: DetectorNetwork,
    episodes: Episodes,
    parts: Mapping[str, str],
    config: TrainingConfig,
    device: torch.device,
    tracked: Tracked,
    candidates: Sequence[str] | None = None,
) -> list[dict]:
    """Trains in place; ends with the state of the lowest validation loss (the earliest such).

    Args:
        detector: on `device`.
        episodes: of all the children.
        parts: each child's part; those in `test` are not looked at.
        config: how.
        device: where.
        tracked: says how far it is.
        candidates: of training and validation; by default all.

    Returns:
        One row an epoch: epoch, learning_rate, loss, validation_loss, validation_accuracy.

    Raises:
        UserError: if the validation loss was never finite.
    """
    candidates = episodes.candidates if candidates is None else list(candidates)
    training = sorted(child for child, part in parts.items() if part == "train")
    validation = sorted(child for child, part in parts.items() if part == "validation")
    generator = torch.Generator().manual_seed(config.seed)
    steps = -(-len(training) // config.batch_size)
    optimizer = torch.optim.Adam(detector.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, epochs=config.epochs, steps_per_epoch=steps
    )
    best, best_epoch, best_state, history = float("inf"), 0, None, []
    for epoch in tracked(range(config.epochs), "epochs"):
        detector.train()
        rate, total = schedule.get_last_lr()[0], 0.0
        order = torch.randperm(len(training), generator=generator).tolist()
        for start in range(0, len(order), config.batch_size):
            children = [training[place] for place in order[start : start + config.batch_size]]
            loss = _loss(detector, episodes, children, candidates, generator, device)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(children)
        validation_loss, validation_accuracy = _validated(detector, episodes, validation, candidates, device)
        history.append(
            {
                "epoch": epoch + 1,
                "learning_rate": rate,
                "loss": total / len(training),
                "validation_loss": validation_loss,
                "validation_accuracy": validation_accuracy,
            }
        )
        if validation_loss < best:
            best, best_epoch, best_state = validation_loss, epoch, copy.deepcopy(detector.state_dict())
        if epoch - best_epoch >= config.patience:
            break
    if best_state is None:
        raise UserError(
            f"detector: training diverged (validation loss {validation_loss}) at learning_rate "
            f"{config.learning_rate}; lower it"
        )
    detector.load_state_dict(best_state)
    return history


def _loss(
    detector: DetectorNetwork,
    episodes: Episodes,
    children: list[str],
    candidates: list[str],
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    if detector.no_parent is not None:
        candidates = _part_of(candidates, generator)
    weights, features = episodes.batch(children, detector.crop, generator, candidates)
    logits = detector([w.to(device) for w in weights], [f.to(device) for f in features])
    return cross_entropy(logits, episodes.targets(children, candidates).to(device))


def _part_of(candidates: list[str], generator: torch.Generator) -> list[str]:
    """A random part of the candidates, from half of them to all."""
    fewest = max(1, len(candidates) // 2)
    count = int(torch.randint(fewest, len(candidates) + 1, (), generator=generator))
    order = torch.randperm(len(candidates), generator=generator)[:count]
    return [candidates[place] for place in order.tolist()]


@torch.no_grad()
def _validated(
    detector: DetectorNetwork,
    episodes: Episodes,
    children: list[str],
    candidates: list[str],
    device: torch.device,
) -> tuple[float, float]:
    """Loss, also with the parent taken out where that can be told, and accuracy among the candidates."""
    losses, right = [], 0
    for child in children:
        summaries = summarised(detector, episodes, child, candidates, device)
        (target,) = episodes.targets([child], candidates).tolist()
        logits = detector.logits(summaries).mean(0)
        right += logits[: len(candidates)].argmax().item() == target
        of_child = [cross_entropy(logits, torch.tensor(target, device=device))]
        if detector.no_parent is not None:
            others = [place for place in range(len(candidates)) if place != target]
            logits = detector.logits(summaries[:, others]).mean(0)
            of_child.append(cross_entropy(logits, torch.tensor(len(others), device=device)))
        losses.append(torch.stack(of_child).mean())
    return torch.stack(losses).mean().item(), right / len(children)
