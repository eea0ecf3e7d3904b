"""An adapter on disk as PEFT writes it, for tests of adapters."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lineage.checkpoints.checkpoint import Checkpoint
from lineage.checkpoints.read import open_model


def saved(path: Path, tensors: dict[str, np.ndarray], **config: object) -> Checkpoint:
    """Writes tensors and, beside them, the adapter's configuration if there is any; gives the model."""
    path.parent.mkdir(exist_ok=True, parents=True)
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, path)
    if config:
        (path.parent / "adapter_config.json").write_text(json.dumps(config))
    return open_model(path)
