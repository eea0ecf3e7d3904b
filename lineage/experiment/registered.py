"""What a configuration can name of the library, read from its source: to import that would import torch."""

import ast
from functools import cache
from pathlib import Path

ROOMS = Path(__file__).parents[1]


def architectures() -> list[str]:
    """The keys of ARCHITECTURES."""
    return _keys("networks/architectures.py", "ARCHITECTURES")


def similarities() -> list[str]:
    """The functions under `@_similarity`, and the keys of WEIGHT_SIMILARITIES."""
    functions = (node for node in _tree("similarity/measures.py").body if isinstance(node, ast.FunctionDef))
    of_features = [
        function.name
        for function in functions
        if any(isinstance(mark, ast.Name) and mark.id == "_similarity" for mark in function.decorator_list)
    ]
    return of_features + _keys("similarity/measures.py", "WEIGHT_SIMILARITIES")


def _keys(module: str, table: str) -> list[str]:
    """The keys of a table with a type that stands at the top of a module."""
    assigned = (node for node in _tree(module).body if isinstance(node, ast.AnnAssign))
    (found,) = (node.value for node in assigned if node.target.id == table)
    return [key.value for key in found.keys]


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((ROOMS / module).read_text(encoding="utf-8"))
