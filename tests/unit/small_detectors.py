"""Small lineage detectors, and images of candidates and children for them."""

import torch
from torch import Tensor

from lineage.detector.file import LineageDetector
from lineage.detector.training import TrainingConfig

CPU = torch.device("cpu")
CANDIDATES = [f"p{number}" for number in range(4)]
CONFIG = TrainingConfig(epochs=12, patience=12, learning_rate=0.01, batch_size=8, seed=0)
KINDS = ("weights", "features")


def detector(number: int = 1, *, seed: int = 0, **options) -> LineageDetector:
    torch.manual_seed(seed)
    return LineageDetector(**{"layers": list(map(str, range(number))), "width": 8, "crop": 8} | options)


def images(*shapes: tuple[int, int], B: int = 2, P: int = 3, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, P, 2, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
