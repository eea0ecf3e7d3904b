"""Sketches of a matrix' columns are those of its transpose, however it is read, and are computed once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import save_file

from lineage.auditing.pair_tests import ChildSketches
from lineage.checkpoints.read import open_model
from lineage.index.digest import digest_of
from lineage.index.summing import sketches_of_columns
from lineage.relation.sketch import Untestable, sketch

SHAPES = {"a": (300, 40), "b": (70, 513), "c": (64, 24, 3, 3), "few": (50, 5), "none": (0, 30)}


def state() -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(0)
    return {name: drawn.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("part", [1, 1000, 2**18])
@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_sketches_of_columns_are_those_of_the_transpose(tmp_path, monkeypatch, part, suffix):
    monkeypatch.setattr("lineage.index.summing.PART", part)
    given = state()
    save_file(given, tmp_path / "m.safetensors")
    np.savez(tmp_path / "m.npz", **given)
    found = sketches_of_columns(open_model(tmp_path / f"m.{suffix}"), given)
    for name, values in given.items():
        expected = sketch(np.ascontiguousarray(values.swapaxes(0, 1)))
        if isinstance(expected, Untestable):
            assert found[name] == expected
        else:
            np.testing.assert_array_equal(found[name], expected)
    assert sum(isinstance(each, np.ndarray) for each in found.values()) == 3


def test_candidates_that_are_tested_at_once_read_the_childs_columns_once(tmp_path, monkeypatch):
    given = state()
    save_file(given, tmp_path / "m.safetensors")
    child, read = open_model(tmp_path / "m.safetensors"), []

    def counted(model, names):
        names = list(names)
        read.extend(names)
        return sketches_of_columns(model, names)

    sketches = ChildSketches(child, digest_of(child))
    monkeypatch.setattr("lineage.auditing.pair_tests.sketches_of_columns", counted)
    with ThreadPoolExecutor(2) as workers:
        found = list(workers.map(lambda _: sketches._of_columns(given), range(2)))
    assert sorted(read) == sorted(set(read))
    assert found[0].keys() == found[1].keys() > set()
