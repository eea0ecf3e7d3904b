"""Where a job computes: its device and threads, and PyTorch made deterministic.

Only scripts that compute import it, so that an edit of it reruns no other job.
"""

import contextlib
import os
from functools import cached_property

import torch

from lineage.errors import UserError
from lineage.jobs.stage import Stage, stage


class Computation(Stage):
    """One run of a stage script that computes with PyTorch; params also hold `device` and `threads`."""

    @cached_property
    def device(self) -> torch.device:
        """Where to compute; asking for it also sets the threads and makes the stage deterministic.

        Raises:
            UserError: if the device is not there, or the job has fewer threads than the configuration asks for.
        """
        wanted, threads = self._snakemake.params.device, self._snakemake.params.threads
        if threads > self._snakemake.threads:
            raise UserError(
                f"threads: {threads} in the configuration, but this run gives a job {self._snakemake.threads}; "
                f"run with --cores {threads} or set threads to {self._snakemake.threads}"
            )
        make_deterministic(threads)
        device = chosen_device(wanted)
        kernels = torch.backends.cpu.get_cpu_capability()
        self.say(f"on {device}, {threads} thread{'s' * (threads > 1)}, {kernels} kernels")
        if self._snakemake.resources.get("gpu") and wanted == "auto" and device.type == "cpu":
            self.say("asked for a GPU, but PyTorch sees none here; `device: cuda` fails instead of going on")
        return device

    @property
    def provenance(self) -> dict[str, str]:
        """What each HDF5 artifact says of its making."""
        return {"code": self._snakemake.params.code, "device": str(self.device)}

    def measured(self) -> dict[str, int]:
        """The largest number of bytes that were used of a GPU at once, where there is one."""
        return {"gpu_bytes": torch.cuda.max_memory_allocated()} if torch.cuda.is_available() else {}


def computing(snakemake) -> contextlib.AbstractContextManager[Computation]:
    """A stage, as of `stage`, that has a device."""
    return stage(snakemake, Computation)


def chosen_device(name: str) -> torch.device:
    """The device of that name: `cpu`, `cuda`, or `auto` for CUDA where there is a GPU.

    Raises:
        UserError: for another name, or for `cuda` without a GPU.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"device: expected auto, cpu or cuda, but got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: cuda was asked for, but PyTorch sees no GPU; set device to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def make_deterministic(threads: int) -> None:
    """Lets the same inputs give the same bytes: deterministic kernels, float32 in full, and this many threads.

    By default convolutions on CUDA round float32 to TF32, 10 bits after the point. `use_deterministic_algorithms`
    sets the same mode, but imports PyTorch's compiler first, which takes as long as PyTorch itself.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.set_deterministic_debug_mode("error")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)
