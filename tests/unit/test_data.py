"""Every source of images against the data it was made from, and every input that is not what it should be."""

import io
import json
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.transforms.functional import normalize

from lineage.data.images import stratified_subset
from lineage.data.load import load_data, load_images
from lineage.data.probe import load_probe
from lineage.data.source_files import source_files
from lineage.errors import UserError
from lineage.types.scoring import Data, Network, Probe

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 5, 5), dtype=np.uint8)
LABELS = [0, 1, 2, 2, 1, 0]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def tiff(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="TIFF")
    return buffer.getvalue()


def rows(**changed) -> dict:
    """Columns of six good images, some of them replaced."""
    images = [{"bytes": png(picture), "path": f"{index}.png"} for index, picture in enumerate(PICTURES)]
    return {"image": images, "label": LABELS} | changed


def write(path: Path, columns: dict, **metadata: str) -> str:
    """Writes the columns as Parquet and returns the source that names the file."""
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return f"parquet:{path}"


def load(source: str, **options):
    return load_images(source, **({"split": "train", "size": None, "channels": 1} | options))


def complaint(source: str, **options) -> str:
    """The one line with which a source is refused."""
    with pytest.raises(UserError) as caught:
        load(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Images


def test_a_parquet_file_gives_back_its_pixels_labels_paths_and_class_names(tmp_path):
    images = load(write(tmp_path / "a.parquet", rows(), class_names='["x", "y", "z"]'))
    assert np.array_equal(images.pixels[..., 0], PICTURES)
    assert images.pixels.shape == (6, 5, 5, 1)
    assert (images.pixels.dtype, images.labels.dtype) == (np.uint8, np.int64)
    assert images.labels.tolist() == LABELS
    assert images.ids == [f"{index}.png" for index in range(6)]
    assert images.class_names == ["x", "y", "z"]
    assert len(images) == 6


def test_tensors_are_channels_first_between_0_and_1_in_memory_of_their_own(tmp_path):
    images = load(write(tmp_path / "a.parquet", rows()), channels=3)
    tensor, labels = images.tensor(), images.labels_tensor()
    expected = torch.stack([torch.tensor(images.pixels[:, :, :, c].tolist()) for c in range(3)], dim=1) / 255
    assert (tensor.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert torch.equal(tensor, expected)
    assert torch.equal(images.tensor(np.array([4, 1])), expected[[4, 1]])
    assert images.labels_tensor(np.array([4, 1])).tolist() == [1, 1]
    images.pixels[:], images.labels[:] = 0, 7
    assert torch.equal(tensor, expected)
    assert labels.tolist() == LABELS


@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_have_the_plain_strides_that_torch_gives_itself(tmp_path, channels):
    tensor = load(write(tmp_path / "a.parquet", rows()), channels=channels).tensor()
    assert tensor.stride() == torch.zeros(tensor.shape).stride()


def test_images_are_resized_only_when_their_size_differs(tmp_path):
    flat = np.full((4, 9), 77, dtype=np.uint8)
    images = [{"bytes": png(picture), "path": None} for picture in (PICTURES[0], flat)]
    loaded = load(write(tmp_path / "a.parquet", {"image": images, "label": [0, 1]}), size=5)
    assert np.array_equal(loaded.pixels[0, :, :, 0], PICTURES[0])
    assert (loaded.pixels[1] == 77).all()


def test_bilinear_resizing_of_a_ramp_keeps_it_a_ramp(tmp_path):
    ramp = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))
    image = [{"bytes": png(ramp), "path": "r"}]
    halved = load(write(tmp_path / "a.parquet", {"image": image, "label": [0]}), size=8).pixels[0, :, :, 0]
    steps = np.diff(halved.astype(int), axis=1)
    assert (abs(steps[:, 1:-1] - 32) <= 1).all()
    assert (np.diff(halved.astype(int), axis=0) == 0).all()


def test_colour_becomes_grey_by_luma_and_grey_becomes_three_equal_channels(tmp_path):
    red = np.zeros((2, 2, 3), dtype=np.uint8)
    red[..., 0] = 255
    source = write(tmp_path / "a.parquet", {"image": [{"bytes": png(red), "path": "r"}], "label": [0]})
    assert (load(source).pixels == round(0.299 * 255)).all()
    assert load(source, channels=3).pixels[0].tolist() == red.tolist()
    grey = load(write(tmp_path / "b.parquet", rows()), channels=3).pixels
    assert np.array_equal(grey, np.repeat(PICTURES[..., None], 3, axis=3))


# Parquet


def test_without_class_names_the_labels_name_the_classes(tmp_path):
    assert load(write(tmp_path / "a.parquet", rows())).class_names == ["0", "1", "2"]


@pytest.mark.parametrize("paths", [[None] * 6, ["same.png"] * 6])
def test_images_without_unique_paths_are_named_by_row(tmp_path, paths):
    images = [
        {"bytes": image["bytes"], "path": path} for image, path in zip(rows()["image"], paths, strict=True)
    ]
    table = pa.table({"image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))})
    pq.write_table(table.append_column("label", pa.array(LABELS)), tmp_path / "a.parquet")
    assert load(f"parquet:{tmp_path}/a.parquet").ids == [f"a-{row:06d}" for row in range(6)]


def test_the_split_is_put_into_the_path(tmp_path):
    write(tmp_path / "a-train.parquet", rows())
    write(tmp_path / "a-test.parquet", {name: column[:2] for name, column in rows().items()})
    source = f"parquet:{tmp_path}/a-{{split}}.parquet"
    assert (len(load(source, split="train")), len(load(source, split="test"))) == (6, 2)
    assert source_files(source, "test") == [f"{tmp_path}/a-test.parquet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04 a zip", "begins with b'PK"),
        (b"PAR1 half of it", "cut off"),
        (b"PAR1 rubbish PAR1", "damaged"),
    ],
)
def test_a_file_that_is_no_parquet_is_refused_for_what_it_is(tmp_path, content, message):
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    found = complaint(f"parquet:{path}")
    assert found.startswith(f"{path}: expected ")
    assert message in found


def test_a_parquet_file_cut_in_half_is_refused(tmp_path):
    source = write(tmp_path / "a.parquet", rows())
    path = tmp_path / "a.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut off" in complaint(source)


def test_a_parquet_file_with_damaged_pages_is_refused(tmp_path):
    source = write(tmp_path / "a.parquet", rows())
    path = tmp_path / "a.parquet"
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(content)
    assert "damaged" in complaint(source)


BAD_COLUMNS = {
    "no image": ({"label": LABELS}, "column 'image' is missing, found label"),
    "no label": ({"image": rows()["image"], "y": LABELS}, "column 'label' is missing, found image, y"),
    "image as bytes": (rows(image=[b"x"] * 6), "column 'image': expected struct<bytes"),
    "image without bytes": (rows(image=[{"path": "x"}] * 6), "column 'image': expected struct<bytes"),
    "image as text": (rows(image=[{"bytes": "x", "path": "x"}] * 6), "column 'image': expected struct<bytes"),
    "label as float": (rows(label=[0.5] * 6), "column 'label': expected whole numbers (int64), got double"),
    "label as text": (rows(label=["cat"] * 6), "column 'label': expected whole numbers (int64), got string"),
    "negative label": (
        rows(label=[0, 1, 2, -3, 1, 0]),
        "column 'label', row 3: expected 0 to 999999, got -3",
    ),
    "absent label": (
        rows(label=[0, None, 2, 2, 1, 0]),
        "column 'label', row 1: expected 0 to 999999, got nothing",
    ),
    "vast label": (
        rows(label=[0, 1, 10**12, 2, 1, 0]),
        "column 'label', row 2: expected 0 to 999999, got 10000",
    ),
    "absent image": (rows(image=[*rows()["image"][:5], None]), "column 'image', row 5: expected the bytes"),
    "no image bytes": (
        rows(image=[*rows()["image"][:4], {"bytes": None, "path": "x"}, rows()["image"][5]]),
        "column 'image', row 4: expected the bytes",
    ),
    "not an image": (
        rows(image=[*rows()["image"][:2], {"bytes": b"text", "path": "x"}, *rows()["image"][3:]]),
        "column 'image', row 2: expected an image (PNG, JPEG), got bytes of no known kind",
    ),
    "half an image": (
        rows(image=[{"bytes": png(PICTURES[0])[:50], "path": "x"}, *rows()["image"][1:]]),
        "column 'image', row 0: expected an image (PNG, JPEG), got",
    ),
    "32 bits": (
        rows(image=[{"bytes": tiff(PICTURES[0].astype(np.float32)), "path": "x"}, *rows()["image"][1:]]),
        "column 'image', row 0: expected 8 or 16 bits a channel, got mode 'F'",
    ),
    "another size": (
        rows(image=[*rows()["image"][:5], {"bytes": png(PICTURES[0][:4]), "path": "x"}]),
        "column 'image', row 5: expected 5x5 pixels as in the first image, got 5x4",
    ),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_a_bad_column_is_named_with_its_row(tmp_path, case):
    columns, message = BAD_COLUMNS[case]
    found = complaint(write(tmp_path / "a.parquet", columns))
    assert found.startswith(f"{tmp_path}/a.parquet: {message}")


def test_an_empty_table_is_refused(tmp_path):
    image = pa.array([], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    found = complaint(write(tmp_path / "a.parquet", {"image": image, "label": pa.array([], pa.int64())}))
    assert found.startswith(f"{tmp_path}/a.parquet: expected labelled images, found none")


def test_a_label_outside_the_class_names_is_named_with_its_row(tmp_path):
    found = complaint(write(tmp_path / "a.parquet", rows(), class_names='["x", "y"]'))
    assert found.startswith(f"{tmp_path}/a.parquet: column 'label', row 2: expected 0 to 1")
    assert "got 2" in found


@pytest.mark.parametrize("names", ["x, y, z", '{"x": 0}', "[0, 1, 2]", "[]"])
def test_class_names_that_are_no_list_of_strings_are_refused(tmp_path, names):
    assert "metadata 'class_names'" in complaint(write(tmp_path / "a.parquet", rows(), class_names=names))


# Embedded


@pytest.mark.parametrize(("split", "per_class"), [("train", 600), ("test", 100)])
def test_the_embedded_fashion_mnist_is_stratified_shuffled_and_whole(split, per_class):
    images = load("embedded:fashion-mnist", split=split)
    assert Counter(images.labels.tolist()) == dict.fromkeys(range(10), per_class)
    assert images.pixels.shape == (10 * per_class, 28, 28, 1)
    assert len(set(images.ids)) == 10 * per_class
    assert set(images.labels[:100].tolist()) == set(range(10))
    assert (images.class_names[0], images.class_names[9]) == ("T-shirt/top", "Ankle boot")


def test_the_embedded_metadata_tells_hugging_face_what_the_columns_are():
    (path,) = source_files("embedded:fashion-mnist", "test")
    metadata = pq.read_schema(path).metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"_type": "ClassLabel", "names": json.loads(metadata[b"class_names"])}


def test_embedded_data_that_are_not_there_are_answered_with_those_that_are():
    assert "fashion-mnist test, fashion-mnist train" in complaint("embedded:fashion-mnist", split="valid")
    assert "fashion-mnist test, fashion-mnist train" in complaint("embedded:imagenet")


# scikit-learn


def test_all_digits_are_those_of_scikit_learn_scaled_to_255():
    digits, images = load_digits(), load("sklearn:digits", split="all")
    assert abs(images.pixels[..., 0] / 255 * 16 - digits.images).max() < 16 / 255
    assert images.pixels.max() == 255
    assert images.labels.tolist() == digits.target.tolist()
    assert images.class_names == list("0123456789")


def test_images_decoded_when_asked_for_are_those_decoded_at_once(tmp_path):
    data = rows()
    path = write(tmp_path / "a.parquet", data)
    lazy = load(path, size=8, lazily=True)
    chosen = [4, 1, 4]
    assert torch.equal(lazy.tensor(chosen), load(path, size=8).tensor(chosen))
    assert torch.equal(lazy.tensor(), load(path, size=8).tensor())
    data["image"][2] = {"bytes": b"no image", "path": "x"}
    lazy = load(write(tmp_path / "b.parquet", data), size=8, lazily=True)
    assert lazy.tensor(chosen).shape == (3, 1, 8, 8)
    with pytest.raises(UserError, match="column 'image', row 2: expected an image"):
        lazy.tensor([0, 2])


def test_noise_is_uniform_and_the_same_each_time():
    images, again, other = (load("noise:uniform", split=split, size=9) for split in ("a", "a", "b"))
    assert (images.pixels == again.pixels).all()
    assert (images.pixels != other.pixels).any()
    counts = np.bincount(images.pixels.ravel(), minlength=256)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert "noise:uniform: expected a size" in complaint("noise:uniform", size=None)
    assert "expected noise:uniform" in complaint("noise:normal")


def test_the_digits_split_into_a_fifth_for_test_and_the_rest_by_class():
    parts = {split: load("sklearn:digits", split=split) for split in ("all", "train", "test")}
    assert sorted(parts["train"].ids + parts["test"].ids) == parts["all"].ids
    for label in range(10):
        whole, test = ((parts[split].labels == label).sum() for split in ("all", "test"))
        assert test == whole // 5
    assert "expected split all, train or test, got 'valid'" in complaint("sklearn:digits", split="valid")


# Folder


def folder(path: Path) -> Path:
    for index, (picture, label) in enumerate(zip(PICTURES, LABELS, strict=True)):
        file = path / "cba"[label] / "deeper" / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    (path / "a" / "notes.txt").write_text("not an image")
    return path


def test_a_folder_is_read_as_the_image_folder_of_torchvision_reads_it(tmp_path):
    from torchvision.datasets import ImageFolder

    images, expected = load(f"folder:{folder(tmp_path / 'set')}", channels=3), ImageFolder(tmp_path / "set")
    assert images.class_names == expected.classes
    assert images.labels.tolist() == expected.targets
    assert all(
        np.array_equal(pixels, picture) for pixels, (picture, _) in zip(images.pixels, expected, strict=True)
    )
    assert images.ids[0] == "a/deeper/2.png"


def test_the_split_is_put_into_the_folder(tmp_path):
    folder(tmp_path / "train")
    assert len(load(f"folder:{tmp_path}/{{split}}")) == 6
    assert complaint(f"folder:{tmp_path}/{{split}}", split="test").startswith(
        f"{tmp_path}/test: expected a folder"
    )


def test_a_tiff_a_jpeg_and_a_palette_image_are_read(tmp_path):
    (tmp_path / "a").mkdir()
    grey = Image.fromarray(np.full((8, 8), 100, dtype=np.uint8))
    grey.save(tmp_path / "a" / "1.tif")
    grey.save(tmp_path / "a" / "2.jpg", quality=95)
    grey.convert("P").save(tmp_path / "a" / "3.PNG")
    assert abs(load(f"folder:{tmp_path}").pixels.astype(int) - 100).max() <= 1


def test_a_folder_without_classes_a_class_without_images_and_a_broken_file_are_named(tmp_path):
    (tmp_path / "set").mkdir()
    assert "expected one folder a class" in complaint(f"folder:{tmp_path}/set")
    (tmp_path / "set" / "cats").mkdir()
    assert complaint(f"folder:{tmp_path}/set").startswith(f"{tmp_path}/set/cats: expected image files")
    (tmp_path / "set" / "cats" / "1.png").write_text("no image")
    (tmp_path / "set" / "cats" / "2.png").write_bytes(png(PICTURES[0])[:30])
    Image.fromarray(PICTURES[0]).save(tmp_path / "set" / "cats" / "3.png")
    said = complaint(f"folder:{tmp_path}/set")
    assert said.startswith(f"{tmp_path}/set: expected images (PNG, JPEG), but 2 files are none")
    assert "cats/1.png" in said
    assert "cats/2.png" in said


def test_what_systems_and_notebooks_leave_in_a_folder_is_passed_over(tmp_path):
    expected = load(f"folder:{folder(tmp_path / 'set')}").ids
    for name in ("a/.ipynb_checkpoints/2-checkpoint.png", "__MACOSX/a/._2.png", "a/._2.png", "b/__MACOSX/x.png",
                 ".cache/x.png", "c/.hidden/y.jpg", "Thumbs.db", "a/Thumbs.db"):  # fmt: skip
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"\0\5\x16\7")
    images = load(f"folder:{tmp_path}/set")
    assert images.ids == expected
    assert images.class_names == ["a", "b", "c"]


def test_files_that_end_in_their_middle_and_32_bits_a_pixel_are_all_named_at_once(tmp_path):
    (tmp_path / "a").mkdir()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for number, (ending, mode) in enumerate(
        [("jpg", "RGB"), ("jpg", "CMYK"), ("png", "P"), ("bmp", "RGB"), ("webp", "RGB")]
    ):
        file = tmp_path / "a" / f"{number}.{ending}"
        noise.convert(mode).save(file)
        (tmp_path / "a" / f"whole{number}.{ending}").write_bytes(file.read_bytes())
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a" / "x.tif")
    said = complaint(f"folder:{tmp_path}")
    assert "but 6 files are none" in said
    assert [f"a/{name}" in said for name in ("0.jpg", "1.jpg", "2.png", "3.bmp", "4.webp", "x.tif")] == [
        True
    ] * 6
    assert "whole" not in said
    assert "\n" not in said


def test_images_of_16_bits_are_scaled_to_8_and_cmyk_ones_are_converted(tmp_path):
    (tmp_path / "a").mkdir()
    ramp = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a" / "1.png")
    Image.fromarray(ramp).save(tmp_path / "a" / "2.tif")
    Image.fromarray((ramp >> 8).astype(np.uint8)).convert("CMYK").save(tmp_path / "a" / "3.jpg", quality=100)
    images = load(f"folder:{tmp_path}", channels=1)
    assert np.array_equal(images.pixels[0, ..., 0], ramp // 256)
    assert np.array_equal(images.pixels[1, ..., 0], ramp // 256)
    assert np.abs(images.pixels[2, ..., 0].astype(int) - ramp // 256).max() <= 8


# torchvision


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


# All sources


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("fashion-mnist", "expected one of embedded:..., parquet:..."),
        ("embedded:", "expected one of embedded:..."),
        ("http:x", "expected one of embedded:..."),
        ("sklearn:iris", "'sklearn:digits' only"),
        ("torchvision:ImageNet1B", "CIFAR10, CIFAR100"),
        ("parquet:nowhere/a.parquet", "nowhere/a.parquet: expected a Parquet file"),
        ("folder:nowhere", "nowhere: expected a folder"),
        ("embedded:nowhere", "no such embedded data"),
    ],
)
def test_a_source_that_is_unknown_or_absent_is_refused_before_and_while_loading(source, message):
    assert message in complaint(source)
    with pytest.raises(UserError) as caught:
        source_files(source, "train")
    assert message in str(caught.value)


def test_only_single_files_are_tracked_by_a_workflow(tmp_path, monkeypatch):
    assert source_files("sklearn:digits", "train") == source_files("torchvision:MNIST", "train") == []
    assert source_files(f"folder:{tmp_path}", "train") == []
    repository = Path(__file__).parents[2]
    monkeypatch.chdir(repository)
    assert source_files("embedded:fashion-mnist", "train") == ["resources/fashion-mnist/train.parquet"]
    monkeypatch.chdir(tmp_path)
    expected = repository / "resources" / "fashion-mnist" / "train.parquet"
    assert source_files("embedded:fashion-mnist", "train") == [str(expected)]


@pytest.mark.parametrize(
    ("options", "message"), [({"channels": 2}, "channels: expected 1"), ({"size": 0}, "size: ")]
)
def test_options_that_make_no_image_are_refused(options, message):
    assert complaint("sklearn:digits", **options).startswith(message)


def test_importing_the_module_and_naming_files_loads_neither_torch_nor_pyarrow():
    code = (
        "import sys; from lineage.data.source_files import source_files; "
        "source_files('embedded:fashion-mnist', 'test'); "
        "print(*{'torch', 'torchvision', 'pyarrow', 'sklearn'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.strip() == ""


# Subsets


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_a_stratified_subset_is_as_even_as_the_classes_allow(labels, data):
    count, seed = data.draw(st.integers(0, len(labels))), data.draw(st.integers(0, 9))
    chosen = stratified_subset(np.array(labels), count, seed)
    assert len(chosen) == len(set(chosen.tolist())) == count
    drawn, there = Counter(labels[index] for index in chosen), Counter(labels)
    most = max(drawn.values(), default=0)
    assert all(drawn[label] >= min(there[label], most - 1) for label in there)


def test_a_stratified_subset_depends_on_the_seed_alone_and_grows_with_the_count():
    labels = np.repeat(np.arange(5), 40)
    chosen = stratified_subset(labels, 50, 3)
    assert np.array_equal(chosen, stratified_subset(labels, 50, np.random.default_rng(3)))
    assert set(chosen) != set(stratified_subset(labels, 50, 4))
    assert set(chosen) < set(stratified_subset(labels, 73, 3))
    assert not np.array_equal(chosen, np.sort(chosen))


def test_every_image_of_a_class_has_the_same_chance_to_be_drawn():
    labels = np.repeat([0, 1], [4, 8])
    drawn = Counter(int(index) for seed in range(2000) for index in stratified_subset(labels, 4, seed))
    assert all(abs(drawn[index] - 1000) < 120 for index in range(4))
    assert all(abs(drawn[index] - 500) < 100 for index in range(4, 12))


@pytest.mark.parametrize("count", [-1, 4])
def test_a_subset_larger_than_the_set_is_refused(count):
    with pytest.raises(UserError, match="expected a subset of 0 to 3 images"):
        stratified_subset(np.array([0, 1, 1]), count, 0)


@pytest.mark.parametrize("classes", [{}, {"classes": [3, 5]}])
def test_images_are_normalised_where_the_network_says_by_what(classes):
    data = Data(source="sklearn:digits", split="test", **classes)
    network = Network(name="convnet", image_size=8, channels=3)
    numbers = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    plain, normalised = load_data(data, network), load_data(data, replace(network, **numbers))
    torch.testing.assert_close(normalised.tensor([1, 4]), normalize(plain.tensor([1, 4]), **numbers))


def test_a_probe_of_more_images_than_there_are_is_told():
    probe = Probe(data=Data(source="sklearn:digits", split="all"), images=5000)
    with pytest.raises(
        UserError, match=r"probe\.images: expected at most 1797, .* sklearn:digits, but got 5000"
    ):
        load_probe(probe, Network(name="fc", image_size=8, channels=1))
