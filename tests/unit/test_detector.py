"""The lineage detector: what it may not depend on, what it must learn, and what it must not see."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lineage.detector.episodes import Episodes, load_episodes, weight_matrix
from lineage.detector.file import LineageDetector
from lineage.detector.model import ImageEncoder
from lineage.detector.predict import predicted_logits, predictions
from lineage.detector.training import TrainingConfig, train_detector
from lineage.errors import UserError
from lineage.experiment.conditions import NO_PARENT
from lineage.networks.architectures import build
from lineage.progress import untracked
from lineage.storage.hdf5 import Features, Weights, write_features, write_weights
from lineage.types.scoring import Network

CPU = torch.device("cpu")
CANDIDATES = [f"p{number}" for number in range(4)]
CONFIG = TrainingConfig(epochs=12, patience=12, learning_rate=0.01, batch_size=8, seed=0)


def detector(number: int = 1, *, seed: int = 0, **options) -> LineageDetector:
    torch.manual_seed(seed)
    return LineageDetector(**{"layers": list(map(str, range(number))), "width": 8, "crop": 8} | options)


def images(*shapes: tuple[int, int], B: int = 2, P: int = 3, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, P, 2, *shape, generator=generator, dtype=torch.float64) for shape in shapes]


@settings(max_examples=15, deadline=None)
@given(
    order=st.integers(1, 7).flatmap(lambda count: st.permutations(range(count))),
    training=st.booleans(),
    blocks=st.integers(1, 2),
)
def test_reordering_the_candidates_reorders_the_logits(order, training, blocks):
    net = detector(2, blocks=blocks).double().train(training)
    P = len(order)
    weights, features = images((5, 6), (3, 9), P=P), images((4, 4), (4, 7), P=P, seed=1)
    logits = net(weights, features)
    assert logits.shape == (2, P)
    reordered = net([image[:, order] for image in weights], [image[:, order] for image in features])
    torch.testing.assert_close(reordered, logits[:, order], rtol=1e-9, atol=1e-9)


def test_a_childs_logits_do_not_depend_on_the_others_in_its_batch():
    net = detector().double().eval()
    weights, features = images((5, 6), B=4), images((4, 4), B=4, seed=1)
    one = net([weights[0][2:3]], [features[0][2:3]])
    torch.testing.assert_close(net(weights, features)[2:3], one, rtol=1e-9, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 4))
def test_images_may_have_any_size(sizes):
    rows, columns, n, d = sizes
    logits = detector().double()(images((rows, columns)), images((n, d), seed=1))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_the_first_filters_start_as_the_two_differences():
    torch.manual_seed(0)
    filters = ImageEncoder(4).difference
    parent, child = torch.randn(2, 5, 6, 7)
    with torch.no_grad():
        found = filters(torch.stack([parent, child], 1))
        same = filters(torch.stack([child, child], 1))
    torch.testing.assert_close(found[:, 0], parent - child)
    torch.testing.assert_close(found[:, 1], child - parent)
    assert (same[:, :2] == 0).all()
    assert (same[:, 2] != 0).any()


def test_candidates_that_look_the_same_get_the_same_logit_and_finite_gradients():
    net = detector().double()
    weights, features = (
        [image[:, :1].expand(-1, 3, -1, -1, -1)] for image in (*images((5, 6)), *images((4, 4)))
    )
    logits = net(weights, features)
    torch.testing.assert_close(logits, logits[:, :1].expand(-1, 3))
    logits[:, 0].sum().backward()
    assert all(
        parameter.grad.isfinite().all() for parameter in net.parameters() if parameter.grad is not None
    )


# Episodes


STATE = {
    "a.0.weight": torch.randn(4, 3, 2, 2),
    "a.0.bias": torch.randn(4),
    "a.1.weight": torch.randn(2, 4),
    "b.weight": torch.randn(3, 2),
    "norm.weight": torch.randn(3),
}


SHAPES = {name: tensor.shape for name, tensor in STATE.items()}
KINDS = ("weights", "features")


def test_the_largest_of_a_layers_own_weights_is_shown():
    assert weight_matrix(SHAPES, "a", list(STATE)) == "a.0.weight"
    assert weight_matrix(SHAPES, "b", list(STATE)) == "b.weight"


def test_a_layer_without_weights_shows_those_that_lead_to_it():
    assert weight_matrix(SHAPES, "pool", ["a.1.weight", "b.weight"]) == "a.1.weight"
    with pytest.raises(UserError, match=r"detector\.layers: norm"):
        weight_matrix(SHAPES, "norm", ["norm.weight"])


def test_a_convolution_is_an_image_of_outputs_by_everything_else():
    kernels = {name: torch.randn(4, 3, 2, 2) for name in ("p0", "c")}
    weights, _ = Episodes([kernels], [], ["p0"], {"c": "p0"}).batch(["c"], 99, torch.Generator())
    assert weights[0].shape == (1, 1, 2, 4, 12)
    scale = torch.stack(list(kernels.values())).square().mean().sqrt()
    torch.testing.assert_close(weights[0][0, 0, 0, 1], kernels["p0"][1].reshape(-1) / scale)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 20), columns=st.integers(1, 20), crop=st.integers(1, 24), seed=st.integers(0, 99))
def test_child_and_candidates_are_cropped_at_one_place(rows, columns, crop, seed):
    places = torch.arange(rows * columns, dtype=torch.float64).reshape(rows, columns) + 1
    parts = {"p0": places, "p1": 2 * places, "c": places}
    episodes = Episodes([parts], [parts], ["p0", "p1"], {"c": "p0"})
    weights, features = episodes.batch(["c", "c"], crop, torch.Generator().manual_seed(seed))
    for batch in (*weights, *features):
        assert batch.shape == (2, 2, 2, min(crop, rows), min(crop, columns))
        torch.testing.assert_close(batch[:, 0, 0], batch[:, 0, 1])
        torch.testing.assert_close(batch[:, 1, 0], 2 * batch[:, 1, 1])
        steps = batch[0, 0, 0].diff(dim=1)
        torch.testing.assert_close(steps, steps.flatten()[:1].expand_as(steps) if steps.numel() else steps)
        torch.testing.assert_close(batch.square().mean((2, 3, 4)), torch.ones(2, 2, dtype=torch.float64))


def test_scaling_all_networks_alike_changes_no_episode():
    def batch(scale: float) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        parts = {name: scale * torch.randn(9, 9, generator=generator) for name in ("p0", "p1", "c")}
        episodes = Episodes([parts], [parts], ["p0", "p1"], {"c": "p0"})
        return [*episodes.batch(["c"], 4, torch.Generator().manual_seed(1))[0]]

    for one, other in zip(batch(1.0), batch(1000.0), strict=True):
        torch.testing.assert_close(one, other)


def test_targets_are_the_places_of_the_parents():
    parts = {name: torch.ones(2, 2) for name in ("p0", "p1", "p2", "c", "d")}
    episodes = Episodes([parts], [parts], ["p0", "p1", "p2"], {"c": "p2", "d": "p0"})
    assert episodes.targets(["c", "d", "c"]).tolist() == [2, 0, 2]


@pytest.fixture
def files(tmp_path):
    """Two candidates and a child with another head, in files."""
    models = {
        "p0": build("fc", classes=10, channels=1, image_size=28, seed=0).state_dict(),
        "p1": build("fc", classes=10, channels=1, image_size=28, seed=1).state_dict(),
        "c": build("fc", classes=3, channels=1, image_size=28, seed=2).state_dict(),
    }
    write_weights(tmp_path / "w.h5", [({"id": name}, state) for name, state in models.items()])
    values = {
        name: {"layer2": torch.full((5, 256), float(place))} for place, name in enumerate(models, start=1)
    }
    write_features(tmp_path / "f.h5", list("abcde"), values.items())
    return models, Weights([tmp_path / "w.h5"]), Features([tmp_path / "f.h5"])


def loaded(files, crop: int = 10_000) -> tuple[Tensor, Tensor]:
    _, weights, features = files
    network = Network(name="fc", image_size=28, channels=1)
    episodes = load_episodes(weights, features, ["layer2"], ["p0", "p1"], {"c": "p1"}, network, KINDS)
    assert episodes.targets(["c"]).tolist() == [1]
    (of_weights,), (of_features,) = episodes.batch(["c"], crop, torch.Generator().manual_seed(0))
    return of_weights, of_features


def test_features_of_files_become_images_of_candidate_and_child(files):
    _, of_features = loaded(files)
    assert of_features.shape == (1, 2, 2, 5, 256)
    scale = torch.tensor([math.sqrt((1 + 9) / 2), math.sqrt((4 + 9) / 2)])
    torch.testing.assert_close(of_features[0, :, 0, 0, 0] * scale, torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(of_features[0, :, 1, 0, 0] * scale, torch.tensor([3.0, 3.0]))


def test_a_child_whose_features_died_leaves_its_candidates_of_ordinary_size():
    parts = {"p0": torch.randn(6, 6), "p1": torch.randn(6, 6), "c": torch.zeros(6, 6)}
    _, (features,) = Episodes([], [parts], ["p0", "p1"], {"c": "p0"}).batch(["c"], 4, torch.Generator())
    assert (features[:, :, 1] == 0).all()
    assert features.abs().max() < 10


def test_the_image_of_a_layers_weights_is_of_that_layer_not_of_an_earlier_one(files):
    of_weights, _ = loaded(files)
    child = files[0]["c"]["layer2.0.weight"]
    assert of_weights.shape == (1, 2, 2, 256, 1024)
    seen = torch.stack([files[0][name]["layer2.0.weight"] for name in ("p0", "c")])
    torch.testing.assert_close(of_weights[0, 0, 1], child / seen.square().mean().sqrt())


# Training


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


@pytest.fixture(scope="module")
def learnt():
    parts, parent_of, kinds = toy()
    episodes = episodes_of(parts, parent_of)
    return parts, parent_of, kinds, episodes, *run(episodes, kinds)


def test_a_separable_task_is_learnt(learnt):
    _, _, kinds, episodes, net, _ = learnt
    assert accuracy(net, episodes, kinds) == 1


def test_parents_never_seen_in_training_are_told_too(learnt):
    _parts, parent_of, _, _, net, _ = learnt
    generator = torch.Generator().manual_seed(9)
    others = {name: torch.randn(10, 10, generator=generator) for name in CANDIDATES}
    others |= {
        child: others[p] + 0.3 * torch.randn(10, 10, generator=generator) for child, p in parent_of.items()
    }
    assert accuracy(net, episodes_of(others, parent_of), dict.fromkeys(parent_of, "test")) > 0.9


def test_labels_that_mean_nothing_stay_near_chance():
    parts, parent_of, kinds = toy(related=False)
    episodes = episodes_of(parts, parent_of)
    net, _ = run(episodes, kinds)
    assert accuracy(net, episodes, kinds) < 0.6


def test_the_training_is_decided_by_its_seed(learnt):
    *_, kinds, episodes, net, history = learnt
    again, same = run(episodes, kinds)
    assert bits(again) == bits(net)
    assert same == history
    other, _ = run(episodes, kinds, dataclasses.replace(CONFIG, seed=1))
    assert bits(other) != bits(net)


def test_test_children_do_not_touch_the_training(learnt):
    parts, parent_of, kinds, _, net, history = learnt
    poisoned = {
        name: torch.full_like(value, math.nan) if kinds.get(name) == "test" else value
        for name, value in parts.items()
    }
    again, same = run(episodes_of(poisoned, parent_of), kinds)
    assert bits(again) == bits(net)
    assert same == history


def test_validation_children_only_choose_the_epoch(learnt):
    parts, parent_of, kinds, _, _, history = learnt
    changed = {
        name: value.flip(0) if kinds.get(name) == "validation" else value for name, value in parts.items()
    }
    _, other = run(episodes_of(changed, parent_of), kinds)
    assert [row["loss"] for row in other] == [row["loss"] for row in history]
    assert [row["validation_loss"] for row in other] != [row["validation_loss"] for row in history]


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
    history = learnt[-1]
    assert [row["epoch"] for row in history] == list(range(1, CONFIG.epochs + 1))
    assert max(row["learning_rate"] for row in history) <= CONFIG.learning_rate
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_prediction_does_not_depend_on_the_other_children(learnt):
    _, _, kinds, episodes, net, _ = learnt
    children = [child for child, kind in kinds.items() if kind == "test"]
    together = predicted_logits(net, episodes, children, CPU)
    alone = torch.cat([predicted_logits(net, episodes, [child], CPU) for child in reversed(children)])
    assert torch.equal(together, alone.flip(0))


def test_predictions_have_a_row_for_each_candidate_of_each_condition(learnt):
    parts, parent_of, kinds, _, net, _ = learnt
    episodes = episodes_of({name: value.double() for name, value in parts.items()}, parent_of)
    net = copy.deepcopy(net).double()  # in float32 other batches' kernels differ by more than the tolerance
    conditions = {
        child: {"all": CANDIDATES, "two": CANDIDATES[1:3]} for child, kind in kinds.items() if kind != "train"
    }
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
    parts, parent_of, kinds, *_ = learnt
    broken = {name: value * math.nan for name, value in parts.items()}
    with pytest.raises(UserError, match=r"diverged .*learning_rate 0\.01"):
        run(episodes_of(broken, parent_of), kinds)


@pytest.mark.parametrize("candidates", [1, 2, 9])
def test_a_trained_detector_takes_any_number_of_candidates(learnt, candidates):
    net = copy.deepcopy(learnt[4]).eval()
    weights, features = images((6, 6), P=candidates), images((6, 6), P=candidates, seed=1)
    assert net([weights[0].float()], [features[0].float()]).shape == (2, candidates)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_image_has_an_encoder_of_its_own(kind):
    net = detector().double().eval()
    images_of = {"weights": images((5, 6)), "features": images((4, 4), seed=1)}
    before = net(**images_of)
    with torch.no_grad():
        net.encoders[kind].pattern[0].weight.zero_()
    assert not torch.allclose(net(**images_of), before)
    silenced = net(**images_of)
    other = {name: images((5, 6), seed=7) if name == kind else values for name, values in images_of.items()}
    torch.testing.assert_close(net(**other), silenced)
    (rest,) = set(KINDS) - {kind}
    other = {name: images((5, 6), seed=7) if name == rest else values for name, values in images_of.items()}
    assert not torch.allclose(net(**other), silenced)


@pytest.mark.parametrize("kind", KINDS)
def test_an_ablated_detector_needs_the_one_kind_alone(kind):
    only = {name: images((5, 6)) if name == kind else [] for name in KINDS}
    assert detector(inputs=kind).double()(**only).shape == (2, 3)


def test_whether_there_is_a_parent_does_not_depend_on_the_order_of_the_candidates():
    net = detector(no_parent=True).double().eval()
    weights, features = images((5, 6), P=4), images((4, 4), P=4, seed=1)
    logits = net(weights, features)
    order = [2, 0, 3, 1]
    reordered = net([weights[0][:, order]], [features[0][:, order]])
    torch.testing.assert_close(reordered, logits[:, [*order, 4]], rtol=1e-9, atol=1e-9)


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
    _, _, kinds, episodes, net, _ = learnt
    net.save(tmp_path / "d.h5", device="cpu")
    again = LineageDetector.load(tmp_path / "d.h5")
    children = [child for child, kind in kinds.items() if kind == "test"]
    assert torch.equal(
        predicted_logits(again, episodes, children, CPU), predicted_logits(net, episodes, children, CPU)
    )
    assert again.config == net.config


def test_a_file_of_other_models_is_no_detectors(tmp_path):
    write_weights(tmp_path / "w.h5", [({"id": "p0"}, {"a": torch.ones(2)})])
    with pytest.raises(UserError, match=r"w\.h5: expected a detector's file"):
        LineageDetector.load(tmp_path / "w.h5")


def networks(count: int) -> dict[str, torch.nn.Module]:
    return {
        f"p{seed}": build("fc", classes=10, channels=1, image_size=28, seed=seed) for seed in range(count)
    }


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("inputs", ["both", "weights", "features"])
def test_modules_get_a_probability_each_and_one_that_none_is_the_parent(inputs, alpha):
    net = detector(layers=["layer2"], inputs=inputs, no_parent=True, alpha=alpha).eval()
    candidates = networks(3)
    child = build("fc", classes=4, channels=1, image_size=28, seed=9)
    probe = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    answer = net.probabilities(child, candidates, probe)
    assert list(answer.index) == [*candidates, NO_PARENT]
    assert answer.sum() == pytest.approx(1)
    turned = net.probabilities(child, dict(reversed(candidates.items())), probe)
    np.testing.assert_allclose(turned[answer.index], answer, rtol=1e-4)


def test_modules_are_shown_as_the_models_of_files_are(files):
    models, weights, _ = files
    probe = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    sizes = {"p0": 10, "p1": 10, "c": 3}
    modules = {name: build("fc", classes=sizes[name], channels=1, image_size=28, seed=0) for name in models}
    for name, module in modules.items():
        module.load_state_dict(models[name])
    with torch.no_grad():
        features = {name: module.layer2(module.layer1(probe.flatten(1))) for name, module in modules.items()}
    matrices = {name: weights.dataset(name, "layer2.0.weight") for name in models}
    episodes = Episodes([matrices], [features], ["p0", "p1"], {"c": "p0"})
    net = detector(layers=["layer2"]).eval()
    (logits,) = predicted_logits(net, episodes, ["c"], CPU)
    answer = net.probabilities(modules["c"], {name: modules[name] for name in ("p0", "p1")}, probe)
    np.testing.assert_allclose(answer, logits.softmax(0), rtol=1e-4)


@pytest.mark.parametrize(("candidates", "told"), [(1, "at least two"), (2, r"candidate 'odd'.*layer1")])
def test_candidates_that_cannot_be_compared_are_named(candidates, told):
    net = detector(layers=["layer2"])
    models = networks(candidates)
    if candidates == 2:
        models["odd"] = build("fc", classes=10, channels=1, image_size=14, seed=0)
        models["odd"].layer2 = models["p0"].layer2
        models["odd"].layer1 = torch.nn.Linear(784, 1024)
    with pytest.raises(UserError, match=told):
        net.probabilities(models["p0"], models, torch.rand(2, 1, 28, 28))
