"""Parts of a run side by side: small models use two cores better as two processes than as one.

A training step of a small model is many short operations; two threads wait for each other at each
of them, two processes never do.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import suppress
from typing import Any, Self

import torch

from lebm_core.errors import UsageError
from lebm_core.run.environment import cores
from lebm_core.run.training.tracking import PLAIN, to_stderr

__all__ = ["Workers"]


class Workers:
    """Runs a function over parts, in this process or in several.

    Args:
        jobs: how many at once; None for as many as there are cores, and 1 on a GPU.
        most: how many could be used.
        device: the recipe's `training.device`.
        log: the caller's own log; lines from other processes cannot reach it, so with one the
            default is a single job.

    Raises:
        UsageError: for fewer than 1 job.
    """

    def __init__(
        self, jobs: int | None, most: int, device: str, log: Callable[[str], None] | None = None
    ) -> None:
        if jobs is not None and jobs < 1:
            raise UsageError(f"--jobs must be at least 1, not {jobs}.")
        distributed = int(os.environ.get("WORLD_SIZE", "1")) > 1
        gpu = device != "cpu" and torch.cuda.is_available()
        alone = distributed or gpu or log is not None
        self.allowed = (1 if alone else cores()) if jobs is None else jobs
        self.jobs = max(1, min(self.allowed, most))
        self.threads = max(1, cores() // self.jobs)
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.jobs > 1:
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.jobs, context, _begin, (self.threads,))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self.pool is None:
            return
        # After an interrupt each worker saves before it ends; a second one ends it at once.
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            _pass_on()
        try:
            self.pool.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            _pass_on()
            self.pool.shutdown(wait=True, cancel_futures=True)
            raise

    def share(self, parts: int) -> int:
        """Processes that each of so many parts, worked on at once, may start for itself."""
        return max(1, self.allowed // max(1, min(self.jobs, parts)))

    def each(
        self, work: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], log: Any
    ) -> None:
        """Calls work(*arguments, log=...) for each; an error is raised when all have ended."""
        arguments = list(arguments)
        # Alone, it has all cores; and what cannot travel to another process is done in this one.
        if self.pool is None or len(arguments) == 1 or not _travels(arguments):
            for given in arguments:
                work(*given, log=log)
            return
        # Workers are born deaf to SIGINT: on a terminal it would reach them beside the parent.
        hearing = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
        try:
            futures = [self.pool.submit(_hearing, work, given) for given in arguments]
        finally:
            if hearing is not None:
                signal.signal(signal.SIGINT, hearing)
        done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        for future in (*done, *wait([f for f in waiting if not f.cancelled()]).done):
            future.result()


def _travels(arguments: list[tuple[Any, ...]]) -> bool:
    """Whether a plugin's data set can be pickled."""
    try:
        pickle.dumps(arguments)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _hearing(work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    """In a worker: does the work, and can be interrupted while it does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        work(*given, log=to_stderr)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _pass_on() -> None:
    """An interrupt of this process, for its workers."""
    for child in multiprocessing.active_children():
        if child.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGINT)


def _begin(threads: int) -> None:
    if hasattr(os, "setpgrp"):  # a terminal's Ctrl-C is for the parent, which passes it on
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[PLAIN] = "1"
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent must not leave a worker behind that writes into the run's folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
