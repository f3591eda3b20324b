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
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from lebm_core.errors import RunError, UsageError, warning_line
from lebm_core.run.environment import cores
from lebm_core.run.process.signals import CPU_LIMIT, SIGNALS, deferred, stoppable
from lebm_core.run.training.tracking import PLAIN, to_stderr

__all__ = ["Workers"]

SPAWN = multiprocessing.get_context("spawn")


class Workers:
    """Runs a function over parts, in this process or each in a process of its own.

    Args:
        jobs: how many at once; None for as many as there are cores, and 1 on a GPU.
        most: how many could be used.
        device: the recipe's `training.device`.
        log: the caller's own log; lines from other processes cannot reach it, so with one the
            default is a single job.

    Raises:
        UsageError: fewer than 1 job.
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

    def share(self, parts: int) -> int:
        """Processes that each of so many parts, worked on at once, may start for itself."""
        return max(1, self.allowed // max(1, min(self.jobs, parts)))

    def each(
        self, work: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], log: Any
    ) -> None:
        """Call work(*arguments, log=...) for each.

        After an error no other part begins, those that have begun end, and it is raised.
        """
        arguments = list(arguments)
        # Alone, it has all cores; what cannot be sent to another process is done in this one.
        if self.jobs == 1 or len(arguments) == 1 or not _is_picklable((work, arguments)):
            for given in arguments:
                work(*given, log=log)
            return
        running: list[_Worker] = []
        errors: list[BaseException] = []
        try:
            while running or (arguments and not errors):
                while arguments and not errors and len(running) < self.jobs:
                    with deferred():
                        running.append(_Worker(work, arguments.pop(0), self.threads))
                wait([worker.process.sentinel for worker in running])
                for worker in [each for each in running if not each.process.is_alive()]:
                    running.remove(worker)
                    errors += worker.error()
        except BaseException:
            _interrupt(running)
            raise
        if errors:
            raise errors[0]


class _Worker:
    """A process that does one piece of work."""

    def __init__(self, work: Callable[..., Any], given: tuple[Any, ...], threads: int) -> None:
        self.receiver, sender = SPAWN.Pipe(duplex=False)
        self.process: SpawnProcess = SPAWN.Process(target=_run, args=(work, given, threads, sender))
        self.process.start()
        sender.close()

    def interrupt(self) -> None:
        """Send the process SIGINT; while it still starts, and has nothing to save, end it."""
        if self.receiver.poll():
            with suppress(ProcessLookupError):
                os.kill(self.process.pid or 0, signal.SIGINT)
        else:
            self.process.kill()

    def error(self) -> list[BaseException]:
        """The error of a process that has ended, if any."""
        with suppress(EOFError, OSError):
            self.receiver.recv()  # that it has started
            return [self.receiver.recv()]
        code = self.process.exitcode
        return [RunError(f"A worker process ended with exit code {code}.")] if code else []


def _interrupt(running: list[_Worker]) -> None:
    """Forward an interrupt: each worker saves before it ends; a second one ends it at once."""
    while any(worker.process.is_alive() for worker in running):
        with suppress(KeyboardInterrupt):
            for worker in running:
                if worker.process.is_alive():
                    worker.interrupt()
            for worker in running:
                worker.process.join()


def _is_picklable(work: Any) -> bool:
    """Whether work can be sent: a plugin's data set may hold what cannot."""
    try:
        pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _run(
    work: Callable[..., Any], given: tuple[Any, ...], threads: int, errors: Connection
) -> None:
    """Do the work, in the new process; an error is sent back."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    os.environ[PLAIN] = "1"
    warnings.formatwarning = warning_line
    torch.set_num_threads(threads)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A scheduler signals every process, and the parent forwards: twice would end it at once.
        # The limit of processor time is each process's own.
        for number in SIGNALS:
            if number not in (signal.SIGINT, CPU_LIMIT):
                signal.signal(number, signal.SIG_IGN)
        errors.send(None)
        with stoppable():
            work(*given, log=to_stderr)
    except BaseException as error:
        error.add_note(traceback.format_exc())  # LEBM_DEBUG=1 shows it
        try:
            errors.send(error)
        except Exception:
            errors.send(RunError(f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """A killed parent must not leave a worker behind that writes into the run's folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
