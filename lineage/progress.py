"""Progress that a person can follow, as plain lines: what, how many, time left."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")
Tracked = Callable[[Iterable[T], str], Iterable[T]]
"""Passes items on and says how far it is; takes the items and their name in the plural."""


def tracked(
    items: Iterable[T], what: str, say: Callable[[str], None], *, total: int | None = None, every: float = 5.0
) -> Iterator[T]:
    """Yields the items and says how far it is, at most every `every` seconds and at the end.

    Args:
        items: what is worked through.
        what: the items' name in the plural.
        say: takes one line.
        total: how many; by default the items' length.
        every: seconds between lines.
    """
    if total is None:
        total = len(items) if isinstance(items, Sized) else 0
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every and done < total:
            left = (now - start) / done * (total - done)
            say(f"{what}: {done} of {total}, {left:.0f} s left")
            last = now
    say(f"{what}: {done} in {time.monotonic() - start:.1f} s")


def untracked(items: Iterable[T], what: str) -> Iterable[T]:
    """Yields the items and says nothing."""
    return items
