"""What training a lineage detector costs: time and peak memory for 500 children of 10 parents of the `fc` network.

Run by `make bench-detector`. The models are random networks and slightly moved copies of them, since cost does not
depend on what the weights are; they are written to files first, as the workflow's are, in another process.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

from lineage.detector.episodes import load_episodes
from lineage.detector.file import LineageDetector
from lineage.detector.training import TrainingConfig, train_detector
from lineage.networks.architectures import build
from lineage.progress import tracked
from lineage.storage.hdf5 import Features, Weights, write_features, write_weights
from lineage.types.scoring import Network

LAYER, MATRIX = "layer2", "layer2.0.weight"
NETWORK = Network(name="fc", channels=1, image_size=28)
SAMPLES = 128


def parent_of(children: int, parents: int) -> dict[str, str]:
    """Each child's parent."""
    return {f"p{number % parents}.full.{number:03d}": f"p{number % parents}" for number in range(children)}


def write_zoo(folder: Path, children: int, parents: int) -> None:
    """Writes the weights that a detector looks at, and features."""
    generator = torch.Generator().manual_seed(0)
    size = {"channels": NETWORK.channels, "image_size": NETWORK.image_size}
    states = {f"p{seed}": build("fc", classes=10, seed=seed, **size).state_dict() for seed in range(parents)}
    features = {model: torch.rand(SAMPLES, 256, generator=generator) for model in states}
    parent = parent_of(children, parents)

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        return tensor + 0.5 * tensor.std() * torch.randn(tensor.shape, generator=generator)

    everyone = [({"id": name}, state) for name, state in states.items()]
    theirs = (({"id": child}, {MATRIX: moved(states[p][MATRIX])}) for child, p in parent.items())
    write_weights(folder / "parents.h5", everyone)
    write_weights(folder / "children.h5", theirs)
    ids = [str(number) for number in range(SAMPLES)]
    write_features(
        folder / "features.h5",
        ids,
        [
            *((name, {LAYER: values}) for name, values in features.items()),
            *((child, {LAYER: moved(features[p])}) for child, p in parent.items()),
        ],
    )


def train(folder: Path, children: int, parents: int, epochs: int) -> None:
    """Trains on 7 of 10 children, with the configuration's defaults."""
    parent = parent_of(children, parents)
    parts = {
        child: "test"
        if place // parents % 10 < 2
        else "validation"
        if place // parents % 10 == 2
        else "train"
        for place, child in enumerate(parent)
    }
    weights = Weights([folder / "parents.h5", folder / "children.h5"])
    candidates = [f"p{number}" for number in range(parents)]
    detector = LineageDetector(layers=[LAYER], no_parent=True)
    episodes = load_episodes(
        weights, Features([folder / "features.h5"]), [LAYER], candidates, parent, NETWORK, detector.kinds
    )
    config = TrainingConfig(epochs=epochs, patience=epochs, learning_rate=0.003, batch_size=16, seed=0)
    history = train_detector(
        detector, episodes, parts, config, torch.device("cpu"), partial(tracked, say=print)
    )
    print(f"validation accuracy {history[-1]['validation_accuracy']:.3f} after {len(history)} epochs")
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(f"peak memory {int(peak.split()[1]) * 1024 / 1e9:.2f} GB (limit 2)")


def main() -> None:
    """Prints minutes and gigabytes beside the limits; of memory on Linux alone, which keeps count of it."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--children", type=int, default=500)
    arguments.add_argument("--parents", type=int, default=10)
    arguments.add_argument("--epochs", type=int, default=60)
    arguments.add_argument("--folder", type=Path)
    arguments = arguments.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    if arguments.folder:
        train(arguments.folder, arguments.children, arguments.parents, arguments.epochs)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_zoo(Path(folder), arguments.children, arguments.parents)
        begin = time.perf_counter()
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--folder", folder], check=True)
        minutes = (time.perf_counter() - begin) / 60
    print(
        f"{arguments.children} children, {arguments.parents} parents, {arguments.epochs} epochs, 2 threads: "
        f"{minutes:.1f} min (limit 5)"
    )


if __name__ == "__main__":
    main()
