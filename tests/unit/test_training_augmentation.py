"""Images changed at random: what each change may do, and that workers change nothing in it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from lineage.data.images import Images
from lineage.experiment.zoo import Model
from lineage.networks.architectures import build
from lineage.training.augmentation import transform_of
from lineage.training.batches import Batches
from lineage.training.fit import fit, trained
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network

SCHEMA = yaml.safe_load(
    (Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.yaml").read_text()
)
NAMES = SCHEMA["$defs"]["augmentation"]["items"]["enum"]
RECIPE = {"data": {"source": "parquet:toy.parquet"}, "learning_rate": 0.05, "epochs": 2, "batch_size": 8}
CPU = torch.device("cpu")


def pictures(count: int = 20, channels: int = 3, size: int = 16) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, size, size), generator=draw).div(255)


def shown(names: list[str], pixels: Tensor, seed: int = 0, workers: int | None = None, epochs: int = 1, **of):
    """Every image as it is shown in each epoch, in the order of its number."""
    recipe = Recipe.of(RECIPE | ({"workers": workers} if workers else {}))
    numbers = torch.arange(len(pixels))
    batches = Batches(pixels, numbers, recipe, seed, CPU, transform_of(names, pixels.shape[-1], **of))
    found = []
    for epoch in range(epochs):
        parts = list(batches.of_epoch(epoch))
        order = torch.cat([part.labels for part in parts]).argsort()
        found.append(torch.cat([part.pixels for part in parts])[order])
    return torch.stack(found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_augmentation_of_the_schema_gives_other_images_of_the_same_form(name, channels):
    pixels = pictures(channels=channels)
    found = shown([name], pixels)[0]
    assert (found.shape, found.dtype) == (pixels.shape, torch.float32)
    assert not torch.equal(found, pixels)
    assert 0 <= found.min() < found.max() <= 1
    if name != "erasing":
        torch.testing.assert_close(found * 255, (found * 255).round(), rtol=0, atol=1e-4)


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others_bit_for_bit():
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    pixels = pictures(100)
    normal = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    found = shown(["flip"], normal, mean=mean, std=std)[0]
    are_same = [torch.equal(*pair) for pair in zip(found, normal, strict=True)]
    are_mirrored = [torch.equal(*pair) for pair in zip(found, normal.flip(-1), strict=True)]
    assert all(a != b for a, b in zip(are_same, are_mirrored, strict=True))
    assert 30 < sum(are_same) < 70


def test_a_crop_shifts_each_image_by_at_most_an_eighth_and_not_all_alike():
    pixels = pictures(40)
    shifts = set()
    for image, found in zip(pixels, shown(["crop"], pixels)[0], strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (2, 2), (2, 2)))
        places = [(row, column) for row in range(5) for column in range(5)]
        fits = [(r, c) for r, c in places if np.array_equal(padded[:, r : r + 16, c : c + 16], found.numpy())]
        assert len(fits) == 1
        shifts.add(fits[0])
    assert len(shifts) > 10


def test_erasing_comes_after_normalising_and_sets_a_part_of_some_images_to_the_mean():
    pixels = pictures(40)
    normal = (pixels - 0.5) / 0.25  # 0 is no byte's value
    found = shown(["erasing"], normal, mean=[0.5] * 3, std=[0.25] * 3)[0]
    erased = found == 0
    assert torch.equal(found[~erased], normal[~erased])
    assert 8 < erased.flatten(1).any(1).sum() < 32


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_for_images_change_none_of_them(workers):
    names = ["crop", "flip", "rand-augment", "erasing"]
    alone = shown(names, pictures(), epochs=2)
    assert torch.equal(shown(names, pictures(), workers=workers, epochs=2), alone)
    assert not torch.equal(alone[0], alone[1])
    assert not torch.equal(shown(names, pictures(), seed=1), alone[:1])


def test_the_order_of_images_is_that_of_a_training_without_augmentation():
    recipe, numbers = Recipe.of(RECIPE), torch.arange(20)
    plain, changed = (
        [batch.labels.tolist() for batch in Batches(pictures(), numbers, recipe, 5, CPU, way).of_epoch(0)]
        for way in (None, transform_of(["flip"], 16))
    )
    assert plain == changed


def test_a_child_is_trained_on_changed_images_from_its_seed_alone():
    images = Images(
        pixels=np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype(np.uint8),
        labels=np.arange(24) % 3,
        ids=[f"i{number}" for number in range(24)],
        class_names=["a", "b", "c"],
        mean=[0.5, 0.5, 0.5],
        std=[0.2, 0.2, 0.2],
    )
    network = Network(name="fc", image_size=8, channels=3)
    early = {"early_stopping": {"patience": 1, "share": 0.25}}
    states = []
    for keys in ({}, {"augmentation": ["flip"]}, {"augmentation": ["flip"], "dropout": 0.5}):
        recipe = Recipe.of(RECIPE | early | keys)
        root = Model(id="p0", setting="roots", index=0, generation=1, seed=3, recipe=recipe)
        runs = [trained(root, network, images, None, CPU)[1] for _ in range(2)]
        assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
        states.append(runs[0]["layer1.0.weight"])
    assert not torch.equal(states[0], states[1])
    assert not torch.equal(states[1], states[2])


def test_a_recipe_that_names_augmentations_is_not_trained_without_them():
    net = build("fc", classes=3, channels=3, image_size=16, seed=0)
    with pytest.raises(ValueError, match="augmentation"):
        fit(net, pictures(), torch.arange(20) % 3, Recipe.of(RECIPE | {"augmentation": ["flip"]}), 0)
