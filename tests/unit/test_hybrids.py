"""Hybrids against their sources' tensors, networks put together by hand, closed forms and scikit-learn."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from test_zoo import experiment, setting
from torch import Tensor

from lineage.errors import UserError
from lineage.experiment.conditions import ALL_BLOCKS, of_block
from lineage.experiment.zoo import Model, Zoo
from lineage.networks.architectures import build
from lineage.networks.restore import Models
from lineage.progress import untracked
from lineage.results.evaluation.blocks import evaluated_blocks, fitted_temperature
from lineage.similarity.blocks import hybrid_scores
from lineage.storage.hdf5 import Weights, write_weights
from lineage.training.hybrids import Hybrids, drawn_sources
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network, Similarity

REST = {"data": {"source": "sklearn:digits"}, "learning_rate": 0.1, "epochs": 1}
SIZE = {"channels": 1, "image_size": 8}
CONFIG = Similarity(
    similarities=(
        "l1",
        "l2",
        "cosine",
        "weight_l2",
    ),
    approximations=(
        "direct",
        "path",
        "linear",
    ),
    alphas=(0.5,),
)
SOURCES = ["p0", "p1", "p2"]
PREFIXES = {
    "fc": ["layer1.", "layer2.", "layer3."],
    "convnet": ["block1.", "block2.", "block3."],
    "timm:vit_tiny_patch16_224": [],
}


def child_of(sources: list[str], seed: int = 3, layers: list[str] | None = None) -> Model:
    recipe = {"hybrid": {"sources": sources, "layers": layers or []}}
    return Model(
        id="c",
        setting="mixed",
        parent=sources[0],
        index=0,
        generation=2,
        seed=seed,
        recipe=Recipe.of(REST | recipe),
    )


def network_of(name: str) -> dict:
    return Network(name=name, **SIZE | ({"channels": 3, "image_size": 32} if ":" in name else {}))


def stored_sources(folder, name: str) -> Weights:
    """A file of three networks whose every tensor is random, running statistics too."""
    network, path = network_of(name), folder / "sources.h5"
    size = {"channels": network.channels, "image_size": network.image_size}
    models = []
    for seed, source in enumerate(SOURCES):
        net = build(name, classes=2, **size, seed=seed)
        generator = torch.Generator().manual_seed(seed)
        state = {
            key: value + 0.1 * torch.rand(value.shape, generator=generator)
            if value.is_floating_point()
            else value
            for key, value in net.state_dict().items()
        }
        models.append(({"id": source}, state))
    write_weights(path, models)
    return Weights([path])


@pytest.mark.parametrize("name", PREFIXES)
def test_each_block_of_a_hybrid_is_its_sources_bit_for_bit_and_the_rest_its_parents(tmp_path, name):
    weights, layers = stored_sources(tmp_path, name), None
    if ":" in name:
        layers = [f"blocks.{number}" for number in range(12)]
    state, of_blocks = Hybrids(network_of(name), weights)(child_of(SOURCES, layers=layers))
    assert set(of_blocks.values()) == set(SOURCES)
    sources = {source: weights(source) for source in SOURCES}
    assert state.keys() == sources["p0"].keys()
    if layers:
        source_of = {f"{layer}.": source for layer, source in of_blocks.items()} | {"norm.": "p0"}
    else:
        source_of = dict(zip(PREFIXES[name], of_blocks.values(), strict=True))
    source_of["head."] = "p0"
    stem = of_blocks.get("blocks.0")  # what runs before the first block of a ViT is part of it
    seen = Counter()
    for key, tensor in state.items():
        source = next((source for prefix, source in source_of.items() if key.startswith(prefix)), stem)
        seen[source] += 1
        assert torch.equal(tensor, sources[source][key]), key
        others = [other for other in SOURCES if other != source]
        if tensor.is_floating_point():
            assert not any(torch.equal(tensor, sources[other][key]) for other in others), key
    assert set(seen) == set(SOURCES)


def forward(theta: dict[str, Tensor], exchanged: dict[int, dict[str, Tensor]], depth: int, x: Tensor):
    """The first `depth` layers of `fc` in NumPy, some of them with other weights."""
    h = x.flatten(1).double().numpy()
    for number in range(1, depth + 1):
        of = exchanged.get(number, theta)
        w, b = (of[f"layer{number}.0.{what}"].double().numpy() for what in ("weight", "bias"))
        h = np.maximum(h @ w.T + b, 0)
    return h


@pytest.fixture
def untuned(tmp_path) -> tuple[Weights, dict[str, str], pd.DataFrame, Tensor]:
    """Three networks, a hybrid of them that is not fine-tuned, and all its scores."""
    sources = stored_sources(tmp_path, "fc")
    network = network_of("fc")
    state, of_blocks = Hybrids(network, sources)(child_of(SOURCES))
    path = tmp_path / "child.h5"
    write_weights(path, [({"id": "c", "block_sources": json.dumps(of_blocks)}, state)])
    weights = Weights([tmp_path / "sources.h5", path])
    probe = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(9))
    models = Models(weights=weights, network=network, device=torch.device("cpu"))
    rows = hybrid_scores(["c"], SOURCES, models, probe, CONFIG, tracked=untracked)
    return weights, of_blocks, pd.DataFrame(rows), probe


def test_a_source_scores_as_high_as_possible_on_its_block_of_an_untuned_hybrid_and_no_other_does(untuned):
    _, of_blocks, scores, _ = untuned
    assert scores.groupby("layer")["source"].unique().str[0].to_dict() == of_blocks
    is_source = scores["candidate"] == scores["source"]
    of_distance = scores["similarity"].isin(["l1", "l2", "weight_l2"])
    is_exact = scores["approximation"] != "linear"
    assert (scores["score"][is_source & of_distance & is_exact] == 0).all()
    assert scores["score"][is_source & of_distance].to_numpy() == pytest.approx(0, abs=1e-6)
    assert (scores["score"][~is_source & of_distance] < 0).all()
    of_cosine = scores["similarity"] == "cosine"
    assert scores["score"][is_source & of_cosine].to_numpy() == pytest.approx(1, abs=1e-6)
    assert (scores["score"][~is_source & of_cosine & is_exact] < 1 - 1e-6).all()


def test_only_the_block_is_exchanged_or_moved(untuned):
    weights, _, scores, probe = untuned
    child = weights("c")
    for depth in (1, 2, 3):
        own = forward(child, {}, depth, probe)
        for candidate in SOURCES:
            theta = weights(candidate)
            half_way = {key: (theta[key].double() + child[key].double()) / 2 for key in child}
            for approximation, block in (("direct", theta), ("path", half_way)):
                features = forward(child, {depth: block}, depth, probe)
                row = scores[
                    scores["layer"].str.startswith(f"layer{depth}")
                    & (scores["candidate"] == candidate)
                    & (scores["similarity"] == "l1")
                    & (scores["approximation"] == approximation)
                ]
                assert row["score"].item() == pytest.approx(
                    -np.abs(features - own).mean(), rel=1e-4, abs=1e-7
                )


@settings(deadline=None)
@given(blocks=st.integers(2, 20), sources=st.integers(2, 20), seed=st.integers(0, 2**62))
def test_sources_give_equally_many_blocks_up_to_one(blocks, sources, seed):
    layers, ids = [f"l{number}" for number in range(blocks)], [f"p{number}" for number in range(sources)]
    if sources > blocks:
        with pytest.raises(UserError, match=f"expected at most {blocks}.*but got {sources}"):
            drawn_sources(layers, ids, seed)
        return
    drawn = drawn_sources(layers, ids, seed)
    assert drawn == drawn_sources(layers, ids, seed)
    assert list(drawn) == layers
    counts = Counter(drawn.values())
    assert set(counts) == set(ids)
    assert max(counts.values()) - min(counts.values()) <= 1


def hybrid_zoo(sources: int, **keys) -> Zoo:
    mixed = setting(6) | {"hybrid": {"sources": sources}}
    return Zoo(experiment({"full": setting(6), "mixed": mixed}, roots=5, **keys))


def test_a_hybrids_sources_are_its_parent_first_and_other_candidates_of_its_own():
    zoo = hybrid_zoo(3)
    assert (zoo.hybrids, zoo.of_one_parent, zoo.transfers) == (["mixed"], ["full"], [])
    drawn = {child.id: child.recipe.hybrid.sources for child in zoo.children("mixed")}
    for child in zoo.children("mixed"):
        assert drawn[child.id][0] == child.parent
        assert len(set(drawn[child.id])) == 3
        assert set(drawn[child.id]) <= set(zoo.candidates("mixed"))
    assert len({tuple(sources) for sources in drawn.values()}) > 10
    assert drawn == {c.id: c.recipe.hybrid.sources for c in hybrid_zoo(3, block_size=2).children("mixed")}
    assert not any(child.recipe.hybrid for child in zoo.children("full"))


def test_more_sources_than_models_are_refused():
    with pytest.raises(UserError, match=r"settings\.mixed\.hybrid\.sources: expected at most 5.*but got 6"):
        hybrid_zoo(6)


@pytest.mark.parametrize(("candidates", "blocks", "gap"), [(2, 5, 1.0), (7, 1, 1e-4), (3, 40, 30.0)])
def test_the_temperature_of_equal_gaps_has_a_closed_form(candidates, blocks, gap):
    """Softened odds of the source against another candidate are m + 1 to 1, and exp(gap / T) must be that."""
    truth = np.arange(blocks) % candidates
    values = np.full((blocks, candidates), -5.0)
    values[np.arange(blocks), truth] += gap
    assert fitted_temperature(values, truth) == pytest.approx(gap / np.log(blocks + 1), rel=1e-5)


def test_the_temperature_for_two_candidates_is_a_logistic_regressions():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 2))
    truth = np.where(rng.random(30) < 0.8, values.argmax(1), values.argmin(1))
    gaps = np.diff(values, axis=1)
    soft = np.where(truth == 1, 31 / 32, 1 / 32)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=1000)
    regression.fit(np.vstack([gaps, gaps]), np.repeat([1, 0], 30), np.concatenate([soft, 1 - soft]))
    assert fitted_temperature(values, truth) == pytest.approx(1 / regression.coef_.item(), rel=1e-4)


def test_scores_that_tell_nothing_give_equal_probabilities():
    assert fitted_temperature(np.zeros((4, 3)), np.array([0, 1, 2, 0])) == 1.0
    misleading = np.eye(3)
    assert fitted_temperature(misleading, np.array([1, 2, 0])) > 1e4


def scores_but(wrong: set[tuple[str, str]]) -> pd.DataFrame:
    """Scores at two alphas of 9 children with two blocks; at 0.5 right but for `wrong`, at 0.1 never."""
    rows = []
    for number in range(9):
        for place, layer in enumerate(("a", "b")):
            child, source = f"c{number}", SOURCES[(number + place) % 3]
            for alpha in (0.1, 0.5):
                is_right = alpha == 0.5 and (child, layer) not in wrong
                winner = source if is_right else SOURCES[(SOURCES.index(source) + 1) % 3]
                rows += [
                    {"setting": "mixed", "child": child, "layer": layer, "candidate": candidate,
                     "similarity": "l1", "approximation": "path", "alpha": alpha, "source": source,
                     "score": -1.0 - (candidate != winner)}
                    for candidate in SOURCES
                ]  # fmt: skip
    return pd.DataFrame(rows)


PARTS = {f"c{number}": "validation" if number < 3 else "test" for number in range(9)}


def test_accuracy_is_counted_by_block_position_and_over_all_blocks():
    wrong = {("c4", "a"), ("c5", "a"), ("c5", "b")}
    sources, results = evaluated_blocks(scores_but(wrong), {"mixed": [PARTS]})
    accuracy = results[results["metric"] == "accuracy"].set_index("condition")["value"].to_dict()
    assert accuracy == pytest.approx({of_block("a"): 4 / 6, of_block("b"): 5 / 6, ALL_BLOCKS: 9 / 12})
    pooled = results[(results["condition"] == ALL_BLOCKS) & results["seed"].isna()].set_index("metric")
    assert pooled["value"]["chance"] == pytest.approx(1 / 3)
    assert pooled["n"]["interval_low"] == 6  # a child counts once
    assert set(sources["child"]) == {f"c{number}" for number in range(3, 9)}
    assert (sources["alpha"] == 0.5).all()
    is_wrong = sources["predicted"] != sources["source"]
    assert set(zip(sources["child"][is_wrong], sources["layer"][is_wrong], strict=True)) == wrong
    temperature = 1 / np.log(7)  # six validation blocks, all right by a gap of 1
    likely = np.exp(1 / temperature) / (np.exp(1 / temperature) + 2)
    assert sources["temperature"].to_numpy() == pytest.approx(temperature, rel=1e-5)
    assert sources["probability"].to_numpy() == pytest.approx(likely, rel=1e-5)
    assert sources["source_probability"][is_wrong].to_numpy() == pytest.approx((1 - likely) / 2, rel=1e-4)
    confidence = results[results["metric"] == "confidence"]["value"]
    assert confidence.to_numpy() == pytest.approx(likely, rel=1e-5)


def test_test_children_do_not_move_the_choices():
    right, _ = evaluated_blocks(scores_but(set()), {"mixed": [PARTS]})
    none_right = {(f"c{number}", layer) for number in range(3, 9) for layer in ("a", "b")}
    wrong, _ = evaluated_blocks(scores_but(none_right), {"mixed": [PARTS]})
    pd.testing.assert_frame_equal(right[["alpha", "temperature"]], wrong[["alpha", "temperature"]])
    assert (right["credit"] == 1).all()
    assert (wrong["credit"] == 0).all()


def test_a_score_that_is_no_number_is_the_least_likely():
    scores = scores_but(set())
    scores.loc[scores["candidate"] == "p2", "score"] = float("nan")
    sources, _ = evaluated_blocks(scores, {"mixed": [PARTS]})
    assert not sources["predicted"].str.contains("p2").any()
    assert np.isfinite(sources[["probability", "source_probability"]]).all(axis=None)
