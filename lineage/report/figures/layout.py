"""Where the models of a lineage network are drawn: around a circle, and as a tree."""

import networkx as nx
import numpy as np
import pandas as pd


def family_tree(edges: pd.DataFrame) -> nx.DiGraph:
    """The true lineage: an edge from each parent to its child, of models too that are in no test set.

    Args:
        edges: EDGES of one experiment; a child may be there once a method.
    """
    graph = nx.DiGraph(list(zip(edges["parent"], edges["child"], strict=True)))
    for model in list(graph):
        while (parent := parent_in(model)) and not graph.in_degree(model):
            graph.add_edge(parent, model)
            model = parent
    tidy = nx.DiGraph()
    tidy.add_nodes_from(sorted(graph))
    tidy.add_edges_from(sorted(graph.edges))
    return tidy


def parent_in(model: str) -> str | None:
    """The parent that an id names: `<parent>.<setting>.<index>`; None for a root."""
    return model.rsplit(".", 2)[0] if "." in model else None


def in_family_order(graph: nx.DiGraph) -> list[str]:
    """All models, each followed by its descendants."""
    roots = [model for model, parents in graph.in_degree() if parents == 0]
    return [model for root in roots for model in nx.dfs_preorder_nodes(graph, root)]


def ancestry(graph: nx.DiGraph) -> dict[str, list[str]]:
    """Each model's lineage, from its root to itself."""
    lineage: dict[str, list[str]] = {}
    for model in in_family_order(graph):
        parent = next(iter(graph.predecessors(model)), None)
        lineage[model] = [*lineage.get(parent, []), model]
    return lineage


def circle(models: list[str]) -> pd.DataFrame:
    """Columns model, x, y: models around the unit circle, clockwise from the top."""
    angles = 2 * np.pi * np.arange(len(models)) / len(models)
    return pd.DataFrame({"model": models, "x": np.sin(angles), "y": np.cos(angles)})


def tree(graph: nx.DiGraph) -> pd.DataFrame:
    """Columns model, generation, row: leaves on rows of their own, parents in the middle of their children."""
    order = in_family_order(graph)
    leaves = [model for model in order if graph.out_degree(model) == 0]
    rows = {model: float(row) for row, model in enumerate(leaves)}
    for model in reversed(order):
        if model not in rows:
            rows[model] = float(np.mean([rows[child] for child in graph.successors(model)]))
    generation = {model: len(lineage) for model, lineage in ancestry(graph).items()}
    return pd.DataFrame(
        {
            "model": order,
            "generation": [generation[model] for model in order],
            "row": [rows[model] for model in order],
        }
    )
