"""The device that a stage computes on, and its determinism."""

import os

import torch

from lineage.errors import UserError


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

    By default convolutions on CUDA round float32 to TF32, 10 bits after the point.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)
