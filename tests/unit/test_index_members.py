"""Of a file of several models, the index holds those that were given, and none of them finds itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lineage.auditing.shortlist import search
from lineage.index import store
from lineage.index.change import add


def saved(path: Path, *seeds: int) -> Path:
    """Small perceptrons in a file, each under a letter."""
    shapes = {"l1.weight": (32, 20), "l2.weight": (32, 32), "l3.weight": (32, 32), "head.weight": (3, 32)}
    draws = {letter: np.random.default_rng(seed) for letter, seed in zip("abc", seeds, strict=False)}
    torch.save(
        {
            letter: {
                name: torch.from_numpy(draw.standard_normal(shape, np.float32))
                for name, shape in shapes.items()
            }
            for letter, draw in draws.items()
        },
        path,
    )
    return path.resolve()


@pytest.fixture
def index(tmp_path):
    return tmp_path / "index"


def ids(index: Path) -> list[str]:
    return sorted(Path(id).name for id in store.Store(index).read().ids)


def test_a_named_model_is_added_alone_and_others_stay(tmp_path, index):
    path = saved(tmp_path / "m.pt", 1, 2, 3)
    assert add(index, f"{path}::b").added == [f"{path}::b"]
    assert add(index, f"{path}::a").added == [f"{path}::a"]
    assert ids(index) == ["m.pt::a", "m.pt::b"]
    assert add(index, [f"{path}::a", f"{path}::b"]).unchanged == [f"{path}::a", f"{path}::b"]


def test_of_a_whole_file_the_models_that_are_not_there_are_added(tmp_path, index):
    path = saved(tmp_path / "m.pt", 1, 2, 3)
    add(index, f"{path}::b")
    found = add(index, path)
    assert (found.added, found.unchanged) == ([f"{path}::a", f"{path}::c"], [f"{path}::b"])
    assert len(add(index, path).unchanged) == 3


def test_a_named_model_of_a_changed_file_removes_no_other(tmp_path, index):
    add(index, saved(tmp_path / "m.pt", 1, 2))
    path = saved(tmp_path / "m.pt", 4, 5, 6)
    assert add(index, f"{path}::c").added == [f"{path}::c"]
    assert ids(index) == ["m.pt::a", "m.pt::b", "m.pt::c"]


def test_the_main_model_of_a_file_does_not_find_itself(tmp_path, index):
    path = saved(tmp_path / "m.pt", 1, 2, 3)
    add(index, path)
    found = search(index, path, store_digests=False)
    assert sorted(hit.id for hit in found.hits) == [f"{path}::b", f"{path}::c"]
