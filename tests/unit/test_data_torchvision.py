"""Data sets of torchvision, in files as torchvision downloads them."""

import struct
from pathlib import Path

import numpy as np
import pytest
from labelled_pictures import complaint, load


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes an array in the idx format of MNIST: magic, sizes, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_torchvision_data_under_the_root_are_read_without_a_network(tmp_path, name):
    pictures = np.random.default_rng(1).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    for prefix, part in (("train", slice(0, 4)), ("t10k", slice(4, 7))):
        write_idx(tmp_path / name / "raw" / f"{prefix}-images-idx3-ubyte", pictures[part])
        write_idx(tmp_path / name / "raw" / f"{prefix}-labels-idx1-ubyte", np.arange(7)[part])
    train, test = (load(f"torchvision:{name}", split=split, root=tmp_path) for split in ("train", "test"))
    assert np.array_equal(train.pixels[..., 0], pictures[:4])
    assert np.array_equal(test.pixels[..., 0], pictures[4:])
    assert test.labels.tolist() == [4, 5, 6]
    assert test.ids[0] == f"{name}-test-000000"
    assert len(test.class_names) == 10


def test_a_torchvision_class_with_a_split_argument_is_given_the_split(tmp_path):
    from scipy.io import savemat

    pictures = np.random.default_rng(2).integers(0, 256, (32, 32, 3, 2), dtype=np.uint8)
    savemat(tmp_path / "extra_32x32.mat", {"X": pictures, "y": np.array([[3], [10]])})
    from torchvision.datasets import SVHN

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SVHN, "_check_integrity", lambda self: True)
        images = load("torchvision:SVHN", split="extra", root=tmp_path, channels=3)
    assert np.array_equal(images.pixels, pictures.transpose(3, 0, 1, 2))
    assert images.labels.tolist() == [3, 0]
    assert images.class_names == ["0", "1", "2", "3"]


def test_emnist_is_given_its_kind_and_the_split(tmp_path):
    for part, label in (("train", 1), ("test", 26)):
        raw = tmp_path / "EMNIST" / "raw" / f"emnist-letters-{part}"
        write_idx(Path(f"{raw}-images-idx3-ubyte"), np.full((1, 28, 28), label))
        write_idx(Path(f"{raw}-labels-idx1-ubyte"), np.array([label]))
    images = load("torchvision:EMNIST-letters", split="test", root=tmp_path)
    assert (images.pixels == 26).all()
    assert images.class_names[images.labels[0]] == "z"


def test_torchvision_data_that_are_not_there_say_how_to_get_them(tmp_path):
    for name in ("MNIST", "CIFAR10", "SVHN", "Food101"):
        found = complaint(f"torchvision:{name}", root=tmp_path)
        assert found.startswith(f"torchvision:{name}, split 'train', folder {tmp_path}: torchvision says")
        assert "set download: true" in found


def test_a_split_that_torchvision_does_not_know_is_refused(tmp_path):
    assert "expected split train or test" in complaint("torchvision:MNIST", split="valid", root=tmp_path)
    assert "correct the split" in complaint("torchvision:SVHN", split="valid", root=tmp_path)
