"""Four rivals of `lineage tree`, re-implemented from their formulas: each names a parent for every model."""

from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import numpy as np
from safetensors.numpy import load_file
from scipy.stats import kurtosis

from lineage.families.cases.changes import matrices

Answer = tuple[str, bool]
"""A model's parent, "" for none here; and whether the edge is directed."""


class Weights:
    """The matrices of some models that all of them have."""

    def __init__(self, files: Mapping[str, Path]):
        self.names = list(files)
        states = [matrices(load_file(path)) for path in files.values()]
        shared = [
            name
            for name, values in states[0].items()
            if all(name in state and state[name].shape == values.shape for state in states)
        ]
        self._states, self._shared = states, shared
        flat = np.stack([np.concatenate([state[name].ravel() for name in shared]) for state in states])
        self.products = flat.astype(np.float64) @ flat.T.astype(np.float64)

    @property
    def distances(self) -> np.ndarray:
        """‖X_i − X_j‖²."""
        sizes = np.diagonal(self.products)
        return np.maximum(sizes[:, None] + sizes - 2 * self.products, 0.0)

    @property
    def kurtoses(self) -> np.ndarray:
        """Of each model, summed over its matrices."""
        return np.array(
            [sum(kurtosis(state[name], axis=None) for name in self._shared) for state in self._states]
        )


def rivals(files: Mapping[str, Path], stranger: Path, seed: int) -> dict[str, dict[str, Answer]]:
    """The answers of all four on the models of one family, by name; stranger: a file of an unrelated model."""
    weights = Weights(files)
    return {
        "chance": of_chance(weights, seed),
        "weight distance, arborescence": of_distance(weights),
        "MoTHer's kurtosis rule": of_kurtosis(weights),
        "outgroup rule": of_outgroup(weights, Weights({"": stranger, **files})),
    }


def of_chance(weights: Weights, seed: int) -> dict[str, Answer]:
    """Any other model."""
    draw = np.random.default_rng(seed)
    others = {name: [model for model in weights.names if model != name] for name in weights.names}
    return {name: (str(draw.choice(models)), True) for name, models in others.items()}


def of_distance(weights: Weights) -> dict[str, Answer]:
    """A minimum spanning arborescence of squared distances, from the most central model."""
    root = int(weights.distances.sum(1).argmin())
    return arborescence(weights, weights.distances, root)


def of_kurtosis(weights: Weights) -> dict[str, Answer]:
    """MoTHer: distances, and a penalty on edges towards a smaller kurtosis: specialising raises it.

    A minimum directed spanning tree of D + λT, T_ij = 1 where i's kurtosis is above j's, λ a share of the mean of D
    (Horwitz, Shul & Hoshen 2024, arXiv:2405.18432).
    """
    kurtoses = weights.kurtoses
    against = kurtoses[:, None] > kurtoses[None, :]
    return arborescence(weights, weights.distances + 0.3 * weights.distances.mean() * against, None)


def of_outgroup(weights: Weights, outgroup: Weights) -> dict[str, Answer]:
    """The minimum spanning tree, rooted at the model nearest to an unrelated one (outgroup rooting)."""
    root = int(outgroup.distances[0, 1:].argmin())
    found = nx.minimum_spanning_tree(nx.from_numpy_array(weights.distances + 1e-12))
    return _named(weights, {child: parent for parent, child in nx.bfs_edges(found, root)})


def arborescence(weights: Weights, costs: np.ndarray, root: int | None) -> dict[str, Answer]:
    """The minimum spanning arborescence, from a root or any."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(costs)))
    for parent, child in np.ndindex(costs.shape):
        if parent != child and child != root:
            graph.add_edge(parent, child, weight=float(costs[parent, child]) + 1e-12)
    return _named(weights, {child: parent for parent, child in nx.minimum_spanning_arborescence(graph).edges})


def _named(weights: Weights, parents: Mapping[int, int]) -> dict[str, Answer]:
    return {
        name: (weights.names[parents[place]], True) if place in parents else ("", True)
        for place, name in enumerate(weights.names)
    }
