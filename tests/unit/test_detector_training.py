"""What a detector must learn, what its training must not see, what it answers afterwards, and its file."""

import copy
import dataclasses
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from small_detectors import CANDIDATES, CONFIG, CPU, detector, images
from torch import Tensor

from lineage.detector.episodes import Episodes
from lineage.detector.file import LineageDetector
from lineage.detector.predict import predicted_logits, predictions
from lineage.detector.training import TrainingConfig, train_detector
from lineage.errors import UserError
from lineage.experiment.conditions import NO_PARENT
from lineage.progress import untracked
from lineage.storage.hdf5 import write_weights


def toy(*, related: bool = True, noise: float = 0.3) -> tuple[dict, dict[str, str], dict[str, str]]:
    """Images of 4 candidates and 40 children near their parents, or near nobody; parents; parts."""
    generator = torch.Generator().manual_seed(3)

    def image() -> Tensor:
        return torch.randn(10, 10, generator=generator)

    parts = {candidate: image() for candidate in CANDIDATES}
    parent_of = {f"c{number:02d}": CANDIDATES[number % 4] for number in range(40)}
    for child, parent in parent_of.items():
        parts[child] = parts[parent] + noise * image() if related else image()
    kinds = dict.fromkeys(parent_of, "train")
    kinds |= dict.fromkeys(list(parent_of)[20:28], "validation")
    kinds |= dict.fromkeys(list(parent_of)[28:], "test")
    return parts, parent_of, kinds


def episodes_of(parts: dict[str, Tensor], parent_of: dict[str, str]) -> Episodes:
    return Episodes([parts], [{name: 2 * value.T for name, value in parts.items()}], CANDIDATES, parent_of)


def run(
    episodes: Episodes, kinds: dict[str, str], config: TrainingConfig = CONFIG, seed: int = 0
) -> tuple[LineageDetector, list[dict]]:
    net = detector(seed=seed)
    torch.seed()  # from here on, the configuration's seed decides
    return net, train_detector(net, episodes, kinds, config, CPU, untracked)


def accuracy(net: LineageDetector, episodes: Episodes, kinds: dict[str, str], part: str = "test") -> float:
    children = [child for child, kind in kinds.items() if kind == part]
    logits = predicted_logits(net, episodes, children, CPU)
    return (logits.argmax(1) == episodes.targets(children)).float().mean().item()


def bits(net: LineageDetector) -> bytes:
    return b"".join(value.numpy().tobytes() for value in net.state_dict().values())


class Learnt(NamedTuple):
    """The toy task, and a detector that was trained on it."""

    parts: dict[str, Tensor]
    parent_of: dict[str, str]
    kinds: dict[str, str]
    episodes: Episodes
    net: LineageDetector
    history: list[dict]

    def tested(self) -> list[str]:
        return [child for child, kind in self.kinds.items() if kind == "test"]

    def trained_again(self, parts: dict[str, Tensor]) -> tuple[LineageDetector, list[dict]]:
        """The same training on other images."""
        return run(episodes_of(parts, self.parent_of), self.kinds)


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    parts, parent_of, kinds = toy()
    episodes = episodes_of(parts, parent_of)
    return Learnt(parts, parent_of, kinds, episodes, *run(episodes, kinds))


def test_a_separable_task_is_learnt(learnt):
    assert accuracy(learnt.net, learnt.episodes, learnt.kinds) == 1


def test_parents_never_seen_in_training_are_told_too(learnt):
    generator = torch.Generator().manual_seed(9)
    others = {name: torch.randn(10, 10, generator=generator) for name in CANDIDATES}
    for child, parent in learnt.parent_of.items():
        others[child] = others[parent] + 0.3 * torch.randn(10, 10, generator=generator)
    episodes = episodes_of(others, learnt.parent_of)
    assert accuracy(learnt.net, episodes, dict.fromkeys(learnt.parent_of, "test")) > 0.9


def test_labels_that_mean_nothing_stay_near_chance():
    parts, parent_of, kinds = toy(related=False)
    episodes = episodes_of(parts, parent_of)
    net, _ = run(episodes, kinds)
    assert accuracy(net, episodes, kinds) < 0.6


def test_the_training_is_decided_by_its_seed(learnt):
    again, same = run(learnt.episodes, learnt.kinds)
    assert bits(again) == bits(learnt.net)
    assert same == learnt.history
    other, _ = run(learnt.episodes, learnt.kinds, dataclasses.replace(CONFIG, seed=1))
    assert bits(other) != bits(learnt.net)


def test_test_children_do_not_touch_the_training(learnt):
    poisoned = {name: torch.full_like(learnt.parts[name], math.nan) for name in learnt.tested()}
    again, same = learnt.trained_again(learnt.parts | poisoned)
    assert bits(again) == bits(learnt.net)
    assert same == learnt.history


def test_validation_children_only_choose_the_epoch(learnt):
    changed = {
        name: value.flip(0) for name, value in learnt.parts.items() if learnt.kinds.get(name) == "validation"
    }
    _, other = learnt.trained_again(learnt.parts | changed)
    assert [row["loss"] for row in other] == [row["loss"] for row in learnt.history]
    assert [row["validation_loss"] for row in other] != [row["validation_loss"] for row in learnt.history]


def test_the_state_of_the_lowest_validation_loss_is_kept():
    parts, parent_of, kinds = toy(related=False)
    episodes = episodes_of(parts, parent_of)
    net, history = run(episodes, kinds, dataclasses.replace(CONFIG, learning_rate=0.05))
    losses = [row["validation_loss"] for row in history]
    assert losses[-1] > min(losses), "the last epoch is the best: this test shows nothing"
    children = sorted(child for child, kind in kinds.items() if kind == "validation")
    logits = predicted_logits(net, episodes, children, CPU).double().numpy()
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    loss = -np.mean([logs[row, CANDIDATES.index(parent_of[child])] for row, child in enumerate(children)])
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_the_history_has_one_row_an_epoch(learnt):
    history = learnt.history
    assert [row["epoch"] for row in history] == list(range(1, CONFIG.epochs + 1))
    assert max(row["learning_rate"] for row in history) <= CONFIG.learning_rate
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_prediction_does_not_depend_on_the_other_children(learnt):
    net, episodes, children = learnt.net, learnt.episodes, learnt.tested()
    together = predicted_logits(net, episodes, children, CPU)
    alone = torch.cat([predicted_logits(net, episodes, [child], CPU) for child in reversed(children)])
    assert torch.equal(together, alone.flip(0))


def test_predictions_have_a_row_for_each_candidate_of_each_condition(learnt):
    images_of = {name: value.double() for name, value in learnt.parts.items()}
    episodes = episodes_of(images_of, learnt.parent_of)
    net = copy.deepcopy(
        learnt.net
    ).double()  # in float32 other batches' kernels differ by more than is allowed
    held_out = [child for child, kind in learnt.kinds.items() if kind != "train"]
    conditions = {child: {"all": CANDIDATES, "two": CANDIDATES[1:3]} for child in held_out}
    rows = list(predictions(net, episodes, conditions, CPU))
    assert [(row["child"], row["condition"], row["candidate"]) for row in rows] == [
        (child, condition, candidate)
        for child, of_child in conditions.items()
        for condition, candidates in of_child.items()
        for candidate in candidates
    ]
    for child, of_child in conditions.items():
        for condition, candidates in of_child.items():
            asked = [row for row in rows if row["child"] == child and row["condition"] == condition]
            powers = np.exp([row["logit"] for row in asked])
            np.testing.assert_allclose(
                [row["probability"] for row in asked], powers / powers.sum(), rtol=1e-6
            )
            alone = predicted_logits(net, episodes, [child], CPU, candidates)[0]
            found = torch.tensor([row["logit"] for row in asked], dtype=torch.float64)
            torch.testing.assert_close(found, alone)


def test_a_training_that_diverges_is_told(learnt):
    broken = {name: value * math.nan for name, value in learnt.parts.items()}
    with pytest.raises(UserError, match=r"diverged .*learning_rate 0\.01"):
        learnt.trained_again(broken)


@pytest.mark.parametrize("candidates", [1, 2, 9])
def test_a_trained_detector_takes_any_number_of_candidates(learnt, candidates):
    net = copy.deepcopy(learnt.net).eval()
    weights, features = images((6, 6), P=candidates), images((6, 6), P=candidates, seed=1)
    assert net([weights[0].float()], [features[0].float()]).shape == (2, candidates)


def test_a_parent_taken_out_is_missed_and_one_that_is_there_is_not():
    parts, parent_of, kinds = toy()
    episodes = episodes_of(parts, parent_of)
    net = detector(no_parent=True)
    config = dataclasses.replace(CONFIG, epochs=60, patience=60)
    train_detector(net, episodes, kinds, config, CPU, untracked)
    asked = {
        child: {
            "without": [p for p in CANDIDATES if p != parent],
            "with": [p for p in CANDIDATES if p != CANDIDATES[CANDIDATES.index(parent) - 1]],
        }
        for child, parent in parent_of.items()
        if kinds[child] == "test"
    }
    missed = {"without": [], "with": []}
    for row in predictions(net, episodes, asked, CPU):
        if row["candidate"] == NO_PARENT:
            missed[row["condition"]].append(row["probability"])
    assert min(missed["without"]) > max(missed["with"])


def test_training_stops_when_the_validation_loss_stays():
    parts, parent_of, kinds = toy(related=False)
    config = dataclasses.replace(CONFIG, epochs=60, patience=4, learning_rate=0.05)
    _, history = run(episodes_of(parts, parent_of), kinds, config)
    losses = [row["validation_loss"] for row in history]
    assert len(history) < 60
    assert losses.index(min(losses)) == len(losses) - 1 - 4


def test_a_saved_detector_gives_the_same_logits(learnt, tmp_path):
    learnt.net.save(tmp_path / "d.h5", device="cpu")
    again = LineageDetector.load(tmp_path / "d.h5")
    before, after = (
        predicted_logits(net, learnt.episodes, learnt.tested(), CPU) for net in (learnt.net, again)
    )
    assert torch.equal(before, after)
    assert again.config == learnt.net.config


def test_a_file_of_other_models_is_no_detectors(tmp_path):
    write_weights(tmp_path / "w.h5", [({"id": "p0"}, {"a": torch.ones(2)})])
    with pytest.raises(UserError, match=r"w\.h5: expected a detector's file"):
        LineageDetector.load(tmp_path / "w.h5")
