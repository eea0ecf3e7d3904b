"""Trains the mixed detector on the children of all settings at once, and lets it answer."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lineage.detector.geometry import Geometry
from lineage.detector.mixed_episodes import Lines
from lineage.detector.mixed_model import MixedNetwork, batched
from lineage.errors import UserError
from lineage.progress import Tracked

STEPS, AT_ONCE = 150, 16
"""Steps of training, and children of each."""
VALIDATED_EACH, DRAWS = 15, 3
"""Steps between validations, and draws of candidates of each validation child, which are always the same."""
RATE, DECAY, LARGEST_GRADIENT = 0.003, 0.001, 1.0
"""Of AdamW with a one-cycle schedule."""


@dataclass(frozen=True, kw_only=True)
class Children:
    """Children with the pools of their candidates, by part."""

    train: Mapping[str, Sequence[Sequence[str]]]
    validation: Mapping[str, Sequence[Sequence[str]]]


def train_mixed(
    detector: MixedNetwork, geometry: Geometry, lines: Lines, children: Children, seed: int, tracked: Tracked
) -> list[tuple[int, float]]:
    """Trains in place; ends with the state of the lowest validation loss.

    Args:
        detector: on the CPU.
        geometry: of all models.
        lines: who descends from whom.
        children: by part; nothing else is trained on or chosen by.
        seed: of the draws.
        tracked: says how far it is.

    Returns:
        Steps and validation losses.

    Raises:
        UserError: if there is nobody to train on or to choose by, or if the validation loss was never finite.
    """
    if not (children.train and children.validation):
        raise UserError(
            "detector.mixed: expected children to train on and to validate with that have two candidates beside "
            "their ancestors, but there are none; add roots, or children that are not disguised"
        )
    generator = torch.Generator().manual_seed(seed)
    validation = [
        (child, lines.drawn(child, pools, generator))
        for child, pools in children.validation.items()
        for _ in range(DRAWS)
    ]
    training = list(children.train.items())
    optimizer = torch.optim.AdamW(detector.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    best, best_state, history = float("inf"), None, []
    for step in tracked(range(1, STEPS + 1), "steps"):
        detector.train()
        chosen = torch.randint(len(training), (AT_ONCE,), generator=generator).tolist()
        drawn = [(training[place][0], lines.drawn(*training[place], generator)) for place in chosen]
        loss = _loss(detector, geometry, lines, drawn)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        if step % VALIDATED_EACH == 0:
            detector.eval()
            with torch.no_grad():
                history.append((step, _loss(detector, geometry, lines, validation).item()))
            if history[-1][1] < best:
                best, best_state = history[-1][1], copy.deepcopy(detector.state_dict())
    if best_state is None:
        raise UserError(f"detector.mixed: training diverged (validation loss {history[-1][1]}); leave it out")
    detector.load_state_dict(best_state)
    detector.eval()
    return history


@torch.no_grad()
def mixed_logits(detector: MixedNetwork, geometry: Geometry, child: str, candidates: Sequence[str]) -> Tensor:
    """Logits [P + 1] of a child's candidates and, last, that none is an ancestor."""
    return detector(*batched([geometry.seen(child, candidates)]))[0]


def _loss(
    detector: MixedNetwork, geometry: Geometry, lines: Lines, drawn: Sequence[tuple[str, Sequence[str]]]
) -> Tensor:
    of_candidates, of_pairs, is_there = batched([geometry.seen(*child) for child in drawn])
    none = is_there.shape[1]
    nearest = [(lines.nearest(*child), len(child[1])) for child in drawn]
    targets = torch.tensor([none if place == count else place for place, count in nearest])
    return cross_entropy(detector(of_candidates, of_pairs, is_there), targets)
