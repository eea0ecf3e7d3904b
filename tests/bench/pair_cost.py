"""What a pair costs, relative to one plain forward pass of the backbone on the same probe; and peak memory.

Run by `make bench`; writes results/reference/bench.parquet and docs/bench.md. Everything is timed in one run, on
one CPU thread, as the median of several repeats, so only ratios are reported.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import torch
from torch import Tensor

from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import Line
from lineage.similarity.measures import SIMILARITIES
from lineage.similarity.pairs import pair_scores, stacked
from lineage.storage.atomic import written_whole
from lineage.storage.parquet import write_table
from lineage.types.scoring import Similarity

BENCH = pa.schema(
    [
        ("network", pa.string()),
        ("n", pa.int32()),
        ("what", pa.string()),
        ("ratio", pa.float64()),
        ("limit", pa.float64()),
    ]
)
SETUPS = {
    "fc, layer2": {"name": "fc", "channels": 1, "image_size": 28, "n": 1024, "layers": ["layer2"]},
    "timm:resnet18, every stage": {"name": "timm:resnet18", "channels": 3, "image_size": 64, "n": 64, "layers": None},
    "timm:vit_tiny, every stage": {
        "name": "timm:vit_tiny_patch16_224", "channels": 3, "image_size": 64, "n": 64, "layers": None,
    },
}  # fmt: skip
CHEAP = ("l1", "l2", "lp", "linf", "lse", "cosine", "cka")
PAPER = ("l1", "l2", "lp", "lse", "cka", "dc")
"""The paper's six similarities with an approximation."""
LIMITS = {
    ("fc, layer2", "path, norms + cosine + cka"): 1.3,
    ("fc, layer2", "path, all similarities"): 2.5,
    ("timm:resnet18, every stage", "path, all similarities"): 1.3,
    ("timm:vit_tiny, every stage", "path, all similarities"): 1.3,
    ("fc, layer2", "linear + taylor, all similarities"): 3.5,
    ("timm:resnet18, every stage", "linear + taylor, all similarities"): 3.5,
    ("timm:vit_tiny, every stage", "linear + taylor, all similarities"): 3.5,
}


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of a piece of work, after one run to warm up; what it leaves to a GPU is waited for."""
    work()
    times = []
    for _ in range(repeats):
        wait_for_gpu()
        begin = time.perf_counter()
        work()
        wait_for_gpu()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def wait_for_gpu() -> None:
    """Waits until a GPU has done all that it was given, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def papers_way(
    backbone: Backbone, theta_p: dict, delta: dict, probe: Tensor, child: dict, layer: str
) -> list[float]:
    """Taylor scores as the paper describes them: a forward and a backward pass through the network a metric."""
    scores = []
    for name in PAPER:
        moving = {key: theta_p[key].clone().requires_grad_() for key in delta}
        score = SIMILARITIES[name](backbone(theta_p | moving, probe)[layer], child[layer])
        gradients = torch.autograd.grad(score, list(moving.values()), allow_unused=True)
        step = sum((g * delta[key]).sum() for key, g in zip(moving, gradients, strict=True) if g is not None)
        scores.append((score + 0.5 * step).item())
    return scores


class Costs:
    """What a pair of networks of random weights costs, on a random probe.

    Args:
        setup: the network's name, channels and image_size, n inputs of the probe, and layers.
        device: where to compute.
    """

    def __init__(self, setup: dict, device: str | torch.device = "cpu"):
        size = {key: setup[key] for key in ("channels", "image_size")}
        nets = (build(setup["name"], classes=10, seed=seed, **size) for seed in (0, 1))
        parent, other = (net.to(device) for net in nets)
        self.probe = torch.rand(setup["n"], size["channels"], size["image_size"], size["image_size"]).to(
            device
        )
        self.backbone = Backbone(parent, self.probe, layers=setup["layers"])
        self.theta_p, self.theta_c = state_of(parent), state_of(other)
        self.line = Line.between(self.backbone, self.theta_p, self.theta_c)
        with torch.no_grad():
            self._parent = stacked(self.backbone(self.theta_p, self.probe))
            self.child_features = self.backbone(self.theta_c, self.probe)
        self._child = stacked(self.child_features)

    @torch.no_grad()
    def forward(self, repeats: int) -> float:
        """Seconds of a plain forward pass."""
        return median_seconds(lambda: self.backbone(self.theta_p, self.probe), repeats)

    def pair(self, names: tuple, approximations: tuple, repeats: int) -> float:
        """Seconds of scoring the pair at one alpha."""
        config = Similarity(similarities=names, approximations=approximations, alphas=(0.5,))
        return median_seconds(
            lambda: list(pair_scores(self.line, self.probe, self._child, config, self._parent)), repeats
        )


def ratios(network: str, setup: dict, repeats: int) -> Iterator[dict]:
    """Rows of BENCH of one network."""
    costs = Costs(setup)
    forward, pair = costs.forward(repeats), partial(costs.pair, repeats=repeats)
    every = tuple(SIMILARITIES)
    paper = median_seconds(
        lambda: papers_way(
            costs.backbone,
            costs.theta_p,
            costs.line.delta,
            costs.probe,
            costs.child_features,
            costs.backbone.layers[-1],
        ),
        max(1, repeats // 3),
    )
    six = pair(PAPER, ("taylor",))
    relative = {
        "path, norms + cosine + cka": pair(CHEAP, ("path",)) / forward,
        "path, all similarities": pair(every, ("path",)) / forward,
        "linear + taylor, all similarities": pair(every, ("linear", "taylor")) / forward,
        "taylor, the paper's six similarities": six / forward,
        "the paper's way: a backward pass for each of six": paper / forward,
        "the paper's way relative to ours": paper / six,
    }
    for what, ratio in relative.items():
        limit = LIMITS.get((network, what))
        yield {"network": network, "n": setup["n"], "what": what, "ratio": ratio, "limit": limit}


def peak_bytes(children: int) -> int:
    """Peak memory of a process of its own that scores that many fc children, read as they come."""
    run = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(children)], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


def score_children(children: int) -> int:
    """Scores children one by one against one candidate; returns the peak memory of this process in bytes."""
    import resource

    size = {"classes": 10, "channels": 1, "image_size": 28}
    parent = build("fc", seed=0, **size)
    probe = torch.rand(64, 1, 28, 28)
    backbone = Backbone(parent, probe)
    theta_p = state_of(parent)
    config = Similarity(similarities=("l1", "cka"), approximations=("path",), alphas=(0.5,))
    for seed in range(children):
        theta_c = state_of(build("fc", seed=seed + 1, **size))
        with torch.no_grad():
            child = stacked(backbone(theta_c, probe))
        list(pair_scores(Line.between(backbone, theta_p, theta_c), probe, child, config))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Writes the table."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--memory-of", type=int)
    arguments.add_argument("--repeats", type=int, default=9)
    arguments = arguments.parse_args()
    torch.set_num_threads(1)
    if arguments.memory_of:
        print(score_children(arguments.memory_of))
        return
    rows = []
    for network, setup in SETUPS.items():
        print(f"bench: {network}", file=sys.stderr, flush=True)
        rows += ratios(network, setup, arguments.repeats)
    peaks = {children: peak_bytes(children) for children in (10, 100, 1000)}
    for children in (100, 1000):
        rows.append({"network": "fc", "n": 64, "what": f"peak memory at {children} children over 10",
                     "ratio": peaks[children] / peaks[10], "limit": 1.2 if children == 1000 else None})  # fmt: skip
    root = Path(__file__).parent.parent.parent
    write_table(root / "results" / "reference" / "bench.parquet", rows, BENCH, ["network", "what"])
    shown = pd.DataFrame(rows).round(2).astype({"ratio": str}).astype(object)
    shown["limit"] = shown["limit"].map(lambda limit: "" if pd.isna(limit) else f"<= {limit}")
    about = (
        f"CPU, one thread, torch {torch.__version__}, {psutil.cpu_count()} cores; medians of {arguments.repeats}; "
        "made by `make bench`."
    )
    text = "\n".join([
        "# What a pair costs", "",
        "Relative to one plain forward pass of the backbone on the same probe of n inputs; `path` at one alpha.",
        about, "", shown.to_markdown(index=False, disable_numparse=True), "",
        "What the same bytes on every processor cost stands in [processors.md](processors.md).", "",
    ])  # fmt: skip
    with written_whole(root / "docs" / "bench.md") as part:
        part.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
