"""Map a function over molecules in parallel, chunk by chunk and in order, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from joblib import Parallel, delayed

from lebm_core.base.checks import at_least
from lebm_molecules.chemistry.limited import Refused, limited

__all__ = ["mapped"]

CHUNK = 1_000  # molecules

T = TypeVar("T")
R = TypeVar("R")


def mapped(
    function: Callable[[T], R], items: Iterable[T], processes: int = 1, easy: T | None = None
) -> Iterator[tuple[T, R | Refused]]:
    """Yield each item with the result of `function`, in order; few chunks at a time are held.

    By default a thread waits for each process of `limited`, where the work is done.
    `joblib.parallel_config` chooses another backend, such as a Dask or Ray cluster.

    Args:
        function: as `limited` takes it.
        items: any iterable; it is read as the work goes on.
        processes: 0 for one for each core.
        easy: as `limited` takes it.
    """
    at_least("--workers", processes, 0)
    rest = iter(items)
    chunks = iter(lambda: list(islice(rest, CHUNK)), [])
    run = Parallel(
        processes or -1, prefer="threads", return_as="generator", pre_dispatch="3*n_jobs",
        batch_size=1,
    )  # fmt: skip
    for pairs in run(delayed(_chunk)(function, chunk, easy) for chunk in chunks):
        yield from pairs


def _chunk(
    function: Callable[[T], R], items: list[T], easy: T | None
) -> list[tuple[T, R | Refused]]:
    return list(zip(items, limited(function, items, easy=easy), strict=True))
