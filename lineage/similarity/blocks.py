"""Scores of the blocks of hybrids: what candidate each block comes from. Larger = more alike.

A block of the child is exchanged for the candidate's and all else stays the child's, so what runs before the block
cannot blur what is said of it; the features of the block's layer are compared with the child's own. The scores are
those of a pair whose parent is the child with that one block exchanged; see `lineage.similarity.pairs`.
Weight similarities look at the block's parameters alone.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from lineage.networks.backbone import Backbone, state_of
from lineage.networks.blocks import block_state, blocks_of
from lineage.networks.restore import Line, Models
from lineage.progress import Tracked
from lineage.similarity.measures import SIMILARITIES
from lineage.similarity.pairs import (
    COLUMNS,
    Row,
    check_approximations,
    check_similarities,
    pair_scores,
    stacked,
    weight_scores,
)
from lineage.types.scoring import Similarity

State = dict[str, Tensor]


class Blocks:
    """The blocks of one hybrid, to be compared with candidates'.

    Args:
        child: the hybrid, on the device of the probe.
        probe: inputs [n, ...].
        config: similarities, approximations, alphas, layers, pool, batch_norm; as of an experiment's similarity.
    """

    def __init__(self, child: nn.Module, probe: Tensor, config: Similarity):
        self._network, self._probe, self._config = child, probe, config
        self.theta = state_of(child)
        backbone = Backbone(child, probe, layers=config.layers, pool=config.pool)
        self.tensors = blocks_of(backbone)
        self._parameters = backbone.parameters
        with torch.no_grad():
            self._features = backbone(self.theta, probe)

    def scores(self, layer: str, candidates: Iterator[tuple[str, State]]) -> Iterator[tuple[str, Row]]:
        """(candidate, row) of every candidate, given with its tensors of the block that ends with a layer."""
        config, parameters = self._config, self._parameters[layer]
        up_to_layer = Backbone(self._network, self._probe, layers=[layer], pool=config.pool)
        of_child = stacked({layer: self._features[layer]})
        names = tuple(name for name in config.similarities if name in SIMILARITIES)
        of_features = replace(config, similarities=names)
        for candidate, block in candidates:
            exchanged = self.theta | block
            line = Line(
                backbone=up_to_layer,
                parent=exchanged,
                child=self.theta,
                delta={name: self.theta[name] - block[name] for name in parameters},
            )
            rows = pair_scores(line, self._probe, of_child, of_features)
            of_weights = weight_scores({layer: parameters}, exchanged, self.theta, names=config.similarities)
            for row in (*rows, *of_weights):
                yield candidate, row


def hybrid_scores(
    children: Sequence[str],
    candidates: Sequence[str],
    models: Models,
    probe: Tensor,
    config: Similarity,
    *,
    tracked: Tracked,
) -> Iterator[dict]:
    """Rows of BLOCK_SCORES of hybrid children against candidates; one child and one candidate's block are held.

    Args:
        children: ids; candidates: ids.
        models: all of them; the children's files say where their blocks come from.
        probe: inputs [n, ...].
        config: as of `Blocks`.
        tracked: says how far it is.
    """
    check_similarities(config.similarities)
    check_approximations(config.approximations, config.alphas)
    probe = probe.to(models.device)
    for child in tracked(children, f"children x {len(candidates)} candidates"):
        source_of = json.loads(models.weights.attributes(child)["block_sources"])
        blocks = Blocks(models.restored(child), probe, config)
        for layer, names in blocks.tensors.items():
            of_candidates = (
                (candidate, block_state(models.weights, candidate, names, blocks.theta))
                for candidate in candidates
            )
            for candidate, row in blocks.scores(layer, of_candidates):
                yield {"child": child, "candidate": candidate, "source": source_of[layer]} | dict(
                    zip(COLUMNS, row, strict=True)
                )
