"""What the environment says of a run of these tests; tests/gpu/README.md lists the variables."""

import os
import time
from importlib.util import find_spec
from pathlib import Path

import torch

NEEDED = ("h5py", "jsonschema", "pandas", "psutil", "pyarrow", "scipy", "sklearn", "timm", "torchvision")
"""What is imported besides PyTorch."""
DEVICE = os.environ.get("LINEAGE_GPU_DEVICE", "cuda")
"""`cuda`; or `cpu`, which tries the same code at a tiny scale and writes no figures."""
IS_TINY = DEVICE == "cpu"
OUT = Path(os.environ.get("LINEAGE_GPU_OUT") or Path(__file__).parents[2] / "results" / "reference")
"""Where figures and tables are written."""
DATA = os.environ.get("LINEAGE_GPU_DATA") or None
"""The folder of CIFAR-10's Parquet files."""
RUN = Path(os.environ.get("LINEAGE_GPU_RUN") or Path(__file__).parents[2] / "build" / "gpu")
"""Where the zoo's artifacts are kept: a run that was cut off goes on from them. 20 GB."""
LIMIT = float(os.environ.get("LINEAGE_GPU_LIMIT", "300"))
"""Seconds that the zoo's jobs may take."""
TOTAL = float(os.environ.get("LINEAGE_GPU_TOTAL", "480"))
"""Seconds that all of the tests may take: the zoo gets no more than what the others left."""
EVALUATING = 40.0
"""Seconds kept of them for the zoo's evaluation."""
BEGAN = time.monotonic()
WORKERS = int(os.environ.get("LINEAGE_GPU_WORKERS", "10"))
"""Processes that share the device while the zoo is made."""


def zoo_limit() -> float:
    """Seconds that the zoo's jobs may take from now on."""
    return min(LIMIT, TOTAL - EVALUATING - (time.monotonic() - BEGAN))


def why_not() -> str | None:
    """Why nothing can be tested here, or None."""
    if DEVICE not in ("cuda", "cpu"):
        return f"LINEAGE_GPU_DEVICE: expected cuda or cpu, but got {DEVICE!r}; nothing was tested"
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        return f"these tests need {', '.join(missing)}: pip install {' '.join(missing)}; nothing was tested"
    if DEVICE == "cuda" and not torch.cuda.is_available():
        return "no CUDA device here: nothing was tested and no figure was written"
    return None
