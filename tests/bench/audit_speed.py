"""Seconds and memory of an audit of 200 candidates of ResNet18's size, 47 MB each, and of the next child's; then of
1,000 candidates of half a megabyte, whose digests are stored.

    python tests/bench/audit_speed.py [how many large candidates, 0 for none] [how many small ones]

The files are made by another process, so that this one stays small: a command's peak memory counts what it was
forked from.
"""

import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARENTS = (7, 11)
"""Of the two children."""
SMALL = (64, 256, 256, 128, 128, 10)
"""Widths of a network of half a megabyte."""


def make(folder: Path, count: int, *, is_small: bool) -> None:
    """Writes the candidates, and two children: a candidate's weights and a third of another network's."""
    import numpy as np
    from safetensors.numpy import save_file

    if is_small:
        layers = enumerate(itertools.pairwise(SMALL))
        shapes = {f"layer{number}.weight": (outputs, inputs) for number, (inputs, outputs) in layers}
    else:
        import timm

        network = timm.create_model("resnet18", num_classes=1000)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items() if value.ndim}

    def random_network(seed: int) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(seed)
        return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}

    (folder / "bases").mkdir()
    for seed in range(count):
        save_file(random_network(seed), folder / "bases" / f"p{seed:03d}.safetensors")
    for number, parent in enumerate(PARENTS):
        tensors, change = random_network(parent), random_network(1000 + number)
        child = {name: tensors[name] + np.float32(0.3) * change[name] for name in shapes}
        save_file(child, folder / f"child{number}.safetensors")


def timed_audit(folder: Path, number: int) -> tuple[float, float, float]:
    """Wall seconds, core-seconds and peak memory in GB of the command; its verdict must be as it should."""
    command = [sys.executable, "-m", "lineage", "audit", "--child", str(folder / f"child{number}.safetensors"),
               "--candidates", str(folder / "bases"), "--cache", str(folder / "cache")]  # fmt: skip
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        output = process.stdout.read()
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    took = time.monotonic() - began
    if f"closest: p{PARENTS[number]:03d} " not in output:
        sys.exit(f"error: expected p{PARENTS[number]:03d} to be the closest, got {output}")
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def timed_twice(count: int, *, is_small: bool) -> tuple[float, list[tuple[float, float, float]]]:
    """MB of a candidate, and what the audits of two children took, the second with stored digests."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        maker = multiprocessing.get_context("spawn").Process(
            target=make, args=(folder, count), kwargs={"is_small": is_small}
        )
        maker.start()
        maker.join()
        size = (folder / "child0.safetensors").stat().st_size / 1e6
        return size, [timed_audit(folder, number) for number in range(2)]


def main() -> None:
    """Prints the figures."""
    count, small = (int(given) for given in (*sys.argv[1:], *("200", "1000")[len(sys.argv) - 1 :]))
    if count:
        size, [(first, work, peak), (second, work_again, peak_again)] = timed_twice(count, is_small=False)
        print(f"{count} candidates of {size:.0f} MB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"first audit: {first:.1f} s, {work:.1f} core-seconds, {peak:.2f} GB")
        print(f"another child: {second:.1f} s, {work_again:.1f} core-seconds, {peak_again:.2f} GB")
        print(f"  {first / second:.1f} times as fast, {work / work_again:.1f} times less work")
    size, [(_, work, _), (_, work_again, _)] = timed_twice(small, is_small=True)
    print(f"{small:,} candidates of {size:.1f} MB: {work:.1f} core-seconds")
    print(f"{small:,} cached candidates: {work_again:.1f} core-seconds")


if __name__ == "__main__":
    main()
