"""Apply a function to molecules with a limit of time for each, in a process of its own."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from lebm_core.errors import RunError
from lebm_molecules.chemistry.limits import SECONDS

__all__ = ["Refused", "limited"]

BATCH = 50  # items of a request: the way there and back costs as much as one canonical SMILES
START = "import sys; sys.path[:] = {path!r}; from {worker} import serve; serve()"

T = TypeVar("T")
R = TypeVar("R")


class Refused(NamedTuple):
    """There is no result, and why."""

    reason: str


def limited(
    function: Callable[[T], R],
    items: Sequence[T],
    seconds: float = SECONDS,
    easy: T | None = None,
) -> list[R | Refused]:
    """Return the result of `function` for each item; `Refused` where it takes longer.

    Other threads may call it at the same time: each has a process then. A process stays for the
    next call, and ends with this one.

    Args:
        function: of a module, or a partial of one; what it raises is raised here.
        items: that can be pickled, as the results.
        seconds: of a processor, for each item.
        easy: an item that a process begins with, in any time, for it loads what the function needs.

    Raises:
        RunError: where no process can be started.
    """
    results: list[R | Refused] = []
    for first in range(0, len(items), BATCH):
        batch = items[first : first + BATCH]
        try:
            results += _asked(function, batch, seconds, easy)
        except _Ended:
            results += [_alone(function, item, seconds, easy) for item in batch]
    return results


class _Ended(Exception):
    """The process has ended; the argument is what `subprocess` has for its exit status."""


class _Worker:
    """A process that runs `lebm_molecules.chemistry.worker`."""

    def __init__(self) -> None:
        path = [place for place in sys.path if isinstance(place, str)]
        start = START.format(path=path, worker="lebm_molecules.chemistry.worker")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", start], stderr=subprocess.DEVNULL, **pipes
            )
        except OSError as error:
            raise RunError(f"No process could be started for RDKit: {error.strerror}.") from None

    def ask(self, request: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        try:
            pickle.dump(request, self.process.stdin)
            self.process.stdin.flush()
            return pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError):
            raise _Ended(self.process.wait()) from None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            try:
                pipe.close()
            except BrokenPipeError:  # what was not sent
                pass


_idle: dict[int, list[_Worker]] = {}  # by the process that they belong to: a fork has none of them


def _asked(
    function: Callable[[T], R], items: Sequence[T], seconds: float, easy: T | None
) -> list[R]:
    """The answer of a process, which is kept where it lives and has nothing left to say."""
    idle = _idle.setdefault(os.getpid(), [])
    try:
        worker = idle.pop()
    except IndexError:
        worker = _Worker()
    try:
        answer = worker.ask((function, items, seconds, easy))
    except BaseException:
        worker.end()
        raise
    idle.append(worker)
    if isinstance(answer, Exception):
        raise answer
    return list(answer)


def _alone(function: Callable[[T], R], item: T, seconds: float, easy: T | None) -> R | Refused:
    try:
        return _asked(function, [item], seconds, easy)[0]
    except _Ended as ended:
        status = ended.args[0]
    if status == -getattr(signal, "SIGPROF", 0):
        return Refused(f"RDKit works on it for longer than {seconds:g} s")
    if status < 0:
        return Refused(f"RDKit's process does not survive it (signal {-status})")
    raise RunError("The process for RDKit ends at once: does Python start in this environment?")


@atexit.register
def _end_all() -> None:
    for worker in _idle.pop(os.getpid(), []):
        worker.end()
