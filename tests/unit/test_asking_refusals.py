"""What asking refuses in one line: options, candidates and a stranger's manifest that say something impossible."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from asking_networks import DIGITS, SIZE, World, labels, unrelated_functions

import lineage
from lineage.asking.answer_files import read_answers
from lineage.asking.answers import Kind
from lineage.asking.choosing.candidates import Size, from_functions
from lineage.asking.files import CANDIDATES, MANIFEST, POOL, QUERIES, read_query_set
from lineage.checkpoints.read import open_models
from lineage.diffing.hashes import hashes_of
from lineage.errors import UserError

NAMES = ["cat", "dog", "fox"]


@pytest.fixture(scope="module")
def functions() -> dict:
    return unrelated_functions(3)


@pytest.fixture(scope="module")
def written(functions, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "queries"
    lineage.ask(functions, budget=100, out=folder, **DIGITS)
    return folder


def refused(said: str, call, *given, **options) -> None:
    with pytest.raises(UserError, match=said) as error:
        call(*given, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": 2}, "channels: expected 1 or 3, got 2"),
        ({"image_size": 0}, "image size: expected a whole number of pixels"),
        ({"mean": [0.5]}, "mean: expected std with it"),
        ({"std": [0.5]}, "std: expected mean with it"),
        ({"mean": [0.5, 0.5], "std": [1.0]}, "mean: expected a number for each channel, 1 in all"),
        ({"mean": [0.5], "std": [0.0]}, "std: expected numbers above 0"),
        ({"mean": [float("nan")], "std": [1.0]}, "mean: expected finite numbers"),
    ],
)
def test_impossible_ways_to_take_images_are_refused(options, said, functions):
    refused(said, lineage.ask, functions, budget=100, **DIGITS | options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": 5}, "candidates: expected a SHA-256 by id"),
        ({"candidates": {}}, "candidates: expected one at least"),
        ({"candidates": {"a\x1b[2J": "0"}}, "candidates: expected ids that can be printed"),
        ({"unrelated": {"p0": "0"}}, "none that is unrelated too"),
        ({"budget": True}, "budget: expected a whole number above 0, got True"),
        ({"budget": 200}, r"queries.npz: images: expected the shape \(200, 8, 8, 1\)"),
        ({"classes": 10**12}, "class_names: expected 1000000000000, one a class, got 10"),
        ({"class_names": 10}, "class_names: expected a list of names"),
        ({"channels": 2}, "channels: expected 1 or 3, got 2"),
        ({"std": [0]}, "std: expected mean with it"),
        ({"rule": 1}, "expected rule and data as text"),
    ],
)
def test_a_plan_of_impossible_values_is_refused(change, said, written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "queries")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["plan"] |= change
    (folder / MANIFEST).write_text(json.dumps(manifest))
    refused(said, read_query_set, folder)


def test_a_manifest_of_endless_depth_is_refused(written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "queries")
    (folder / MANIFEST).write_text("[" * 100_000)
    refused("expected the manifest of a query set", read_query_set, folder)


@pytest.mark.parametrize(
    ("file", "name", "change", "said"),
    [
        (QUERIES, "images", lambda values: values.astype(np.float32), "images: expected bytes, got float32"),
        (QUERIES, "chosen", lambda values: values - 10**6, "chosen: expected numbers from 0 and below"),
        (QUERIES, "chosen", lambda values: values.astype(float), "chosen: expected whole numbers"),
        (CANDIDATES, "outputs", lambda values: values * np.nan, "outputs: expected finite numbers"),
        (POOL, "labels", lambda values: values + 10, "labels: expected numbers from 0 and below 10"),
        (POOL, "truth", lambda values: values[:, None], "truth: expected the shape"),
    ],
)
def test_arrays_of_impossible_values_are_refused(file, name, change, said, written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "queries")
    arrays = dict(np.load(folder / file))
    np.savez_compressed(folder / file, **arrays | {name: change(arrays[name])})
    refused(said, read_query_set, folder)


def network(scale: float = 1.0) -> torch.nn.Module:
    torch.manual_seed(0)
    linear = torch.nn.Linear(SIZE**2, 10)
    layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIZE**2, SIZE**2), linear)
    with torch.no_grad():
        layers[1].weight.mul_(scale)
        linear.weight.div_(max(scale, 1))
    return layers


@pytest.mark.parametrize(
    ("scale", "said"),
    [(float("nan"), "'odd': expected finite answers"), (1e9, "'odd': expected features that 16 bits hold")],
)
def test_a_candidate_without_usable_answers_is_named(scale, said):
    refused(said, lineage.ask, {"even": network(), "odd": network(scale)}, budget=100, **DIGITS)


def test_networks_of_torch_are_hashed_by_their_weights_as_their_file_is(tmp_path):
    whole = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    torch.save(whole.state_dict(), tmp_path / "whole.pt")
    size, images = Size(image_size=SIZE, channels=1), np.zeros((1, SIZE, SIZE, 1), np.uint8)
    (of_file,) = open_models(tmp_path / "whole.pt")
    (of_module,) = from_functions({"whole": whole}, images, size)
    assert of_module.digest == hashes_of(of_file).tensors
    with torch.no_grad():
        whole[2].bias.add_(1e-6)
    (nudged,) = from_functions({"whole": whole}, images, size)
    assert nudged.digest != of_module.digest


def test_rows_with_some_of_their_values_are_refused(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("query,top1,top2\n0,fox,cat\n1,dog,\n")
    refused(
        "line 3: expected a value in each column, or in none; 'top2' is empty", read_answers, path, 5, NAMES
    )


@pytest.mark.parametrize(
    ("head", "own", "values"), [("2,0,1", False, [0.3, 0.2, 0.5]), ("a,b,c", True, [0.5, 0.3, 0.2])]
)
def test_probabilities_of_other_names_are_of_other_classes(head, own, values, tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(f"query,{head}\n0,0.5,0.3,0.2\n")
    found = read_answers(path, 5, NAMES)
    assert (found.kind, found.own_labels, found.values.tolist()) == (Kind.PROBABILITIES, own, [values])


def test_json_has_no_numbers_that_json_lacks(written, tmp_path, run):
    said = labels(World(seed=9).unrelated())(read_query_set(written)[0].images)
    np.savez(tmp_path / "answers.npz", labels=said)
    run("answer", written, tmp_path / "answers.npz", "--json", tmp_path / "f.json")
    found = json.loads((tmp_path / "f.json").read_text(), parse_constant=pytest.fail)
    assert [row["deviation"] for row in found["candidates"]] == [None] * 3
