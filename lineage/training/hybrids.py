"""Hybrid networks: blocks that come from several sources of one architecture.

A block is what a tapped layer adds to the one before: parameters and buffers, named by that layer.
What is in no block (the head, and what runs between the last tapped layer and it) is the parent's.
"""

import random
from collections.abc import Sequence

from torch import Tensor

from lineage.errors import UserError
from lineage.experiment.zoo import Model
from lineage.networks.blocks import block_state, blocks_of
from lineage.networks.restore import traced
from lineage.storage.hdf5 import Weights
from lineage.types.scoring import Network


def drawn_sources(layers: Sequence[str], sources: Sequence[str], seed: int) -> dict[str, str]:
    """Each block's source, drawn from the seed: as many blocks of every source, or one more of the first ones.

    Raises:
        UserError: if there are more sources than blocks.
    """
    if len(sources) > len(layers):
        raise UserError(
            f"hybrid.sources: expected at most {len(layers)}, one for each of the blocks {', '.join(layers)}, "
            f"but got {len(sources)}"
        )
    dealt = [sources[place % len(sources)] for place in range(len(layers))]
    random.Random(seed).shuffle(dealt)
    return dict(zip(layers, dealt, strict=True))


class Hybrids:
    """Builds hybrids of the models of one or more weight files.

    Args:
        network: the experiment's network.
        weights: files of all sources.
    """

    def __init__(self, network: Network, weights: Weights):
        self._network = network
        self._weights = weights
        self._blocks: dict[str, list[str]] | None = None

    def __call__(self, child: Model) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The state dict that a hybrid child starts from, and each block's source.

        Raises:
            UserError: if it has more sources than blocks, or a source another architecture.
        """
        hybrid = child.recipe.hybrid
        state = self._weights(child.parent)
        if self._blocks is None:
            self._blocks = blocks_of(traced(self._network, state, hybrid.layers or None))
        try:
            source_of = drawn_sources(list(self._blocks), hybrid.sources, child.seed)
        except UserError as error:
            raise UserError(f"{child.id}: {error}") from None
        for layer, source in source_of.items():
            state |= block_state(self._weights, source, self._blocks[layer], state)
        return state, source_of
