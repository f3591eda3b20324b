"""Map a function over molecules in parallel, chunk by chunk and in order, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lebm_core.base.checks import at_least
from lebm_core.errors import RunError

__all__ = ["mapped"]

CHUNK = 1_000  # molecules

T = TypeVar("T")
R = TypeVar("R")


def mapped(
    function: Callable[[list[T]], list[R]], items: Iterable[T], processes: int = 1
) -> Iterator[R]:
    """Yield the result of `function` for each item, in order; few chunks at a time are held.

    `joblib.parallel_config` chooses the backend, such as a Dask or Ray cluster.

    Args:
        function: of a module, taking and returning lists of equal length.
        items: any iterable; it is read as the work goes on.
        processes: 0 for one for each core.

    Raises:
        RunError: where a process has died.
    """
    at_least("--workers", processes, 0)
    rest = iter(items)
    chunks = iter(lambda: list(islice(rest, CHUNK)), [])
    run = Parallel(processes or -1, return_as="generator", pre_dispatch="3*n_jobs", batch_size=1)
    try:
        for results in run(delayed(function)(chunk) for chunk in chunks):
            yield from results
    except TerminatedWorkerError:
        raise RunError(
            "A process that reads molecules has died: memory ran short; use fewer --workers."
        ) from None
