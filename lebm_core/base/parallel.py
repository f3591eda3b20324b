"""Map a function over chunks of items in parallel and in order, by joblib: here or on a cluster."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any, TypeVar

from lebm_core.base.checks import at_least
from lebm_core.errors import MissingExtra, RunError, UsageError, shown

__all__ = ["in_chunks", "on_cluster"]

CHUNK = 1_000  # items
AHEAD = 8  # chunks for each core whose results may wait for the reader
SECONDS = 10.0  # for a scheduler to answer, and for its workers

T = TypeVar("T")
R = TypeVar("R")


def in_chunks(
    function: Callable[[list[T]], Sequence[R]],
    items: Iterable[T],
    jobs: int = 1,
    key: str = "--workers",
) -> Iterator[tuple[T, R]]:
    """Yield each item with its result, in order; few chunks at a time are held.

    By default chunks are worked on in threads, for a function that waits for processes or lets
    other threads run. `joblib.parallel_config` chooses another backend, such as a Dask cluster;
    `jobs` is then the backend's to heed or not.

    Args:
        function: of a module, or a partial of one; takes a chunk, and returns a result for each.
        items: any iterable; it is read as the work goes on.
        jobs: chunks at a time; 0 for one for each core.
        key: what gives `jobs`, for an error.

    Raises:
        UsageError: `jobs` is negative.
    """
    from joblib import Parallel, delayed, effective_n_jobs  # the command line starts without it
    from joblib.parallel import get_active_backend

    at_least(key, jobs, 0)
    rest = iter(items)
    client = getattr(get_active_backend()[0], "client", None)
    if client is not None:
        yield from _on_dask(client, function, rest, AHEAD * effective_n_jobs(jobs or -1))
        return
    held: deque[list[T]] = deque()  # chunks that are worked on, or whose results wait
    most = AHEAD * effective_n_jobs(jobs or -1)

    more = True

    def chunks() -> Iterator[list[T]]:
        nonlocal more
        while len(held) < most:
            chunk = list(islice(rest, CHUNK))
            if not chunk:
                more = False
                return
            held.append(chunk)
            yield chunk

    run = Parallel(
        jobs or -1, prefer="threads", return_as="generator", pre_dispatch="3*n_jobs",
        batch_size=1,
    )  # fmt: skip
    while more:  # joblib does not wait for a slow reader: it is stopped, and begins again
        for results in run(delayed(function)(chunk) for chunk in chunks()):
            yield from zip(held.popleft(), results, strict=True)


def _on_dask(
    client: Any, function: Callable[[list[T]], Iterable[R]], rest: Iterator[T], most: int
) -> Iterator[tuple[T, R]]:
    """The same by Dask's own client, `most` chunks ahead of the reader.

    joblib's backend waits for ever where one of its calls begins before the last has quite ended.
    """
    held: deque[tuple[list[T], Any]] = deque()
    while True:
        while len(held) < most and (chunk := list(islice(rest, CHUNK))):
            held.append((chunk, client.submit(function, chunk, pure=False)))
        if not held:
            return
        chunk, future = held.popleft()
        yield from zip(chunk, future.result(), strict=True)


ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://[^/\s]+:\d+|inproc://\S+")


@contextmanager
def on_cluster(address: str, same: Sequence[str] = ()) -> Iterator[None]:
    """Let every map by joblib in the block use a Dask cluster.

    Args:
        address: of its scheduler, such as "tcp://host:8786"; "" for none, and all stays here.
        same: distributions besides lebm that results depend on: a worker with another version is
            refused.

    Raises:
        MissingExtra: Dask is not installed.
        UsageError: no scheduler answers, its workers have fewer than two cores, or one of them
            has another version.
        RunError: the cluster is lost before the end.
    """
    if not address:
        yield
        return
    try:
        from distributed import CancelledError, Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError:
        raise MissingExtra("distributed", "cluster", needed_by="--cluster") from None
    from joblib import parallel_config

    place = f"--cluster {shown(address)}"
    if not ADDRESS.fullmatch(address):  # a client of no address ends in a traceback of Dask's
        raise UsageError(f'{place} is no address of a scheduler, such as "tcp://host:8786".')
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError):
        raise UsageError(f"{place}: no Dask scheduler answers within {SECONDS:g} s.") from None
    with client:
        _wait_for_cores(client, place)
        for name in ("lebm", *same):
            _refuse_others(client, place, name)
        try:
            with parallel_config(backend="dask", client=client):
                yield
        except (KilledWorker, CancelledError, CommClosedError) as error:
            said = f"{type(error).__name__}: {error}".split("\n")[0]
            raise RunError(f"{place}: the cluster gave the work up ({said}).") from None


def _wait_for_cores(client: Any, place: str) -> None:
    """Wait for workers that still start; with a single core joblib would work in this process."""
    end = time.monotonic() + SECONDS
    while (cores := sum(client.ncores().values())) < 2:
        if time.monotonic() > end:
            raise UsageError(
                f"{place}: its workers have {cores} cores in all; a cluster is used from two on."
            )
        time.sleep(0.05)


def _refuse_others(client: Any, place: str, name: str) -> None:
    """Refuse workers that have another version of a distribution than this process."""
    own = version(name)
    for worker, found in client.run(version, name, on_error="return").items():
        if found != own:
            theirs = "none" if isinstance(found, PackageNotFoundError) else found
            raise UsageError(
                f"{place}: worker {worker} has {name} {theirs}, and here is {own}: install the "
                "same there."
            )
