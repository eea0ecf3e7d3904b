"""Digests on disk are those of the files."""

import contextlib
import hashlib
from functools import partial

import numpy as np
import pytest
import torch
from blake3 import blake3
from limits import files_at_most
from safetensors.numpy import save_file
from small_networks import ROOTS, save_all

from lineage.auditing import pair_tests
from lineage.auditing.pair_tests import digest_of_child, digests_of
from lineage.auditing.run import audit
from lineage.checkpoints.files import sha256_of
from lineage.checkpoints.plain.form import open_plain_model
from lineage.checkpoints.read import open_model
from lineage.errors import UserError
from lineage.genealogy.run import tree
from lineage.index import digest
from lineage.index.digest import DigestCache, digest_of
from lineage.relation.sketch import sketch
from lineage.storage.atomic import written_whole
from lineage.storage.hdf5 import write_weights


def test_a_cached_digest_is_the_digest(tmp_path):
    path = tmp_path / "p0.safetensors"
    save_file(ROOTS["p0"], path)
    model = open_model(path)
    cache, fresh = DigestCache(tmp_path / "cache"), digest_of(model)
    state = model.files[0].state
    assert cache.get(state) is None
    cache.put(state, [fresh], {str(file.real): file.state for file in model.files})
    stored = cache.get(state)[0]
    assert {key: value for key, value in vars(stored).items() if key != "sketches"} == {
        key: value for key, value in vars(fresh).items() if key != "sketches"
    }
    assert all(np.array_equal(stored.sketches[name], fresh.sketches[name]) for name in fresh.sketches)
    save_file(ROOTS["p1"], path)
    assert cache.get(open_model(path).files[0].state) is None


def test_a_file_of_several_models_is_hashed_once(tmp_path, monkeypatch):
    models = [({"id": name, "seed": 0}, {key: torch.from_numpy(values) for key, values in ROOTS[name].items()})
              for name in ("p0", "p1")]  # fmt: skip
    path, hashed = tmp_path / "weights.h5", []
    write_weights(path, models, code="", device="cpu")
    monkeypatch.setattr(digest, "sha256_of", lambda file, stop: hashed.append(file) or sha256_of(file, stop))
    found = digests_of(str(path), DigestCache(None))
    assert hashed == [path.resolve()]
    assert [each.hashes for each in found] == 2 * [{str(path): hashlib.sha256(path.read_bytes()).hexdigest()}]


def test_of_a_stored_file_only_the_named_model_is_loaded(tmp_path, monkeypatch):
    path, loaded = tmp_path / "weights.h5", []
    tensors = {
        name: {key: torch.from_numpy(values) for key, values in ROOTS[name].items()} for name in ("p0", "p1")
    }
    write_weights(path, [({"id": name, "seed": 0}, tensors[name]) for name in tensors], code="", device="cpu")
    cache, load = DigestCache(tmp_path / "cache"), digest._loaded
    fresh = digests_of(str(path), cache)
    monkeypatch.setattr(digest, "_loaded", lambda stored: loaded.append(stored) or load(stored))
    (found,) = digests_of(f"{path}::p1", cache)
    assert len(loaded) == 1
    assert (found.name, found.content) == (fresh[1].name, fresh[1].content)
    assert [each.name for each in digests_of(str(path), cache)] == [each.name for each in fresh]
    with pytest.raises(UserError, match="holds no model 'p2'"):
        digests_of(f"{path}::p2", cache)


def test_a_child_that_is_a_candidate_elsewhere_is_not_digested_again(tmp_path, monkeypatch):
    path, cache = tmp_path / "p0.safetensors", DigestCache(tmp_path / "cache")
    save_file(ROOTS["p0"], path)
    (known,) = digests_of(str(path), cache)
    child, linked = open_plain_model(path), tmp_path / "linked.safetensors"
    fresh = digest_of_child(child, DigestCache(None))
    assert (fresh.name, fresh.content, fresh.hashes) == (known.name, known.content, known.hashes)
    linked.symlink_to(path)
    assert digest_of_child(open_plain_model(linked), cache).name == "linked.safetensors"
    monkeypatch.setattr(pair_tests, "digest_of", None)
    assert digest_of_child(child, cache).content == known.content


def content(path, save, tensors) -> str:
    save(tensors, path)
    return digest_of(open_model(path)).content


def test_the_content_is_that_of_the_values_whatever_they_are_called_and_however_they_are_stored(tmp_path):
    given = ROOTS["p0"]
    contents = {
        content(tmp_path / "a.safetensors", save_file, given),
        content(tmp_path / "b.safetensors", partial(save_file, metadata={"epoch": "9"}), given),
        content(tmp_path / "c.safetensors", save_file, {f"module.{name}": given[name] for name in reversed(given)}),
        content(tmp_path / "d.npz", lambda tensors, path: np.savez(path, **tensors), given),
        content(tmp_path / "e.npz", lambda tensors, path: np.savez(path, **tensors),
                {name: values.astype(np.float64) for name, values in given.items()}),
    }  # fmt: skip
    assert len(contents) == 1
    nudged = given | {"layer1.bias": np.nextafter(given["layer1.bias"], np.float32(9))}
    shaped = given | {"layer1.bias": given["layer1.bias"][None]}
    for number, changed in enumerate((nudged, shaped)):
        contents.add(content(tmp_path / f"{number}.safetensors", save_file, changed))
    assert len(contents) == 3


def test_digests_that_another_process_is_storing_are_left_to_it(tmp_path):
    path = tmp_path / "p0.safetensors"
    save_file(ROOTS["p0"], path)
    model = open_model(path)
    cache, state = DigestCache(tmp_path / "cache"), model.files[0].state
    digest = digest_of(model)
    with written_whole(cache._path(state, "0.safetensors")):
        cache.put(state, [digest], {})
    assert cache.get(state) is None
    cache.put(state, [digest], {})
    assert cache.get(state)[0].shapes == digest.shapes


@pytest.mark.parametrize("kind", ["a file", "a device", "full"])
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(tmp_path, kind):
    path, folder = tmp_path / "p0.safetensors", tmp_path / "cache"
    save_file(ROOTS["p0"], path)
    save_file(ROOTS["p1"], tmp_path / "p1.safetensors")
    if kind == "a file":
        folder.write_text("")
    stored = "/dev/null/x" if kind == "a device" else folder
    said: list[str] = []
    of_tree: list[str] = []
    with files_at_most(20_000) if kind == "full" else contextlib.nullcontext():
        report = audit(path, [tmp_path / "p1.safetensors"], cache=stored, say=said.append)
        grown = tree(tmp_path / "p?.safetensors", cache=stored, say=of_tree.append)
    assert report.verdict == "none of these"
    assert len(grown.families) == 2
    for lines in (said, of_tree):
        (line,) = [line for line in lines if "digests are not stored" in line]
        assert str(stored) in line


def test_reading_a_large_checkpoint_says_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("lineage.index.summing.SMALL", 1000)
    save_all(tmp_path, ROOTS)
    said: list[str] = []
    audit(tmp_path / "p0.safetensors", tmp_path / "p1.safetensors", store_digests=False, say=said.append)
    count = len(ROOTS["p0"])
    assert [line.split(" in ")[0] for line in said[:2]] == [
        f"tensors of {name}.safetensors: {count}" for name in ("p0", "p1")
    ]


SHAPES = {"a": (300, 40), "b": (513, 7), "c": (64, 3, 3, 3), "d": (700,), "e": (20, 5), "f": ()}


@pytest.mark.parametrize("part", [1, 64, 1000, 2**18])
def test_a_digest_read_in_parts_is_that_of_whole_tensors(tmp_path, monkeypatch, part):
    monkeypatch.setattr("lineage.index.summing.PART", part)
    drawn = np.random.default_rng(0)
    state = {name: drawn.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    save_file(state, tmp_path / "m.safetensors")
    found = digest_of(open_model(tmp_path / "m.safetensors"))
    hashes = [blake3(str(values.shape).encode() + values.tobytes()).digest() for values in state.values()]
    assert found.content == hashlib.sha256(b"".join(sorted(hashes))).hexdigest()
    assert found.sketches
    for name, rows in found.sketches.items():
        np.testing.assert_array_equal(rows, sketch(state[name]))


def test_values_that_are_not_finite_are_counted_in_the_whole_tensor(tmp_path, monkeypatch):
    monkeypatch.setattr("lineage.index.summing.PART", 64)
    values = np.ones((300, 40), np.float32)
    values[[120, 250], 3] = np.nan
    save_file({"w": values}, tmp_path / "m.safetensors")
    with pytest.raises(UserError, match=r"'w' holds 2 NaN and 0 infinite values, the first at \[120, 3\]"):
        digest_of(open_model(tmp_path / "m.safetensors"))
