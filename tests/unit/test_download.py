"""Data of the configurations, fetched from a server that stands in for the remote ones."""

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from remote import served
from torchvision.datasets import CIFAR10, MNIST

from lineage.data.load import load_data
from lineage.errors import UserError
from lineage.experiment.config import checked, experiments_of

CHANCE = np.random.default_rng(0)
EXPERIMENT = {
    "network": {"name": "convnet", "image_size": 32, "channels": 3},
    "roots": {"count": 2, "learning_rate": 0.1, "epochs": 1},
    "settings": {
        "full": {
            "children": 3,
            "data": {"source": "embedded:fashion-mnist"},
            "grid": {"learning_rate": [0.1], "epochs": [1]},
        }
    },
    "probe": {"data": {"source": "embedded:fashion-mnist"}, "images": 8},
}


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def named(name: str, root: Path, image_size: int, channels: int, split: str = "train"):
    """What a configuration without a folder of data makes of `named:` data."""
    network = EXPERIMENT["network"] | {"image_size": image_size, "channels": channels}
    roots = EXPERIMENT["roots"] | {"data": {"source": f"named:{name}", "split": split, "root": str(root)}}
    config = checked({"experiments": {"one": EXPERIMENT | {"network": network, "roots": roots}}})
    experiment = experiments_of(config)["one"]
    return load_data(experiment.roots.data, experiment.network)


def test_mnist_is_fetched_and_unpacked(tmp_path, monkeypatch):
    pictures = CHANCE.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    resources = []
    for part, arrays in (("train", (pictures, np.arange(5))), ("t10k", (pictures[:1], np.arange(1)))):
        for kind, array in zip(("images-idx3-ubyte", "labels-idx1-ubyte"), arrays, strict=True):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            path = tmp_path / f"{part}-{kind}.gz"
            path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
            resources.append((path.name, digest(path)))
    monkeypatch.setattr(MNIST, "resources", resources)
    with served(tmp_path) as address:
        monkeypatch.setattr(MNIST, "mirrors", [f"{address}/"])
        images = named("mnist", tmp_path / "data", 28, 1)
    np.testing.assert_array_equal(images.tensor()[:, 0] * 255, pictures)
    assert images.labels.tolist() == [0, 1, 2, 3, 4]


def test_cifar10_is_fetched_and_unpacked(tmp_path, monkeypatch):
    rows = CHANCE.integers(0, 256, (6, 3072), dtype=np.uint8)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    contents = {
        "data_batch_1": {"data": rows[:4], "labels": [0, 1, 2, 1]},
        "test_batch": {"data": rows[4:], "labels": [2, 0]},
        "batches.meta": {"label_names": ["cat", "dog", "owl"]},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as tar:
        tar.add(folder, folder.name)
    for name, value in {
        "filename": "cifar.tar.gz",
        "tgz_md5": digest(tmp_path / "cifar.tar.gz"),
        "train_list": [["data_batch_1", digest(folder / "data_batch_1")]],
        "test_list": [["test_batch", digest(folder / "test_batch")]],
        "meta": {"filename": "batches.meta", "key": "label_names", "md5": digest(folder / "batches.meta")},
    }.items():
        monkeypatch.setattr(CIFAR10, name, value)
    with served(tmp_path) as address:
        monkeypatch.setattr(CIFAR10, "url", f"{address}/cifar.tar.gz")
        images = named("cifar10", tmp_path / "data", 32, 3, split="test")
    np.testing.assert_array_equal(images.tensor() * 255, rows[4:].reshape(2, 3, 32, 32))
    assert images.labels.tolist() == [2, 0]
    assert images.class_names == ["cat", "dog", "owl"]


def test_a_source_out_of_reach_is_told(tmp_path, monkeypatch):
    with served(tmp_path) as address:
        monkeypatch.setattr(CIFAR10, "url", f"{address}/nothing.tar.gz")
        with pytest.raises(UserError, match=r"torchvision:CIFAR10.*torchvision says: .*404"):
            named("cifar10", tmp_path / "data", 32, 3)
