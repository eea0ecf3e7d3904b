"""A lineage detector that can be saved and loaded."""

import json
from pathlib import Path
from typing import Self

from lineage.detector.model import DetectorNetwork
from lineage.errors import UserError
from lineage.storage.hdf5 import Weights, write_weights

ARTIFACT = "detector"
"""The model's id in its file."""


class StoredDetector(DetectorNetwork):
    """A `DetectorNetwork` with its file; takes the same arguments."""

    def save(self, path: str | Path, **attributes: str | float) -> None:
        """Writes weights and configuration to an HDF5 file, with attributes that say where they come from."""
        described = {"id": ARTIFACT, "config": json.dumps(self.config)}
        write_weights(path, [(described, self.state_dict())], **attributes)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The detector of a file that `save` or the workflow wrote, ready to answer.

        Raises:
            UserError: if the file is missing, or no detector's.
        """
        weights = Weights([path])
        if ARTIFACT not in weights.models:
            raise UserError(
                f"{path}: expected a detector's file, but it holds other models; give detector.h5"
            )
        detector = cls(**json.loads(weights.attributes(ARTIFACT)["config"]))
        detector.load_state_dict(weights(ARTIFACT))
        return detector.eval()
