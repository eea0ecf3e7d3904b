"""Which methods are shown where not all can be."""

from collections.abc import Iterable

from lineage.results.tables import ORDER

MOST = 4
"""So many, lest the page grow."""


def shown_methods(methods: Iterable[str]) -> list[str]:
    """The first methods in the tables' order, of different families first."""
    names = sorted(set(methods))
    place = {name: next(number for number, mark in enumerate(ORDER) if mark in name) for name in names}
    names.sort(key=place.get)
    first = list({place[name]: name for name in reversed(names)}.values())[::-1]
    return [*first, *(name for name in names if name not in first)][:MOST]
