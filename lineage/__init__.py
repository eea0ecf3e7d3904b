"""neural-lineage: tells which network another network was fine-tuned from.

Public names are imported when first used, so `import lineage` costs nothing. Type checkers read them in
`__init__.pyi`; docs/api.md shows how to use them.
"""

__all__ = [
    "SIMILARITIES",
    "LineageDetector",
    "UserError",
    "answer",
    "ask",
    "audit",
    "score_pair",
    "search",
    "tree",
]


def __getattr__(name: str) -> object:
    """Finds a public name in its module."""
    from importlib import import_module

    homes = {
        "LineageDetector": "lineage.detector.file",
        "SIMILARITIES": "lineage.similarity.measures",
        "UserError": "lineage.errors",
        "answer": "lineage.asking.run",
        "ask": "lineage.asking.run",
        "audit": "lineage.auditing.run",
        "score_pair": "lineage.similarity.score",
        "search": "lineage.auditing.shortlist",
        "tree": "lineage.genealogy.run",
    }
    if name not in homes:
        raise AttributeError(f"module 'lineage' has no attribute {name!r}; it offers {', '.join(homes)}")
    return getattr(import_module(homes[name]), name)


def __dir__() -> list[str]:
    """The public names and what Python itself adds."""
    return sorted({*globals(), *__all__})
