"""What a source's pixels become: tensors, other sizes, channels, and images decoded only when they are asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled_pictures import LABELS, PICTURES, cell, complaint, load, rows, write
from PIL import Image
from torchvision.transforms.functional import normalize

from lineage.data.load import load_data
from lineage.errors import UserError
from lineage.types.scoring import Data, Network


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
    images = [cell(picture) for picture in (PICTURES[0], flat)]
    loaded = load(write(tmp_path / "a.parquet", {"image": images, "label": [0, 1]}), size=5)
    assert np.array_equal(loaded.pixels[0, :, :, 0], PICTURES[0])
    assert (loaded.pixels[1] == 77).all()


def test_bilinear_resizing_of_a_ramp_keeps_it_a_ramp(tmp_path):
    ramp = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))
    image = [cell(ramp, "r")]
    halved = load(write(tmp_path / "a.parquet", {"image": image, "label": [0]}), size=8).pixels[0, :, :, 0]
    steps = np.diff(halved.astype(int), axis=1)
    assert (abs(steps[:, 1:-1] - 32) <= 1).all()
    assert (np.diff(halved.astype(int), axis=0) == 0).all()


def test_colour_becomes_grey_by_luma_and_grey_becomes_three_equal_channels(tmp_path):
    red = np.zeros((2, 2, 3), dtype=np.uint8)
    red[..., 0] = 255
    source = write(tmp_path / "a.parquet", {"image": [cell(red, "r")], "label": [0]})
    assert (load(source).pixels == round(0.299 * 255)).all()
    assert load(source, channels=3).pixels[0].tolist() == red.tolist()
    grey = load(write(tmp_path / "b.parquet", rows()), channels=3).pixels
    assert np.array_equal(grey, np.repeat(PICTURES[..., None], 3, axis=3))


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


@pytest.mark.parametrize("classes", [{}, {"classes": [3, 5]}])
def test_images_are_normalised_where_the_network_says_by_what(classes):
    data = Data(source="sklearn:digits", split="test", **classes)
    network = Network(name="convnet", image_size=8, channels=3)
    numbers = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    plain, normalised = load_data(data, network), load_data(data, replace(network, **numbers))
    torch.testing.assert_close(normalised.tensor([1, 4]), normalize(plain.tensor([1, 4]), **numbers))


@pytest.mark.parametrize(
    ("options", "message"), [({"channels": 2}, "channels: expected 1"), ({"size": 0}, "size: ")]
)
def test_options_that_make_no_image_are_refused(options, message):
    assert complaint("sklearn:digits", **options).startswith(message)
