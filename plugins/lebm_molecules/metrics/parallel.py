"""Molecules in parallel: chunks of them go to processes, and come back in their order."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple, TypeVar

from lebm_core.errors import RunError, UsageError
from lebm_core.run.environment import cores

__all__ = ["Workers", "mapped", "workers"]

CHUNK = 1_000  # molecules
AHEAD = 3  # chunks for each process that wait: what bounds the memory

T = TypeVar("T")
R = TypeVar("R")


class Workers(NamedTuple):
    """Processes that wait for work, and how many."""

    executor: ProcessPoolExecutor
    n: int


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of the terminal; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


@contextmanager
def workers(n: int = 0) -> Iterator[Workers | None]:
    """A pool of n processes, as many as there are cores for 0; None for one, which needs none.

    Raises:
        UsageError: for a negative n.
    """
    if n < 0:
        raise UsageError(f"--workers must be 0 (all cores) or more, not {n}.")
    n = n or cores()
    if n == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n, mp_context=context, initializer=_ignore_interrupts)
    try:
        yield Workers(pool, n)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def mapped(
    pool: Workers | None, function: Callable[[list[T]], list[R]], items: Iterable[T]
) -> Iterator[R]:
    """What `function` makes of each item, in order; few chunks at a time are held.

    Args:
        pool: of `workers`.
        function: of a module, taking and returning lists of equal length.
        items: any iterable; it is read as the work goes on.

    Raises:
        RunError: where a process has died.
    """
    if pool is None:
        for chunk in _chunks(items):
            yield from function(chunk)
        return
    waiting: deque[Future[list[R]]] = deque()
    most = AHEAD * pool.n
    try:
        for chunk in _chunks(items):
            waiting.append(pool.executor.submit(function, chunk))
            if len(waiting) >= most:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise RunError(
            "A process that reads molecules has died: memory ran short (use fewer --workers), or a "
            'script asks for processes outside of if __name__ == "__main__".'
        ) from None
