"""Audits of networks that are given as tensors, by name; they are written to files first."""

from pathlib import Path

import numpy as np
from small_networks import save_all

from lineage.auditing.audit import Audit, audit_sources
from lineage.checkpoints.find import Source

Tensors = dict[str, np.ndarray]


def saved_sources(folder: Path, networks: dict[str, Tensors]) -> list[Source]:
    """The networks' files, which are written into the folder."""
    save_all(folder, networks)
    return [Source(id=name, path=str(folder / f"{name}.safetensors")) for name in networks]


def audit_of(folder: Path, child: Tensors, candidates: dict[str, Tensors], **options) -> Audit:
    """An audit of one network against others, with options of `audit_sources`."""
    (suspect,) = saved_sources(folder, {"the-child": child})
    return audit_sources(suspect.path, saved_sources(folder, candidates), **options)


def audit_in_order(folder: Path, child: Tensors, **candidates: Tensors) -> Audit:
    """The same of a child whose file keeps the order of its tensors, which safetensors sort; all in 32 bits."""

    def in_32_bits(tensors: Tensors) -> Tensors:
        return {name: np.asarray(values, np.float32) for name, values in tensors.items()}

    np.savez(folder / "the-child.npz", **in_32_bits(child))
    others = {name: in_32_bits(tensors) for name, tensors in candidates.items()}
    return audit_sources(str(folder / "the-child.npz"), saved_sources(folder, others))
