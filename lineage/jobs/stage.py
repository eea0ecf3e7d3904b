"""What every stage script shares: log, progress, timing, device, and errors for people."""

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import psutil

from lineage.errors import UserError
from lineage.progress import tracked
from lineage.storage.atomic import written_whole

if TYPE_CHECKING:
    import torch


class Stage:
    """One run of a stage script.

    Args:
        snakemake: the object that Snakemake gives to a script; params hold `code`, and `device` and `threads`
            where it computes.
        log: where lines go besides the terminal.
    """

    def __init__(self, snakemake, log: TextIO):
        self._snakemake = snakemake
        self._log = log
        self.name = " ".join([snakemake.rule, "/".join(map(str, snakemake.wildcards))]).strip()
        self.tracked = partial(tracked, say=self.say)

    def say(self, line: str) -> None:
        """Writes a line to the terminal and to the log."""
        for stream in (sys.stderr, self._log):
            print(f"{self.name}: {line}", file=stream, flush=True)

    @cached_property
    def device(self) -> "torch.device":
        """Where to compute; asking for it also sets the threads and makes the stage deterministic.

        Raises:
            UserError: if the device is not there, or the job has fewer threads than the configuration asks for.
        """
        threads = self._snakemake.params.threads
        if threads > self._snakemake.threads:
            raise UserError(
                f"threads: {threads} in the configuration, but this run gives a job {self._snakemake.threads}; "
                f"run with --cores {threads} or set threads to {self._snakemake.threads}"
            )
        make_deterministic(threads)
        device = chosen_device(self._snakemake.params.device)
        self.say(f"on {device}, {threads} thread{'s' * (threads > 1)}")
        if (
            self._snakemake.resources.get("gpu")
            and self._snakemake.params.device == "auto"
            and device.type == "cpu"
        ):
            self.say("asked for a GPU, but PyTorch sees none here; `device: cuda` fails instead of going on")
        return device

    @property
    def provenance(self) -> dict[str, str]:
        """What each HDF5 artifact says of its making."""
        return {"code": self._snakemake.params.code, "device": str(self.device)}


@contextlib.contextmanager
def stage(snakemake) -> Iterator[Stage]:
    """Runs a stage's body: a user's mistake ends as one line and exit code 1; time spent goes to log.time."""
    began = time.time()
    with Path(snakemake.log.text).open("w") as log:
        try:
            yield Stage(snakemake, log)
        except UserError as error:
            for stream in (sys.stderr, log):
                print(f"error: {error}", file=stream, flush=True)
            sys.exit(1)
        except BaseException:
            traceback.print_exc(file=log)
            raise
    spent = {
        "rule": snakemake.rule,
        "import": began - psutil.Process().create_time(),
        "compute": time.time() - began,
    }
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        spent["gpu_bytes"] = sys.modules["torch"].cuda.max_memory_allocated()
    with written_whole(snakemake.log.time) as part:
        part.write_text(json.dumps(spent) + "\n")


def chosen_device(name: str) -> "torch.device":
    """The device of that name: `cpu`, `cuda`, or `auto` for CUDA where there is a GPU.

    Raises:
        UserError: for another name, or for `cuda` without a GPU.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device: expected auto, cpu or cuda, but got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda was asked for, but PyTorch sees no GPU; set device to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def make_deterministic(threads: int) -> None:
    """Lets the same inputs give the same bytes: deterministic kernels, float32 in full, and this many threads.

    By default convolutions on CUDA round float32 to TF32, 10 bits after the point.
    """
    import torch

    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)
