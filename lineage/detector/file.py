"""A lineage detector that is loaded from its file and applied to networks in memory."""

from collections.abc import Mapping

import pandas as pd
from torch import Tensor, nn

from lineage.detector.applied import probabilities
from lineage.detector.stored import StoredDetector


class LineageDetector(StoredDetector):
    """A `DetectorNetwork` with its file; takes the same arguments.

    Source:
        Yu & Wang, Neural Lineage, CVPR 2024, section 4 (arXiv:2406.11129); docs/detector.md says what differs.
    """

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
