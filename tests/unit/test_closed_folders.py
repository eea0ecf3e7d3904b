"""What nobody may read is named among what was left out: beside it nothing is said of all candidates."""

import errno
import os
from pathlib import Path

import pytest
from safetensors.numpy import save_file
from small_networks import ROOTS, child_of

from lineage.auditing.run import audit
from lineage.checkpoints.find import sources_of
from lineage.errors import UserError
from lineage.genealogy.run import tree
from lineage.index.change import add

LISTED, ENTERED = "a folder that cannot be listed", "a folder whose files cannot be opened"
OPEN = os.scandir, os.access


def saved(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


@pytest.fixture(params=[LISTED, ENTERED])
def closed(request, tmp_path, monkeypatch):
    """A stranger beside a folder that holds the child's parent, closed also to root, whom no mode keeps out."""
    bases = tmp_path / "bases"
    saved(bases / "p1.safetensors", ROOTS["p1"])
    saved(bases / "secret" / "p0.safetensors", ROOTS["p0"])
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p0"], 5))

    def listed(path="."):
        if not isinstance(path, int) and Path(path).name == "secret":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return OPEN[0](path)

    def allowed(path, mode, **how):
        return not (Path(path).name == "secret" and mode == os.X_OK) and OPEN[1](path, mode, **how)

    if request.param == LISTED:
        monkeypatch.setattr(os, "scandir", listed)
    else:
        monkeypatch.setattr(os, "access", allowed)
    return bases


def test_none_of_these_is_not_said_beside_a_folder_that_is_closed(closed):
    report = audit(closed.parent / "child.safetensors", closed, store_digests=False)
    assert report.verdict == "cannot tell"
    assert report.to_dict()["refused"] == {
        "secret": f"{closed}/secret: is a folder that cannot be looked into: permission denied"
    }


def test_a_tree_and_an_index_name_each_closed_folder_once(closed, tmp_path):
    grown = tree(closed, store_digests=False)
    assert ([node.id for node in grown.nodes], list(grown.refused)) == (["p1"], ["secret"])
    said = []
    added = add(tmp_path / "index", closed, say=said.append)
    assert list(added.refused) == [f"{closed}/secret"]
    assert [line.endswith("permission denied") for line in said] == [True, False]


def test_a_closed_folder_that_is_given_itself_is_an_error_that_says_so(closed):
    for look in (sources_of, tree):
        with pytest.raises(UserError) as caught:
            look(f"{closed}/secret")
        assert (
            str(caught.value) == f"{closed}/secret: is a folder that cannot be looked into: permission denied"
        )


@pytest.mark.parametrize("pattern", ["**/p1*", "**/*1.safetensors"])
def test_a_glob_names_the_closed_folders_on_its_way(closed, pattern):
    ids = {Path(source.path).name for source in sources_of(f"{closed}/{pattern}")}
    assert ids == {"p1.safetensors", "secret"}


def test_a_glob_that_only_closed_folders_match_says_so(closed):
    with pytest.raises(UserError, match="no file is called like that; .*/secret cannot be looked into: perm"):
        sources_of(f"{closed}/secret/*.pt")


@pytest.mark.parametrize("name", ["p0", "weights.unknown"])
def test_none_of_these_is_not_said_beside_a_file_that_nobody_may_read(tmp_path, monkeypatch, name):
    saved(tmp_path / "bases" / "p1.safetensors", ROOTS["p1"])
    saved(tmp_path / "bases" / name, ROOTS["p0"])
    saved(tmp_path / "child.safetensors", child_of(ROOTS["p0"], 5))
    monkeypatch.setattr(
        os, "access", lambda path, mode, **how: Path(path).name != name and OPEN[1](path, mode, **how)
    )
    report = audit(tmp_path / "child.safetensors", tmp_path / "bases", store_digests=False)
    assert report.verdict == "cannot tell"
    assert [line.endswith("cannot be read: permission denied") for line in report.refused.values()] == [True]
