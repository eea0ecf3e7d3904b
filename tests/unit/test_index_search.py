"""An index finds what a direct search of all finds, and loses nothing that it said it holds."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from lineage import cli, extras
from lineage.auditing.shortlist import search
from lineage.errors import UserError
from lineage.index import change, nearest, store
from lineage.index.change import add, remove
from lineage.index.vectors import Vectors
from lineage.storage.index_schemas import INDEXED, LENGTH

COUNT = 40
"""Models that the writers add."""
WRITERS = Path(__file__).with_name("index_writers.py")


def saved(path: Path, seed: int, base: dict | None = None, change: float = 0.02) -> dict[str, np.ndarray]:
    """A small perceptron, or a child of one, in a file."""
    draw = np.random.default_rng(seed)
    shapes = {"l1.weight": (32, 20), "l2.weight": (32, 32), "l3.weight": (32, 32), "head.weight": (3, 32)}
    state = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    if base:
        state = {name: values + np.float32(change) * state[name] for name, values in base.items()}
    save_file(state, path)
    return state


@pytest.fixture
def zoo(tmp_path):
    folder = tmp_path / "zoo"
    folder.mkdir()
    roots = {f"r{seed}": saved(folder / f"r{seed}.safetensors", seed) for seed in range(4)}
    saved(tmp_path / "child.safetensors", 9, roots["r2"])
    return folder


def rows(count: int, draw: np.random.Generator) -> list[dict]:
    return [
        {"id": f"m{number}", "file": f"m{number}", "size": 1, "changed": 1, "content": "", "is_removed": False,
         **{part: draw.integers(-127, 128, LENGTH, dtype=np.int8).tobytes() for part in ("own", "given")}}
        for number in range(count)
    ]  # fmt: skip


def test_the_nearest_are_those_of_a_direct_search(tmp_path):
    draw = np.random.default_rng(0)
    index = store.Store(tmp_path / "index")
    index.append(rows(300, draw))
    stored = index.read()
    own, given = stored.own.astype(float), stored.given.astype(float)
    query = Vectors(
        (own[7] * 0.5 + own[9] * 0.4).astype(np.int8), (given[11] * 0.9 + given[3] * 0.1).astype(np.int8), ""
    )
    found = nearest.Searcher(stored).nearest(query, 4)
    cosines = np.maximum(
        *(
            vectors
            @ vector.astype(float)
            / np.linalg.norm(vectors, axis=1)
            / np.linalg.norm(vector.astype(float))
            for vectors, vector in ((own, query.own), (given, query.given))
        )
    )
    assert [near.place for near in found] == np.argsort(-cosines)[:4].tolist()
    assert [near.cosine for near in found] == pytest.approx(np.sort(cosines)[::-1][:4].tolist())


def test_a_search_ends_in_an_audit_of_the_shortlist(zoo, tmp_path):
    add(tmp_path / "index", zoo)
    found = search(tmp_path / "index", tmp_path / "child.safetensors", top=2, store_digests=False)
    assert found.models == 4
    assert Path(found.hits[0].id).stem == "r2"
    assert len(found.report.candidates) == 2
    assert found.report.closest == "r2"
    assert json.loads(json.dumps(found.to_dict()))["audit"]["closest"] == "r2"


def test_a_model_does_not_find_itself(zoo, tmp_path):
    add(tmp_path / "index", zoo)
    found = search(tmp_path / "index", zoo / "r1.safetensors", store_digests=False)
    assert sorted(Path(hit.id).stem for hit in found.hits) == ["r0", "r2", "r3"]


def test_what_was_removed_is_not_found_and_can_be_added_again(zoo, tmp_path):
    index = tmp_path / "index"
    add(index, zoo)
    assert remove(index, [zoo / "r2.safetensors"]) == [str((zoo / "r2.safetensors").resolve())]
    hits = search(index, tmp_path / "child.safetensors", store_digests=False).hits
    assert "r2" not in {Path(hit.id).stem for hit in hits}
    again = add(index, zoo)
    assert [Path(id).stem for id in again.added] == ["r2"]
    assert len(again.unchanged) == 3


def test_an_index_of_the_child_alone_finds_nothing(zoo, tmp_path):
    add(tmp_path / "index", zoo / "r1.safetensors")
    with pytest.raises(UserError, match="holds no model but the child"):
        search(tmp_path / "index", zoo / "r1.safetensors")
    remove(tmp_path / "index", [zoo / "r1.safetensors"])
    with pytest.raises(UserError, match="holds no model but the child"):
        search(tmp_path / "index", zoo / "r1.safetensors")


def test_a_file_that_changed_takes_the_place_of_its_old_self(zoo, tmp_path):
    index = tmp_path / "index"
    add(index, zoo)
    before = store.Store(index).read()
    saved(zoo / "r0.safetensors", 77)
    assert len(add(index, zoo).added) == 1
    after = store.Store(index).read()
    assert sorted(before.ids) == sorted(after.ids)
    assert len(set(after.contents) - set(before.contents)) == 1


def test_a_model_that_its_file_lost_is_removed(tmp_path):
    index, path = tmp_path / "index", tmp_path / "several.pt"
    for names in (["a", "b"], ["a"]):
        states = {name: saved(tmp_path / "x.safetensors", 5 + len(name) + len(names)) for name in names}
        torch.save(
            {
                name: {key: torch.from_numpy(value) for key, value in state.items()}
                for name, state in states.items()
            },
            path,
        )
        add(index, path)
        assert len(store.Store(index).read()) == len(names)


def test_a_file_that_cannot_be_read_stops_no_other(zoo, tmp_path):
    (zoo / "broken.safetensors").write_bytes(b"\x99" * 64)
    found = add(tmp_path / "index", zoo)
    assert len(found.added) == 4
    assert list(found.refused) == [str(zoo / "broken.safetensors")]


def test_small_files_are_joined_and_no_row_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST", 3)
    index = store.Store(tmp_path / "index")
    draw = np.random.default_rng(0)
    given = rows(30, draw)
    for row in given:
        index.append([row])
    index.append([{"id": "m4", "is_removed": True}])
    assert len(list((tmp_path / "index").glob("*.parquet"))) <= 4
    assert list(index.read().ids) == [row["id"] for row in given if row["id"] != "m4"]


def test_a_row_takes_at_most_4_kilobytes(tmp_path):
    store.Store(tmp_path / "index").append(rows(500, np.random.default_rng(0)))
    (path,) = (tmp_path / "index").glob("*.parquet")
    assert path.stat().st_size / 500 < 4096
    assert pq.read_schema(path).names == INDEXED.names


@pytest.fixture
def many(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for seed in range(COUNT):
        saved(folder / f"{seed:03}.safetensors", seed)
    return folder


def written(how: str, index: Path, folder: Path) -> list[str]:
    command = [sys.executable, str(WRITERS), how, str(index), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("added ") for line in done.stdout.splitlines() if line.endswith(".safetensors")]


def test_ten_killed_writers_lose_nothing_that_they_reported(many, tmp_path):
    reported = written("kill", tmp_path / "index", many)
    assert len(reported) >= 10
    assert set(reported) <= set(store.Store(tmp_path / "index").read().ids)
    assert len(add(tmp_path / "index", many).refused) == 0
    assert len(store.Store(tmp_path / "index").read()) == COUNT


def test_two_writers_at_once_add_everything(many, tmp_path):
    assert len(written("meet", tmp_path / "index", many)) == COUNT
    stored = store.Store(tmp_path / "index").read()
    assert sorted(stored.ids) == sorted(str(path.resolve()) for path in many.iterdir())


def invoked(*arguments: object):
    return CliRunner().invoke(cli.app, ["index", *map(str, arguments)])


def test_the_command_adds_searches_and_removes(zoo, tmp_path):
    index = tmp_path / "index"
    done = invoked("add", index, zoo)
    assert done.exit_code == 0
    assert done.stdout.count("added ") == 4
    found = invoked(
        "search", index, tmp_path / "child.safetensors", "--no-cache", "--json", tmp_path / "found.json"
    )
    assert found.exit_code in (0, 6)
    for answer in ("verdict: ", "family: r2", "closest: r2", "relation: "):
        assert answer in found.stdout
    assert json.loads((tmp_path / "found.json").read_text())["hits"][0]["id"].endswith("r2.safetensors")
    assert "removed" in invoked("remove", index, zoo / "r2.safetensors").stdout


def test_mistakes_are_one_line(zoo, tmp_path):
    with pytest.raises(UserError, match="expected the folder of an index; make it with `lineage index add`"):
        search(tmp_path / "none", tmp_path / "child.safetensors")
    add(tmp_path / "index", zoo)
    with pytest.raises(UserError, match="the index cannot be written: File exists"):
        add(zoo / "r0.safetensors", zoo)
    save_file({"head.weight": np.ones((3, 4), np.float32)}, tmp_path / "head.safetensors")
    with pytest.raises(UserError, match="expected a matrix beside the head"):
        search(tmp_path / "index", tmp_path / "head.safetensors")
    with pytest.raises(UserError, match="expected the id or the file of one of its 4 models, got 'r9'"):
        remove(tmp_path / "index", ["r9"])
    (tmp_path / "index" / "000000007.parquet").write_bytes(b"none")
    with pytest.raises(UserError, match="000000007.parquet: is no part of an index"):
        store.Store(tmp_path / "index").read()


def test_sketches_of_another_version_are_refused(tmp_path):
    store.Store(tmp_path / "index").append(rows(2, np.random.default_rng(0)))
    (path,) = (tmp_path / "index").glob("*.parquet")
    pq.write_table(pq.read_table(path).replace_schema_metadata({"sketch": "0"}), path)
    with pytest.raises(UserError, match="holds sketches of another version"):
        store.Store(tmp_path / "index").read()


def test_without_faiss_the_extra_is_named():
    assert extras.missing("faiss", "index").endswith('pip install "neural-lineage[index]"')


def test_reports_wait_for_the_disk(zoo, tmp_path, monkeypatch):
    """A model is said to be added when another process can read it."""
    monkeypatch.setattr(change, "AT_ONCE", 2)
    index, seen = store.Store(tmp_path / "index"), []
    add(index.folder, zoo, say=lambda line: seen.append(line.removeprefix("added ") in index.read().ids))
    assert seen == [True] * 4


def test_a_copy_of_other_values_is_another_model(zoo, tmp_path):
    state = load_file(zoo / "r0.safetensors")
    save_file(state, zoo / "copy.safetensors")
    add(tmp_path / "index", zoo)
    stored = store.Store(tmp_path / "index").read()
    assert len(stored) == 5
    assert len(set(stored.contents)) == 4
