"""Results do not depend on the processor that computed them, where that is asked for."""

import os
import subprocess
import sys

import pytest

from lineage.jobs.processors import COMMON, kernels_for

OLD = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
}
LEVELS = ({}, OLD)
"""Kernels as the libraries choose them here, and as on an older processor."""
WORK = """
import hashlib, sys, numpy, torch
from lineage.jobs.device import make_deterministic
from lineage.networks.architectures import build
make_deterministic(1)
torch.manual_seed(0)
net = build("convnet", classes=10, seed=0, channels=3, image_size=16)
images = torch.rand(16, 3, 16, 16)
loss = torch.nn.functional.cross_entropy(net(images), torch.arange(16) % 10)
loss.backward()
rows = images.flatten(1).numpy()
tensors = [parameter.grad.numpy() for parameter in net.parameters()] + [rows @ rows.T, numpy.log(rows.astype("d"))]
print(hashlib.sha256(b"".join(tensor.tobytes() for tensor in tensors)).hexdigest())
"""


def computed(level: dict[str, str], reproducible: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in COMMON}
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        env=environment | level | kernels_for(reproducible),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("reproducible", "different"), [("processors", 1), ("machine", 2)])
def test_two_levels_of_kernels_give_the_same_bytes_only_where_that_is_asked_for(reproducible, different):
    assert len({computed(level, reproducible) for level in LEVELS}) == different
