"""Which images a model is trained on: all, some, some of each class, or a long tail. N images, C classes."""

import numpy as np

from lineage.data.images import Images, stratified_subset
from lineage.errors import UserError
from lineage.experiment.zoo import Model


def training_images(model: Model, images: Images) -> np.ndarray:
    """Indices of the images that a model's recipe asks for, drawn from its seed.

    `images` of the recipe are drawn evenly over the classes; `images_per_class` takes as many of each; neither means
    all. `imbalance` then thins the classes out, in an order of classes that is drawn from the seed as well.

    Raises:
        UserError: if the data have fewer.
    """
    recipe, source = model.recipe, model.recipe["data"]["source"]
    sizes = np.bincount(images.labels, minlength=len(images.class_names))
    count = recipe.get("images", len(images))
    if (each := recipe.get("images_per_class")) is not None:
        _require_each_class(model, "images_per_class", np.full(len(sizes), each), sizes, images.class_names)
        count = each * len(sizes)
    if count > len(images):
        raise UserError(
            f"{model.id}: images: expected at most {len(images)}, all there are in {source}, but got {count}"
        )
    chosen = stratified_subset(images.labels, count, model.seed)
    if "imbalance" not in recipe:
        return chosen
    by_rank = imbalanced_counts(**recipe["imbalance"], classes=len(sizes), most=count // len(sizes))
    wanted = np.empty_like(by_rank)
    wanted[np.random.default_rng([model.seed, 1]).permutation(len(sizes))] = by_rank
    labels = images.labels[chosen]
    there = np.bincount(labels, minlength=len(sizes))
    _require_each_class(model, "imbalance", wanted, there, images.class_names)
    of_class = [np.flatnonzero(labels == label)[:number] for label, number in enumerate(wanted)]
    return chosen[np.sort(np.concatenate(of_class))]


def imbalanced_counts(*, kind: str, ratio: float, classes: int, most: int) -> np.ndarray:
    """Images of the first, second, ... class [C]: `most` of the first, `most` / `ratio` of the last, at least 1.

    `exponential`: most · ratio^(-i / (C - 1)) (Cui et al. 2019, doi:10.1109/CVPR.2019.00949). `step`: the first half
    of the classes has `most`, the other half `most` / `ratio` (Buda et al. 2018, doi:10.1016/j.neunet.2018.07.011).
    Rounded to the nearest whole number, a half up.
    """
    place = np.arange(classes) / max(1, classes - 1)
    share = ratio ** -(place if kind == "exponential" else (place > 0.5).astype(float))
    return np.maximum(1, np.floor(most * share + 0.5)).astype(np.int64)


def _require_each_class(
    model: Model, key: str, wanted: np.ndarray, there: np.ndarray, class_names: list[str]
) -> None:
    """Raises for the first class that has fewer images than are wanted."""
    if (lacking := np.flatnonzero(there < wanted)).size:
        label = lacking[0]
        raise UserError(
            f"{model.id}: {key}: expected at least {wanted[label]} images of class {class_names[label]!r} in "
            f"{model.recipe['data']['source']}, but there are {there[label]}; ask for fewer"
        )
