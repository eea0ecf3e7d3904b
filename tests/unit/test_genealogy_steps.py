"""A tree in steps: what is stored between them, and that all together give the tree that one call gives."""

import json
import re

import numpy as np
import pytest
from small_networks import child_of, network, save_all

from lineage.auditing.direction import shipped
from lineage.checkpoints.find import Source, read_table_of_models
from lineage.errors import UserError
from lineage.genealogy.families import by_rows, families_of
from lineage.genealogy.files import read_json, write_json
from lineage.genealogy.reading import read_each, without_copies
from lineage.genealogy.run import tree_of
from lineage.genealogy.steps.batches import batches_of, key_of, row_of, source_of
from lineage.genealogy.steps.families import Remembered, read_families, write_families
from lineage.genealogy.steps.sketches import read_written, write_models
from lineage.genealogy.steps.together import together, tree_of_family
from lineage.index.digest import DigestCache

CLAIMS = {"r0.a": "r0", "r0.b": "other", "copy": "r0"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[Source]:
    """A table: a family with an average, a copy and claims; children of a parent that is not there; a broken file."""
    folder = tmp_path_factory.mktemp("zoo")
    root, missing = network(0), network(2)
    models = {"r0": root, "other": network(5)}
    models |= {f"r0.{name}": child_of(root, 50 + number) for number, name in enumerate("abc")}
    models |= {f"m.c{number}": child_of(missing, 30 + number, strength=1.5) for number in range(4)}
    models["copy"] = models["r0.c"]
    models["average"] = {name: (models["r0.a"][name] + models["r0.b"][name]) / 2 for name in root}
    save_all(folder, models)
    (folder / "broken.safetensors").write_text("<html>")
    rows = [f"{id}\t{id}.safetensors\tcandidate\t{CLAIMS.get(id, '')}" for id in [*models, "broken"]]
    (folder / "models.tsv").write_text("\n".join(["id\tpath\trole\tclaimed_parent", *rows]) + "\n")
    return read_table_of_models(folder / "models.tsv")


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> DigestCache:
    return DigestCache(tmp_path_factory.mktemp("digests"))


def test_the_steps_give_the_tree_that_one_call_gives(sources, cache, tmp_path):
    batches = batches_of(sources, 3)
    for name, batch in batches.items():
        rows = json.loads(json.dumps([row_of(source, with_claim=False) for source in batch]))
        write_models(*read_each(list(map(source_of, rows)), cache), tmp_path / name)
    found, refused = read_written(tmp_path / name for name in batches)
    models = without_copies(found)
    families = families_of(models, by_rows(cache, follow=False), alpha=0.01)
    write_families(models, families, refused, tmp_path / "families.json")
    stored = read_families(tmp_path / "families.json")
    for key in stored.large:
        members = [member.source for member in stored.members[key]]
        write_json(tree_of_family(key, members, cache, shipped()), tmp_path / f"{key}.json")
    trees = [tmp_path / f"{key}.json" for key in reversed(stored.large)]
    wanted = tree_of("zoo", sources, cache, shipped())
    assert any(node.is_open for node in wanted.nodes)
    assert any(node.copies for node in wanted.nodes)
    assert len(wanted.claims) == len(CLAIMS)
    assert [merge.child for merge in wanted.merges] == ["average"]
    found_again = together("zoo", sources, stored, trees, cache, 0.01)
    assert json.dumps(found_again.to_dict(), indent=1) == json.dumps(wanted.to_dict(), indent=1)


def test_a_batch_that_is_stored_is_read_as_it_was(sources, cache, tmp_path):
    models, refused = read_each(sources, cache)
    write_models(models, refused, tmp_path / "batch")
    again, refused_again = read_written([tmp_path / "batch"])
    assert refused_again == refused
    assert list(refused) == ["broken"]
    for before, after in zip(models, again, strict=True):
        np.testing.assert_array_equal(before.vector, after.vector)
        assert vars(before) | {"vector": None, "source": None} == vars(after) | {
            "vector": None,
            "source": None,
        }
        assert row_of(before.source) == row_of(after.source)


def test_a_batch_without_a_readable_model_is_stored_too(tmp_path):
    write_models([], {"x": "x: no"}, tmp_path / "batch")
    assert read_written([tmp_path / "batch"]) == ([], {"x": "x: no"})


@pytest.mark.parametrize("count", [1, 7, 500])
def test_a_new_file_leaves_every_other_file_in_its_batch(count):
    sources = [Source(id=f"zoo/model-{number}", path=f"{number}.pt") for number in range(200)]
    before, after = batches_of(sources[:-1], count), batches_of(sources, count)
    changed = [name for name in after if before.get(name) != after[name]]
    assert len(changed) == 1
    assert after[changed[0]] == [*before.get(changed[0], []), sources[-1]]
    assert sorted(source.id for batch in after.values() for source in batch) == sorted(s.id for s in sources)


def test_families_have_file_names_of_their_own():
    ids = ["a/b", "a-b", "a_b", "../../etc/passwd", "ü", "", "x" * 300]
    keys = list(map(key_of, ids))
    assert len(set(keys)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,60}", key) for key in keys)


def test_a_pair_is_tested_once_over_all_runs_until_its_model_or_the_code_changes(sources, cache, tmp_path):
    models, _ = read_each(sources[:3], cache)
    asked = []

    def test(first, second) -> float:
        asked.append((first.id, second.id))
        return -12.5

    for _ in range(2):
        remembered = Remembered(test, tmp_path / "code.json")
        assert [remembered(models[0], models[1]), remembered(models[0], models[2])] == [-12.5, -12.5]
        remembered.store()
    assert len(asked) == 2
    changed = type(models[1])(**vars(models[1]) | {"content": "another"})
    Remembered(test, tmp_path / "code.json")(models[0], changed)
    Remembered(test, tmp_path / "other-code.json")(models[0], models[1])
    assert len(asked) == 4


@pytest.mark.parametrize("text", ["", "[]", '{"format": 99}', "{"])
def test_what_is_no_tree_is_one_line(text, tmp_path):
    (tmp_path / "tree.json").write_text(text)
    with pytest.raises(UserError, match=r"tree.json: expected the JSON of a tree"):
        read_json(tmp_path / "tree.json")
