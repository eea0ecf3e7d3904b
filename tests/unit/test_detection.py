"""Boxes as they are read, and a detector that learns them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from labelled_pictures import cell
from plain_training import STEPS, model_of

from lineage.data.load import load_data
from lineage.errors import UserError
from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone
from lineage.networks.restore import restored
from lineage.training.fit import trained
from lineage.types.scoring import Data, Network

NETWORK = Network(
    name="torchvision:ssdlite320_mobilenet_v3_large",
    task="detection",
    image_size=32,
    channels=3,
)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 24, 48, 3), dtype=np.uint8)
OBJECTS = [
    {"bbox": [[0.0, 0.0, 24.0, 12.0], [12.0, 6.0, 48.0, 24.0]], "category": [0, 1]},
    {"bbox": [], "category": []},
    {"bbox": [[3.0, 3.0, 9.0, 9.0]], "category": [1]},
]
LAYERS = ["backbone.features.0.4", "backbone.features.1"]
RECIPE = STEPS | {"learning_rate": 0.01, "batch_size": 3}


def data(folder, objects: list[dict] = OBJECTS, names: bytes = b'["cell", "dot"]') -> Data:
    table = pa.table({"image": [cell(picture) for picture in PICTURES], "objects": objects})
    pq.write_table(table.replace_schema_metadata({"class_names": names}), folder / "train.parquet")
    return Data(source=f"parquet:{folder}/{{split}}.parquet")


def test_boxes_are_stretched_with_their_images(tmp_path):
    boxes = load_data(data(tmp_path), NETWORK).labels_tensor().tolist()
    assert boxes[0] == [[0, 0, 0, 16, 16], [1, 8, 8, 32, 32]]
    assert boxes[1] == [[-1] * 5] * 2
    assert boxes[2] == [[1, 2, 4, 6, 12], [-1] * 5]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        ({"bbox": [[3.0, 3.0, 3.0, 9.0]], "category": [1]}, "row 2: expected x1 < x2"),
        ({"bbox": [[3.0, 3.0, 5.0, 9.0]], "category": [2]}, "row 2: expected categories below 2, but got 2"),
        ({"bbox": [[3.0, 3.0, 5.0, 9.0]], "category": [1, 1]}, "row 2: expected as many categories as boxes"),
        ({"bbox": [[3.0, 3.0, 5.0]], "category": [1]}, "row 2: expected x1, y1, x2 and y2 of a box"),
        ({"bbox": [[3.0, None, 5.0, 9.0]], "category": [1]}, "row 2: expected x1, y1, x2 and y2 of a box"),
        (None, "row 2: expected as many categories as boxes, but got None"),
    ],
)
def test_a_bad_box_is_told(tmp_path, one, told):
    with pytest.raises(UserError, match=told):
        load_data(data(tmp_path, [*OBJECTS[:2], one]), NETWORK)


@pytest.mark.parametrize(
    "one",
    [{"bbox": [[3.0, 3.0, 5.0, 9.0]], "category": ["dot"]}, {"bbox": [3.0], "category": [1]}, {"box": 1}],
)
def test_objects_of_another_type_are_refused_before_any_image_is_read(tmp_path, one):
    with pytest.raises(
        UserError, match="column 'objects': expected struct<bbox: list<list<float>>, category"
    ):
        load_data(data(tmp_path, [one] * 3), NETWORK)


def test_boxes_in_whole_pixels_are_read_as_well(tmp_path):
    whole = [{"bbox": [[0, 0, 20, 16]], "category": [1]}] * 3
    fractional = [{"bbox": [[0.0, 0.0, 20.0, 16.0]], "category": [1]}] * 3
    boxes = [load_data(data(tmp_path, objects), NETWORK).boxes for objects in (whole, fractional)]
    np.testing.assert_array_equal(*boxes)


def test_a_step_a_childs_new_head_and_the_backbones_features(tmp_path):
    images = load_data(data(tmp_path), NETWORK)
    row, found = trained(model_of(RECIPE, seed=3), NETWORK, images, None, torch.device("cpu"))
    net = build(NETWORK.name, classes=2, channels=3, image_size=32, seed=3).train()
    targets = [
        {"boxes": torch.tensor([[0.0, 0, 16, 16], [8, 8, 32, 32]]), "labels": torch.tensor([1, 2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)},
        {"boxes": torch.tensor([[2.0, 4, 6, 12]]), "labels": torch.tensor([2])},
    ]
    loss = sum(net(list(images.tensor()), targets).values())
    loss.backward()
    assert row["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert np.isnan(row["accuracy"])
    moved = {name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad.any()}
    assert {name.split(".")[0] for name in moved} == {"backbone", "head"}
    for name, slope in moved.items():
        step = 0.01 * slope
        torch.testing.assert_close(found[name], net.get_parameter(name) - step, rtol=1e-3, atol=1e-5)

    other = load_data(data(tmp_path, names=b'["cell", "dot", "ring"]'), NETWORK)
    frozen = model_of(RECIPE | {"freeze": "linear-probe"}, "p0", 3)
    _, child = trained(frozen, NETWORK, other, found, torch.device("cpu"))
    assert all(torch.equal(child[name], found[name]) for name in found if name.startswith("backbone."))
    again = restored(NETWORK, child).eval()
    backbone = Backbone(again, images.tensor(), layers=LAYERS)
    features = backbone(child, images.tensor())
    assert {name: values.shape[0] for name, values in features.items()} == dict.fromkeys(LAYERS, 3)
    assert not any(name.startswith("head.") for name in backbone.parameter_names)
