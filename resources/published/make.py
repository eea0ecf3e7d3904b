"""Writes results/reference/published.parquet: Yu & Wang, Neural Lineage, CVPR 2024, poster, Tab. 1.

ResNet18, ImageNet root; accuracy in per cent, mean and standard deviation, of finding a descendant's ancestor
among the models of the ancestor's generation. Run: python resources/published/make.py
"""

from pathlib import Path

from lineage.storage.parquet import write_table
from lineage.storage.schemas import PUBLISHED

TABLE = {
    ("G1", "l1/direct"): {"G2": (90.47, 0.84), "G3": (89.07, 1.72), "G4": (86.31, 2.47)},
    ("G1", "cka/direct"): {"G2": (75.59, 2.19), "G3": (44.44, 2.89), "G4": (38.09, 1.15)},
    ("G1", "l1/taylor"): {"G2": (98.92, 0.59), "G3": (97.02, 0.51), "G4": (96.83, 0.82)},
    ("G1", "cka/taylor"): {"G2": (77.38, 1.93), "G3": (51.59, 2.98), "G4": (51.19, 1.27)},
    ("G1", "detector"): {"G2": (99.11, 0.36), "G3": (98.81, 0.13), "G4": (97.75, 1.53)},
    ("G2", "l1/direct"): {"G3": (91.27, 1.89), "G4": (83.93, 2.67)},
    ("G2", "cka/direct"): {"G3": (65.88, 2.63), "G4": (67.86, 2.03)},
    ("G2", "l1/taylor"): {"G3": (98.41, 0.53), "G4": (95.24, 1.71)},
    ("G2", "cka/taylor"): {"G3": (75.41, 2.81), "G4": (72.03, 3.17)},
    ("G2", "detector"): {"G3": (99.61, 0.83), "G4": (98.38, 0.02)},
    ("G3", "l1/direct"): {"G4": (94.05, 1.49)},
    ("G3", "cka/direct"): {"G4": (66.67, 1.42)},
    ("G3", "l1/taylor"): {"G4": (97.02, 0.75)},
    ("G3", "cka/taylor"): {"G4": (72.03, 1.91)},
    ("G3", "detector"): {"G4": (98.41, 0.98)},
}

rows = [
    {"ancestor": ancestor, "descendant": descendant, "method": method, "mean": mean, "std": std}
    for (ancestor, method), of_descendants in TABLE.items()
    for descendant, (mean, std) in of_descendants.items()
]
target = Path(__file__).parent.parent.parent / "results" / "reference" / "published.parquet"
write_table(target, rows, PUBLISHED, ["ancestor", "descendant", "method"])
