"""Map a function over molecules: in parallel, in order, with a limit of time for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from lebm_core.base.parallel import in_chunks
from lebm_molecules.chemistry.limited import Refused, limited

__all__ = ["mapped"]

T = TypeVar("T")
R = TypeVar("R")


def mapped(
    function: Callable[[T], R], items: Iterable[T], processes: int = 1, easy: T | None = None
) -> Iterator[tuple[T, R | Refused]]:
    """Yield each item with the result of `function`, in order; see `in_chunks`.

    A thread waits for each process of `limited`, where the work is done; on a cluster the process
    is a child of the worker's.

    Args:
        function: as `limited` takes it.
        items: any iterable; it is read as the work goes on.
        processes: 0 for one for each core.
        easy: as `limited` takes it.
    """
    return in_chunks(partial(limited, function, easy=easy), items, processes)
