"""Masks as they are read, and networks that learn them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from labelled_pictures import cell
from PIL import Image
from plain_training import STEPS, model_of
from torch.nn.functional import cross_entropy

from lineage.data.load import load_data
from lineage.errors import UserError
from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone
from lineage.networks.restore import restored
from lineage.training.fit import trained
from lineage.types.scoring import Data, Network

NETWORK = Network(
    name="torchvision:lraspp_mobilenet_v3_large",
    task="segmentation",
    image_size=32,
    channels=3,
)
CPU = torch.device("cpu")
CHANCE = np.random.default_rng(0)
PICTURES = CHANCE.integers(0, 256, (6, 24, 32, 3), dtype=np.uint8)
MASKS = CHANCE.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (6, 24, 32))
RECIPE = STEPS | {"learning_rate": 0.05, "batch_size": 6}


def data(folder, masks=MASKS, names: bytes = b'["road", "sky", "tree"]', **columns) -> Data:
    rows = {
        "image": [cell(picture) for picture in PICTURES],
        "mask": [cell(mask) for mask in masks],
    } | columns
    table = pa.table({name: values for name, values in rows.items() if values is not None})
    pq.write_table(
        table.replace_schema_metadata({"class_names": names} if names else None), folder / "train.parquet"
    )
    return Data(
        source=f"parquet:{folder}/{{split}}.parquet",
        split="train",
        root="data",
        download=False,
    )


def test_images_and_masks_take_the_networks_size_and_unlabelled_pixels_are_left_out(tmp_path):
    images = load_data(data(tmp_path), NETWORK)
    for number, (picture, mask) in enumerate(zip(PICTURES, MASKS, strict=True)):
        resized = Image.fromarray(picture).resize((32, 32), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images.pixels[number], np.asarray(resized))
        nearest = mask[np.floor((np.arange(32) + 0.5) * 24 / 32).astype(int)]
        expected = np.where(nearest == 255, -100, nearest.astype(int))
        np.testing.assert_array_equal(images.labels_tensor([number])[0], expected)
    assert images.class_names == ["road", "sky", "tree"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mask": None}, "column 'mask' is missing, found image"),
        ({"mask": [b"png"] * 6}, "column 'mask': expected struct<bytes: binary, path: string>, got binary"),
        ({"mask": [None, *[cell(mask) for mask in MASKS[1:]]]}, "column 'mask', row 0: expected the bytes"),
        ({"names": b'{"road": 0}'}, "'class_names': expected a JSON list of strings"),
        ({"names": b""}, "'class_names'"),
        ({"names": b'["road"]'}, "below 1, or 255 for none"),
        ({"masks": MASKS[:, :5]}, r"row 0: expected grey and \(32, 24\)"),
        ({"mask": [cell(picture) for picture in PICTURES]}, "mode RGB"),
        ({"mask": [{"bytes": b"no", "path": None}] * 6}, "column 'mask', row 0: expected an image"),
    ],
)
def test_a_bad_file_is_told(tmp_path, changes, told):
    with pytest.raises(UserError, match=told) as caught:
        load_data(data(tmp_path, **changes), NETWORK)
    assert "\n" not in str(caught.value)


def test_one_step_is_that_of_the_cross_entropy_over_labelled_pixels(tmp_path):
    images = load_data(data(tmp_path), NETWORK)
    row, found = trained(model_of(RECIPE, seed=3), NETWORK, images, None, CPU)
    net = build(NETWORK.name, classes=3, channels=3, image_size=32, seed=3).train()
    masks = torch.tensor(np.stack([np.asarray(Image.fromarray(mask).resize((32, 32), 0)) for mask in MASKS]))
    logits = net(images.tensor())["out"]
    loss = cross_entropy(logits, masks.long(), ignore_index=255)
    loss.backward()
    right = (logits.argmax(1) == masks)[masks != 255].float().mean()
    assert (row["loss"], row["accuracy"]) == pytest.approx((loss.item(), right.item()), rel=1e-4)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(found[name], parameter - 0.05 * parameter.grad, rtol=1e-3, atol=1e-5)


def test_a_child_inherits_the_backbone_under_a_new_head_for_its_classes(tmp_path):
    images = load_data(data(tmp_path), NETWORK)
    _, parent = trained(model_of(RECIPE, seed=3), NETWORK, images, None, CPU)
    other = load_data(data(tmp_path, masks=np.minimum(MASKS, 1), names=b'["a", "b"]'), NETWORK)
    _, child = trained(model_of(RECIPE | {"freeze": "linear-probe"}, "p0", 3), NETWORK, other, parent, CPU)
    assert child["classifier.low_classifier.weight"].shape[0] == 2
    backbone = [name for name in parent if name.startswith("backbone.")]
    assert all(torch.equal(child[name], parent[name]) for name in backbone)
    assert len(backbone) > 100


def test_features_are_those_of_the_backbones_blocks(tmp_path):
    images = load_data(data(tmp_path), NETWORK)
    _, state = trained(model_of(RECIPE, seed=3), NETWORK, images, None, CPU)
    net = restored(NETWORK, state).eval()
    backbone = Backbone(net, images.tensor())
    assert backbone.layers == tuple(f"backbone.{number}" for number in range(17))
    assert all(name.startswith("classifier.") for name in backbone.left_out)
    with torch.no_grad():
        found = backbone(state, images.tensor())
        expected = net.backbone(images.tensor())
    torch.testing.assert_close(found["backbone.16"], expected["high"].mean((2, 3)))
