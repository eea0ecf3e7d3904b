"""Peak memory on the device does not grow with candidates, nor with children but for what is held of each."""

import pytest
import torch

from gpu import switches
from gpu.networks import SMALL
from lineage.networks.architectures import build
from lineage.networks.backbone import Backbone, state_of
from lineage.networks.restore import Models
from lineage.progress import untracked
from lineage.similarity.pairs import block_scores
from lineage.storage.hdf5 import Features, Weights, write_features, write_weights
from lineage.types.scoring import Network, Similarity

NETWORK = SMALL["timm:resnet18"]
COUNT, FEW = 8, 2
FLAT = 1.05
"""A peak may differ by this factor: allocations come in blocks of 2 MiB."""
HELD = 1.15
"""What a block of children holds of each, over the size of its weights: its features on the probe besides."""
CONFIG = Similarity(
    similarities=(
        "l1",
        "cka",
        "weight_l2",
    ),
    approximations=(
        "direct",
        "path",
        "linear",
        "taylor",
    ),
    alphas=(0.5,),
)


@pytest.fixture(scope="module")
def scored(tmp_path_factory, device):
    """A function that scores so many children, in blocks, against so many candidates, and gives the peak in bytes."""
    if switches.IS_TINY:
        pytest.skip("the CPU keeps no account of its peak memory")
    folder, probe = tmp_path_factory.mktemp("memory"), torch.rand(64, 3, 32, 32)
    ids = [f"{kind}{number}" for kind in ("p", "c") for number in range(COUNT)]
    nets = {model: build(**NETWORK, classes=10, seed=seed).to(device) for seed, model in enumerate(ids)}
    backbone = Backbone(nets["p0"], probe.to(device))
    with torch.no_grad():
        features = [(model, backbone(state_of(net), probe.to(device))) for model, net in nets.items()]
    write_weights(folder / "weights.h5", [({"id": model}, net.state_dict()) for model, net in nets.items()])
    write_features(folder / "features.h5", [str(number) for number in range(64)], features)
    del nets, backbone, features

    def peak(children: int, candidates: int, block: int) -> int:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        for first in range(0, children, block):
            of_block = [f"c{number}" for number in range(first, min(first + block, children))]
            models = Models(
                weights=Weights([folder / "weights.h5"]), network=Network(**NETWORK), device=device
            )
            rows = block_scores(
                of_block, [f"p{number}" for number in range(candidates)], models,
                Features([folder / "features.h5"]), probe, CONFIG, tracked=untracked,
            )  # fmt: skip
            for _ in rows:
                pass
        return torch.cuda.max_memory_allocated() - before

    peak(FEW, FEW, FEW)  # what libraries allocate once
    return peak


def test_peak_memory_is_flat_in_candidates(scored, figures):
    peaks = {f"{count} candidates": scored(FEW, count, FEW) for count in (FEW, COUNT)}
    figures.add("peak memory of scoring", NETWORK["name"], peaks, "bytes", n=64)
    few, many = peaks.values()
    assert many <= FLAT * few


def test_peak_memory_is_flat_in_children_that_come_in_blocks_of_one_size(scored, figures):
    peaks = {f"{count} children in blocks of {FEW}": scored(count, FEW, FEW) for count in (FEW, COUNT)}
    figures.add("peak memory of scoring", NETWORK["name"], peaks, "bytes", n=64)
    few, many = peaks.values()
    assert many <= FLAT * few


def test_a_block_holds_no_more_of_a_child_than_its_weights_and_features(scored, figures):
    peaks = {f"{count} children in one block": scored(count, FEW, count) for count in (FEW, COUNT)}
    figures.add("peak memory of scoring", NETWORK["name"], peaks, "bytes", n=64)
    few, many = peaks.values()
    net = build(**NETWORK, classes=10, seed=0)
    weights = sum(tensor.nbytes for tensor in net.state_dict().values())
    assert many - few <= HELD * weights * (COUNT - FEW)
