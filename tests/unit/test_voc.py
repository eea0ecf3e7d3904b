"""PASCAL VOC, fetched from a server that stands in for its own, and what is made of it."""

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from remote import served
from torchvision.datasets import voc

from lineage.data.load import load_data
from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.networks.backbone import Backbone
from lineage.networks.restore import restored
from lineage.training.fit import trained
from lineage.types.recipe import Recipe
from lineage.types.scoring import Data, Network

SEGMENTATION = Network(
    name="torchvision:lraspp_mobilenet_v3_large",
    task="segmentation",
    image_size=24,
    channels=3,
)
DETECTION = replace(SEGMENTATION, name="torchvision:fasterrcnn_mobilenet_v3_large_320_fpn", task="detection")
CHANCE = np.random.default_rng(0)
PICTURES = CHANCE.integers(0, 256, (3, 24, 48, 3), dtype=np.uint8)
MASKS = CHANCE.choice(np.array([0, 1, 20, 255], dtype=np.uint8), (3, 24, 48))
OBJECT = """<object><name>{}</name><bndbox><xmax>{}</xmax><xmin>{}</xmin><ymax>{}</ymax><ymin>{}</ymin></bndbox>
<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>"""
BOXES = {0: [("dog", 48, 25, 24, 13)], 1: [("aeroplane", 12, 1, 12, 1), ("tvmonitor", 48, 1, 24, 1)]}
NAMES = ["2007_000001", "2007_000002", "2007_000003"]


def write_voc(folder: Path) -> None:
    """Two images in the split `train`, the third in `val`."""
    for place in (
        "JPEGImages",
        "SegmentationClass",
        "Annotations",
        "ImageSets/Main",
        "ImageSets/Segmentation",
    ):
        (folder / place).mkdir(parents=True)
    for kind in ("Main", "Segmentation"):
        (folder / "ImageSets" / kind / "train.txt").write_text("\n".join(NAMES[:2]) + "\n")
        (folder / "ImageSets" / kind / "val.txt").write_text(NAMES[2] + "\n")
    for number, name in enumerate(NAMES):
        Image.fromarray(PICTURES[number]).save(folder / "JPEGImages" / f"{name}.jpg", quality=100)
        mask = Image.fromarray(MASKS[number], mode="P")
        mask.putpalette(CHANCE.integers(0, 256, 768, dtype=np.uint8).tobytes())
        mask.save(folder / "SegmentationClass" / f"{name}.png")
        objects = "".join(OBJECT.format(*one) for one in BOXES.get(number, BOXES[0]))
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{objects}</annotation>")


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A server of VOC's archive; what it was asked for is of no interest once it is down."""
    source = tmp_path / "remote"
    write_voc(source / "VOCdevkit" / "VOC2012")
    archive = source / "VOCtrainval_11-May-2012.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(source / "VOCdevkit", "VOCdevkit")
    with served(source) as address:
        facts = voc.DATASET_YEAR_DICT["2012"] | {
            "url": f"{address}/{archive.name}",
            "md5": hashlib.md5(archive.read_bytes()).hexdigest(),
        }
        monkeypatch.setitem(voc.DATASET_YEAR_DICT, "2012", facts)
        yield tmp_path / "data"


def data(root: Path, name: str, split: str = "train", download: bool = True) -> Data:
    return Data(source=f"torchvision:{name}", split=split, root=str(root), download=download)


def test_masks_are_fetched_once_and_hold_the_palettes_numbers(remote):
    images = load_data(data(remote, "VOCSegmentation"), SEGMENTATION)
    columns = np.floor((np.arange(24) + 0.5) * 2).astype(int)
    expected = MASKS[:2][:, :, columns]
    np.testing.assert_array_equal(images.masks, expected)
    assert images.labels_tensor()[0][torch.tensor(expected[0] == 255)].unique().tolist() == [-100]
    assert (images.class_names[1], images.class_names[20]) == ("aeroplane", "tvmonitor")
    stored = remote / "VOCdevkit" / "VOC2012" / "JPEGImages" / f"{NAMES[0]}.jpg"
    resized = Image.open(stored).resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(images.pixels[0], np.asarray(resized))
    (remote / "VOCtrainval_11-May-2012.tar").unlink()
    again = load_data(data(remote, "VOCSegmentation", "test"), SEGMENTATION)
    np.testing.assert_array_equal(again.masks, MASKS[2:][:, :, columns])
    assert not (remote / "VOCtrainval_11-May-2012.tar").exists()


def test_boxes_are_counted_from_0_and_hold_their_last_pixel(remote):
    images = load_data(data(remote, "VOCDetection"), DETECTION)
    assert images.boxes.tolist() == [
        [[11, 12, 12, 24, 24], [-1] * 5],
        [[0, 0, 0, 6, 12], [19, 0, 0, 24, 24]],
    ]
    assert (images.class_names[11], images.class_names[19]) == ("dog", "tvmonitor")


def test_data_that_are_not_there_are_told(tmp_path):
    for name, network in (("VOCSegmentation", SEGMENTATION), ("VOCDetection", DETECTION)):
        with pytest.raises(UserError, match=rf"torchvision:{name}, split 'train'.*set download: true"):
            load_data(data(tmp_path, name, download=False), network)


def test_a_faster_rcnn_learns_boxes_and_gives_its_backbones_features(remote):
    images = load_data(data(remote, "VOCDetection"), DETECTION)
    recipe = {
        "data": data(remote, "VOCDetection"),
        "learning_rate": 0.001,
        "batch_size": 2,
        "momentum": 0,
        "weight_decay": 0,
        "epochs": 1,
    }
    root = Model(
        id="p0", setting="roots", parent=None, index=0, generation=1, seed=3, recipe=Recipe(**recipe)
    )
    row, state = trained(root, DETECTION, images, None, torch.device("cpu"))
    assert np.isfinite(row["loss"])
    frozen = Model(
        id="p0.full.000", setting="full", parent="p0", index=0, generation=2, seed=4,
        recipe=Recipe(**recipe, freeze="linear-probe"),
    )  # fmt: skip
    _, child = trained(frozen, DETECTION, images, state, torch.device("cpu"))
    assert {name.partition(".")[0] for name in child} == {"backbone", "rpn", "roi_heads"}
    assert all(torch.equal(child[name], state[name]) for name in state if name.startswith("backbone."))
    layers = ["backbone.body.6", "backbone.body.16"]
    backbone = Backbone(restored(DETECTION, child).eval(), images.tensor(), layers=layers)
    features = backbone(child, images.tensor())
    assert [len(features[layer]) for layer in layers] == [2, 2]
