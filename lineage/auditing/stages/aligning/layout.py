"""A child's matrices with the outputs first, as candidates have them, where its graph takes the inputs first."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lineage.auditing.stages.candidates import Candidate
from lineage.auditing.stages.child import Child
from lineage.checkpoints.checkpoint import Checkpoint
from lineage.relation.alignment.axes import State, Structure, shapes_of
from lineage.relation.alignment.traced.drawn import drawn_structure
from lineage.relation.alignment.traced.turning import with_outputs_first
from lineage.relation.matching import MatchedBy, Matching, Partner, match


@dataclass(frozen=True)
class Layout:
    """How a child is laid out while it is aligned.

    state: its tensors; turned: those whose axes are exchanged; drawn: the structure that its graph shows, if it does.
    """

    state: State
    turned: frozenset[str]
    drawn: Structure | None

    @classmethod
    def of(cls, child: Child) -> "Layout":
        """The layout of a child."""
        graph, turned = child.checkpoint.graph and child.checkpoint.graph(), frozenset()
        if graph:
            graph, turned = with_outputs_first(graph)
            turned &= child.checkpoint.entries.keys()
        state = {name: child.checkpoint.read(name) for name in child.checkpoint.entries}
        state = {name: values.T if name in turned else values for name, values in state.items()}
        return cls(state, turned, drawn_structure(graph, shapes_of(state)))

    def as_in_file(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Tensors of this layout as the child's file has them."""
        return {name: values.T if name in self.turned else values for name, values in tensors.items()}

    def matching(self, candidate: Candidate, checkpoint: Checkpoint) -> Matching:
        """Which tensor of a candidate corresponds to which, in this layout."""
        found = candidate.matching
        if not self.turned:
            return found
        given = {
            name: Partner(partner, transposed=(name in found.transposed) != (name in self.turned))
            for name, partner in found.pairs.items()
            if found.how[name] is MatchedBy.WEIGHTS
        }
        theirs = {name: entry.shape for name, entry in checkpoint.entries.items()}
        return match(shapes_of(self.state), theirs, given)
