"""Audits of tensors, which are written to files first."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from small_transformers import Tensors

from lineage.auditing.audit import Audit, audit_sources
from lineage.checkpoints.find import Source


def audit_of(folder: Path, child: Tensors, **candidates: Tensors) -> Audit:
    """Audits a child against candidates by name; safetensors sort their names, npz keep them in order."""

    def save(name: str, tensors: Tensors, kind: str) -> str:
        path = folder / f"{name}.{kind}"
        tensors = {key: np.ascontiguousarray(values, np.float32) for key, values in tensors.items()}
        np.savez(path, **tensors) if kind == "npz" else save_file(tensors, path)
        return str(path)

    sources = [
        Source(id=name, path=save(name, tensors, "safetensors")) for name, tensors in candidates.items()
    ]
    return audit_sources(save("child", child, "npz"), sources)
