"""The models that a user names, and those in a folder: told by content, each once."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from lineage.checkpoints.find import sources_of
from lineage.checkpoints.folders import models_in_folder
from lineage.checkpoints.read import open_model
from lineage.errors import UserError

W = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def names_in(folder):
    return [str(path.relative_to(folder)) for path in models_in_folder(folder).models]


def test_folders_globs_and_tables_name_models(tmp_path):
    for name in ("a/x.safetensors", "b/x.pt", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [source.id for source in sources_of(str(tmp_path))] == ["a/x", "b/x"]
    assert [source.id for source in sources_of(f"{tmp_path}/*/x.*")] == ["a/x", "b/x"]
    table = tmp_path / "models.tsv"
    table.write_text("id\tpath\trole\nA\ta/x.safetensors\tcandidate\nB\tb/x.pt\tunrelated\n")
    assert [source.id for source in sources_of(str(table))] == ["A"]
    assert [source.id for source in sources_of(str(table), role="unrelated")] == ["B"]
    table.write_text("id\tpath\trole\nA\ta/x.safetensors\tuncle\n")
    with pytest.raises(UserError, match="line 2: role: expected one of candidate"):
        sources_of(str(table))


@pytest.mark.parametrize("name", ["run[1]", "a*", "what?"])
def test_a_file_that_exists_is_no_glob_whatever_it_is_called(tmp_path, name):
    for file in (name, "run1", "ab", "what1"):
        (tmp_path / file).touch()
    assert [source.path for source in sources_of(f"{tmp_path}/{name}")] == [f"{tmp_path}/{name}"]
    assert [source.path for source in sources_of(f"{tmp_path}/{name}::ema")] == [f"{tmp_path}/{name}::ema"]


@pytest.mark.parametrize(
    "name", ["model_best.pth.tar", "weights", "epoch=3.model", "net.t7", "best.PTH", "a.b.c.dat"]
)
def test_a_model_is_found_whatever_it_is_called(tmp_path, name):
    torch.save({"w": torch.tensor(W)}, tmp_path / name)
    (tmp_path / "README.md").write_text("# A model\n")
    (tmp_path / "config.json").write_text('{"hidden": 4}')
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("model_best.pth.tar", "model_best"),
        ("m.safetensors.index.json", "m"),
        ("resnet18-0.5.pt", "resnet18-0.5"),
        ("v1.2", "v1.2"),
    ],
)
def test_an_id_is_the_name_without_what_says_the_format(tmp_path, name, id_):
    (tmp_path / name).touch()
    assert [source.id for source in sources_of(f"{tmp_path}/*")] == [id_]


def test_names_that_differ_in_the_suffix_alone_stay_apart(tmp_path):
    save_file({"w": W}, tmp_path / "m.safetensors")
    torch.save({"w": torch.tensor(W)}, tmp_path / "m.pt")
    assert [source.id for source in sources_of(str(tmp_path))] == ["m.pt", "m.safetensors"]


def sharded_bin(folder, names=("pytorch_model-00001-of-00002.bin", "second")):
    torch.save({"a.weight": torch.tensor(W)}, folder / names[0])
    torch.save({"b.weight": torch.tensor(2 * W)}, folder / names[1])
    index = {"metadata": {"total_size": 1}, "weight_map": {"a.weight": names[0], "b.weight": names[1]}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def test_shards_of_pytorch_are_one_model_whatever_they_are_called(tmp_path):
    sharded_bin(tmp_path)
    assert names_in(tmp_path) == ["pytorch_model.bin.index.json"]
    model = open_model(tmp_path / "pytorch_model.bin.index.json")
    assert list(model.entries) == ["a.weight", "b.weight"]
    assert np.array_equal(model.read("b.weight"), 2 * W)
    assert len(model.files) == 3


def test_a_missing_shard_of_pytorch_is_named(tmp_path):
    sharded_bin(tmp_path)
    (tmp_path / "second").unlink()
    with pytest.raises(UserError, match="second"):
        open_model(tmp_path / "pytorch_model.bin.index.json")


def test_hidden_files_and_resource_forks_are_passed_over(tmp_path):
    for name in ("m.pt", ".m.pt", ".ipynb_checkpoints/m.pt", "__MACOSX/m.pt", "._m.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        torch.save({"w": torch.tensor(W)}, tmp_path / name)
    assert names_in(tmp_path) == ["m.pt"]


def test_a_file_and_the_links_to_it_are_one_model(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshots").mkdir()
    save_file({"w": W}, tmp_path / "blobs" / "abc")
    (tmp_path / "snapshots" / "m.safetensors").symlink_to("../blobs/abc")
    assert names_in(tmp_path) == ["snapshots/m.safetensors"]


def test_a_folder_without_models_says_what_was_sought(tmp_path):
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(UserError, match=r"expected checkpoints \(.*safetensors.*\), but there are none"):
        models_in_folder(tmp_path)
