"""A lineage detector that can be saved, loaded and applied to networks in memory."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pandas as pd
from torch import Tensor, nn

from lineage.detector.model import DetectorNetwork
from lineage.detector.predict import probabilities
from lineage.errors import UserError
from lineage.storage.hdf5 import Weights, write_weights

ARTIFACT = "detector"
"""The model's id in its file."""


class LineageDetector(DetectorNetwork):
    """A `DetectorNetwork` with its file; takes the same arguments.

    Source:
        Yu & Wang, Neural Lineage, CVPR 2024, section 4 (arXiv:2406.11129); docs/detector.md says what differs.
    """

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

    def probabilities(
        self, child: nn.Module, candidates: Mapping[str, nn.Module], probe: Tensor
    ) -> "pd.Series[float]":
        """The probability of each candidate, and of `no parent` if it was trained to say so.

        Args:
            child: the network whose parent is sought.
            candidates: networks of the child's architecture by name, at least two; heads may differ.
            probe: inputs [n, ...] for all of them, on their device.

        Returns:
            Probabilities by candidate, in the order given, `no parent` last; they sum to 1.

        Raises:
            UserError: for too few candidates, networks that lack its layers, are wrapped or compiled, or differ in
                device or dtype, or a probe that they cannot take.
        """
        return probabilities(self, child, candidates, probe)
