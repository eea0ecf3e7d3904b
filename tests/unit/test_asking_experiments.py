"""Answers as a method of experiments: who is asked under which labels, and what becomes of what they give."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from asking_networks import SIZE, trained_briefly
from torch import nn

from lineage.asking.answers import of_function
from lineage.asking.choosing.candidates import Size, from_states
from lineage.asking.choosing.choose import chosen_for
from lineage.asking.choosing.networks import answers_of
from lineage.asking.queryset import QuerySet, among
from lineage.asking.verdict import decide
from lineage.data.load import load_images
from lineage.experiment.conditions import ABSENT, STANDARD
from lineage.experiment.config import checked, experiments_of
from lineage.experiment.params import evaluated_settings, with_own_labels
from lineage.experiment.paths import Paths
from lineage.experiment.zoo import Zoo
from lineage.results.evaluation.named import all_named, named_absence, named_outcomes, of_answers, of_audits
from lineage.storage.schemas import ANSWERED, AUDITS
from lineage.types.evaluation import Evaluated

IMAGES = load_images("sklearn:digits", split="test", size=SIZE, channels=1)


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(SIZE**2, 24), nn.ReLU(), nn.Linear(24, 10))
    with torch.no_grad():  # random hidden layers that answer more than their bias
        layers[1].weight.mul_(3)
        layers[3].weight.mul_(5)
    return layers


def reordered(net: nn.Sequential) -> nn.Sequential:
    """The same function with its hidden neurons in another order."""
    found, order = network(0), torch.randperm(24)
    with torch.no_grad():
        for layer, values in ((1, net[1]), (3, net[3])):
            rows = (order, slice(None)) if layer == 1 else (slice(None), order)
            found[layer].weight.copy_(values.weight[rows])
            found[layer].bias.copy_(values.bias[order] if layer == 1 else values.bias)
    return found


@pytest.fixture(scope="module")
def queries() -> QuerySet:
    size = Size(image_size=SIZE, channels=1)
    networks = from_states([f"p{seed}" for seed in range(9)], lambda id: network(int(id[1:])), size)
    with trained_briefly():
        return chosen_for(networks, [], IMAGES, "sklearn:digits", budget=100, size=size)


def answered(net: nn.Module, queries: QuerySet) -> tuple[np.ndarray, np.ndarray]:
    return answers_of(net, queries.images, mean=None, std=None)


@pytest.mark.parametrize("own_labels", [False, True])
def test_a_disguise_that_keeps_the_function_changes_nothing(queries, own_labels):
    held = among(
        queries, {id: answered(network(int(id[1:])), queries) for id in ("p8", *queries.plan.ids[:7])}
    )
    child = network(8)
    with torch.no_grad():
        child[1].weight.add_(0.02 * torch.randn_like(child[1].weight))
    found = []
    for suspect in (child, reordered(child)):
        values = answered(suspect, queries)[0].argmax(1)
        found.append(decide(of_function(values, 100, 10, own_labels=own_labels), held, alpha=0.01))
    plain, disguised = found
    assert plain == disguised
    assert plain.candidates[0].id == "p8"


def test_among_other_candidates_each_answers_as_itself(queries):
    logs = np.log(np.random.default_rng(0).dirichlet(np.ones(10), 100)).astype(np.float32)
    held = among(queries, {"a": (logs, logs[:, :3]), "b": (logs[:, :4], logs[:, :2])})
    assert held.plan.ids == ["a", "b"]
    assert held.outputs[0] == pytest.approx(logs, abs=2e-2)
    assert held.outputs[1][:, :4] == pytest.approx(logs[:, :4], abs=2e-2)
    assert (np.exp(held.outputs[1][:, 4:].astype(float)) == 0).all()
    assert [values.shape for values in held.features.values()] == [(100, 3), (100, 2)]


def experiment():
    digits, fashion = {"source": "sklearn:digits", "split": "all"}, {"source": "embedded:fashion-mnist"}
    grid = {"learning_rate": [0.1], "epochs": [1]}
    raw = {
        "network": {"name": "fc", "image_size": 28, "channels": 1},
        "roots": {"count": 2, "data": dict(digits), "learning_rate": 0.1, "epochs": 1},
        "settings": {
            "full": {"children": 3, "data": dict(fashion), "grid": grid},
            "second": {"children": 3, "data": dict(fashion), "grid": grid, "parents": "full",
                       "among": {"grandparents": ["roots", "full"]}},
        },
        "probe": {"data": dict(fashion), "images": 8},
        "asking": {"queries": 100},
    }  # fmt: skip
    return experiments_of(checked({"experiments": {"tiny": raw}}))["tiny"]


def test_children_have_other_labels_where_a_candidate_learned_other_classes():
    whole = experiment()
    zoo = Zoo(whole)
    settings = evaluated_settings(zoo, whole)
    found = {setting: with_own_labels(zoo, setting, models) for setting, models in settings.items()}
    assert found == {"full": [STANDARD], "second": ["among grandparents"]}


def test_answers_have_a_file_of_each_setting_where_somebody_is_asked():
    whole = experiment()
    expected = [f"<results>/tiny/answers/{setting}/answers.parquet" for setting in ("full", "second")]
    assert Paths("tiny", whole, Zoo(whole)).answers() == expected
    assert Paths("tiny", replace(whole, asking=None), Zoo(whole)).answers() == []


def test_answers_earn_by_whom_they_predict_and_tell_absence_by_whom_they_name():
    models = Evaluated(
        parents={"a": "p0", "b": "p1"}, candidates=("p0", "p1"), splits=({"a": "test", "b": "test"},),
        counts=(), ancestors={},
    )  # fmt: skip
    rows = [
        (STANDARD, "a", "labels", "p0", None), (STANDARD, "b", "labels", "p0", "p0"),
        (ABSENT, "a", "labels", "p1", None), (ABSENT, "b", "labels", "p0", None),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["condition", "child", "given", "closest", "family"])
    named = all_named(
        of_audits(AUDITS.empty_table().to_pandas()), of_answers(frame.assign(setting="full", candidates=2))
    )
    (found,) = named_outcomes(named, models)
    assert found["credit"].to_dict() == {"a": 1.0, "b": 0.0}
    assert set(found["method"]) == {"answers/labels"}
    told = pd.DataFrame(named_absence(named, models)).set_index("metric")["value"]
    assert told["accuracy"] == 0.75  # a's parent is among the candidates, and nobody is named
    assert set(ANSWERED.names) > set(frame.columns)
