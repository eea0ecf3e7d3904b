"""Threads that work on tensors beside each other, each with linear algebra of its own thread alone.

A BLAS starts threads for products as small as a sketch's, and they wait for the next one at work: of a large
checkpoint that is as much as hashing it.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ContextDecorator, contextmanager

from threadpoolctl import threadpool_limits

AT_ONCE = 2
"""Threads of a pool."""


@contextmanager
def beside_each_other() -> Iterator[ThreadPoolExecutor]:
    """AT_ONCE threads; ends when all that was submitted is done."""
    with one_thread, ThreadPoolExecutor(AT_ONCE) as workers:
        yield workers


class _OneThread(ContextDecorator):
    """The limit of the process, while anyone is inside: the first one sets it, and the last one takes it back.

    To set it takes a millisecond, which those inside of others do not pay.
    """

    def __init__(self):
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = threadpool_limits(1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


one_thread = _OneThread()
"""In it, linear algebra has the thread that asks for it alone, which is as fast for small matrices."""
