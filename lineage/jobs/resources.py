"""What a job asks a scheduler for: memory and minutes, from its networks and images.

Upper bounds for one core of an ordinary CPU. A job that still needs more is tried again with twice as much, and
`make resources` compares what was asked for with what was used.
Imported at every parse of the Snakefile, so nothing heavy is imported here.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lineage.errors import UserError
from lineage.types.recipe import Recipe
from lineage.types.scoring import Network, Probe, Similarity

BASE_MB = 1500
"""An interpreter with torch, torchvision and timm (0.85 GB measured), and Snakemake's own two (0.3 GB)."""
BYTES = 4
"""Of a parameter, a pixel's value, a feature: float32."""
NUMBERS_A_PIXEL = 500
"""Activations and their gradients: ResNet50 at 224 pixels keeps about 25 million numbers an image."""
PIXELS_A_USE = 256
"""A parameter works once for so many pixels: ViT-B/16 has 196 patches of 16 x 16, ResNet50 is much the same."""
MULTIPLICATIONS_A_SECOND = {"cpu": 1e10, "gpu": 1e12}
"""Of one core, and of a GPU at a tenth of what it could."""
START_SECONDS, SECONDS_A_PAIR = 60, 0.5
PAIRS_AT_ONCE = 100
"""Crops of so many pairs go through a detector while one pair is scored."""
MARGIN, LEAST_MINUTES = 2, 10
UNKNOWN_PARAMETERS = 100_000_000
"""A root's size is known once it is trained; ViT-B has 86 million."""
MIXED_ENTRIES = 2**18
"""Of a layer of each model, held at once by the detector of mixed candidates."""
IMAGES = {"sklearn:digits": 1797, "embedded:fashion-mnist": 6000}
UNKNOWN_IMAGES = 60_000
"""Of another source, where a recipe uses all there are; MNIST and CIFAR-10 have so many."""
ROW_BYTES = 1000
"""Of a row of scores in memory, most of it text, while rows are sorted and grouped."""
UNKNOWN_BLOCKS = 20
"""Stages of a network where no layers are named; those of timm's ViT-B are 14."""
STORED_ROW_BYTES = 5
"""Of such a row in a Parquet file, at least."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a job computes, all its models together."""

    parameters: int = 0
    """Of one network."""
    networks: int = 0
    """Networks, or their gradients, held at once."""
    pixels: int = 0
    """Of an image, height x width."""
    values: int = 0
    """Of all images held at once: pixels x channels x images."""
    at_once: int = 0
    """Images of one pass."""
    passes: int = 0
    """Images through a network; forward and backward count three."""
    pairs: int = 0
    """Children x candidates that are compared."""
    rows: int = 0
    """Of the tables held."""


def requested(work: Work, attempt: int = 1, *, device: str = "cpu") -> dict[str, int]:
    """Megabytes of memory (`mem_mb`) and minutes (`runtime`) to ask for; each attempt doubles both.

    Args:
        work: of the job.
        attempt: 1 for the first.
        device: `cpu` or `gpu`; it changes the minutes.
    """
    numbers = work.parameters * work.networks + 2 * work.values + work.at_once * work.pixels * NUMBERS_A_PIXEL
    multiplications = work.passes * work.parameters * max(1, work.pixels / PIXELS_A_USE)
    computing = multiplications / MULTIPLICATIONS_A_SECOND[device] + work.pairs * SECONDS_A_PAIR
    seconds = START_SECONDS + computing
    doubled = 2 ** (attempt - 1)
    return {
        "mem_mb": doubled * math.ceil(BASE_MB + (numbers * BYTES + work.rows * ROW_BYTES) / 1e6),
        "runtime": doubled * max(LEAST_MINUTES, math.ceil(MARGIN * seconds / 60)),
    }


def check_cores(threads: int, cores: int | None) -> None:
    """Raises a UserError if a run on this machine has fewer cores than each job has threads; None: no bound."""
    if cores and cores < threads:
        raise UserError(
            f"threads: {threads} in the configuration, but this run has {cores} cores; "
            "give more --cores or set threads lower"
        )


def parameters_in(weights: str | Path, models: int = 1) -> int:
    """Parameters of one network, by the size of a file of weights; raises FileNotFoundError if there is none."""
    return Path(weights).stat().st_size // BYTES // models


def _of_images(network: Network, images: int) -> dict[str, int]:
    pixels = network.image_size**2
    return {"pixels": pixels, "values": images * pixels * network.channels}


def root_parameters(network: Network) -> int:
    """Parameters of a network that is not trained yet: those of `fc`, up to ten classes, or the most expected."""
    if network.name != "fc":
        return UNKNOWN_PARAMETERS
    return network.channels * network.image_size**2 * 1024 + 300_000


def training(network: Network, recipes: Iterable[Recipe], parameters: int) -> Work:
    """Work of training models one after another.

    Args:
        network: the experiment's network; its images' size.
        recipes: of the models.
        parameters: of one network.
    """
    recipes = list(recipes)
    with_adam = any(recipe.optimizer in ("adam", "adamw") for recipe in recipes)
    counts = [recipe.images or IMAGES.get(recipe.data.source, UNKNOWN_IMAGES) for recipe in recipes]
    return Work(
        parameters=parameters,
        networks=5 + with_adam,  # the parent, the weights, their gradients, one mean or two, a copy to write
        **_of_images(network, max(counts)),
        at_once=max(recipe.batch_size for recipe in recipes),
        passes=3 * sum(recipe.epochs * count for recipe, count in zip(recipes, counts, strict=True)),
    )


def reading(network: Network, probe: Probe) -> Work:
    """Work of reading the inputs of the probe."""
    return Work(**_of_images(network, probe.images))


def extraction(network: Network, probe: Probe, parameters: int, models: int) -> Work:
    """Work of extracting the features of models on a probe, one network after another."""
    return Work(
        parameters=parameters,
        networks=3,
        **_of_images(network, probe.images),
        at_once=probe.images,
        passes=models * probe.images,
    )


def scoring(
    network: Network, probe: Probe, similarity: Similarity, parameters: int, children: int, candidates: int
) -> Work:
    """Work of scoring a block of children, which are all held, against candidates one by one."""
    on_path = sum(alpha < 1 for alpha in similarity.alphas) * ("path" in similarity.approximations)
    derived = 3 * bool({"linear", "taylor"} & set(similarity.approximations))
    pairs = children * candidates
    return Work(
        parameters=parameters,
        networks=children + 4,  # the candidate, the difference, a point on the path, a derivative
        **_of_images(network, probe.images),
        at_once=probe.images,
        passes=pairs * probe.images * (on_path + derived),
        pairs=pairs,
    )


def tracing(
    network: Network, probe: Probe, similarity: Similarity, parameters: int, children: int, candidates: int
) -> Work:
    """Work of scoring the blocks of hybrid children one by one; the arguments are those of `scoring`."""
    of_child = scoring(network, probe, similarity, parameters, 1, candidates)
    blocks = children * (len(similarity.layers) if similarity.layers else UNKNOWN_BLOCKS)
    direct = candidates * probe.images
    return replace(of_child, passes=blocks * (of_child.passes + direct), pairs=blocks * of_child.pairs)


def detection(epochs: int, parameters: int, children: int, candidates: int) -> Work:
    """Work of training a detector: crops of each pair, read as needed, go through it once an epoch."""
    return Work(
        parameters=parameters,
        networks=3,  # one is built to see its layers, one read to see its shapes, one matrix at a time to scale by
        pairs=epochs * children * candidates // PAIRS_AT_ONCE,
    )


def mixed_detection(parameters: int, models: int) -> Work:
    """Work of training the detector of mixed candidates: a part of each model's matrices stands in memory."""
    return Work(parameters=parameters, networks=3, values=models * MIXED_ENTRIES, pairs=models)


def evaluation(scores: Iterable[str | Path]) -> Work:
    """Work of reading all scores; raises FileNotFoundError if there are none yet."""
    return Work(rows=sum(Path(path).stat().st_size for path in scores) // STORED_ROW_BYTES)
