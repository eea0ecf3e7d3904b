"""Seconds and memory of an audit of 200 candidates of ResNet18's size, 45 MB each; and of the next child's.

python tests/bench/audit_speed.py [how many candidates]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import timm
from safetensors.numpy import save_file


def random_network(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def timed_audit(folder: Path, child: str, verdict: str) -> tuple[float, float, float]:
    """Wall seconds, core-seconds and peak memory in GB of the command; its verdict must be as it should."""
    command = [sys.executable, "-m", "lineage", "audit", "--child", str(folder / child),
               "--candidates", str(folder / "bases"), "--cache", str(folder / "cache")]  # fmt: skip
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        output = process.stdout.read()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    took = time.monotonic() - began
    if f": {verdict}" not in output:
        sys.exit(f"error: expected {verdict}, got {output}")
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    network = timm.create_model("resnet18", num_classes=1000)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items() if value.ndim}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "bases").mkdir()
        for seed in range(count):
            save_file(random_network(shapes, seed), folder / "bases" / f"p{seed:03d}.safetensors")
        for number, parent in enumerate((7, 11)):
            tensors, change = random_network(shapes, parent), random_network(shapes, 1000 + number)
            save_file({name: tensors[name] + np.float32(0.3) * change[name] for name in shapes},
                      folder / f"child{number}.safetensors")  # fmt: skip
        size = (folder / "child0.safetensors").stat().st_size / 1e6
        first, work, peak = timed_audit(folder, "child0.safetensors", "parent: p007")
        second, work_again, peak_again = timed_audit(folder, "child1.safetensors", "parent: p011")
        third, *_ = timed_audit(folder, "child0.safetensors", "parent: p007")
    print(f"{count} candidates of {size:.0f} MB, {os.cpu_count()} cores")
    print(f"first audit: {first:.1f} s, {work:.1f} core-seconds, {peak:.2f} GB")
    print(f"another child: {second:.1f} s, {work_again:.1f} core-seconds, {peak_again:.2f} GB")
    print(f"  {first / second:.1f} times as fast, {work / work_again:.1f} times less work")
    print(f"the first child again: {third:.1f} s")


if __name__ == "__main__":
    main()
