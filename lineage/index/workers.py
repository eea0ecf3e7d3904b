"""Threads that work on tensors beside each other, each with linear algebra of its own thread alone.

A BLAS starts threads for products as small as a sketch's, and they wait for the next one at work: of a large
checkpoint that is as much as hashing it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

AT_ONCE = 2
"""Of them."""


@contextmanager
def beside_each_other() -> Iterator[ThreadPoolExecutor]:
    """So many threads; ends when all that was submitted is done."""
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(AT_ONCE) as workers:
        yield workers


@cache
def _libraries() -> ThreadpoolController:
    """Those that have threads; NumPy's is loaded before any other is, and to look for them takes a millisecond."""
    return ThreadpoolController()
