"""The signals that end a run: Ctrl-C, and those that schedulers, terminals and limits send."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = [
    "CPU_LIMIT",
    "SIGNALS",
    "Signalled",
    "deferred",
    "in_main_thread",
    "signal_of",
    "stoppable",
]

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]  # Windows lacks some
# Comes again for every further second of the processor: only the first is a request to end.
CPU_LIMIT = getattr(signal, "SIGXCPU", None)


class Signalled(KeyboardInterrupt):
    """A signal other than Ctrl-C's, raised where it arrives.

    Attributes:
        signal: its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def signal_of(error: BaseException) -> int:
    """The number of the signal that was raised as `error`."""
    return int(getattr(error, "signal", signal.SIGINT))


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Within the scope the other signals are raised as Ctrl-C is; gives those that have come.

    What a caller handles, or was told to ignore (nohup), stays as it is.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if number == CPU_LIMIT and number in came:
            return
        came.append(number)
        raise Signalled(number)

    before: dict[int, Any] = {}
    if in_main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL and number != signal.SIGINT:
                before[number] = signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Within the scope signals wait for its end; SIGINT is ignored, also by what is started in it.

    A process that starts has nothing to save, and a terminal's Ctrl-C would reach it too.
    """
    came: list[int] = []
    before: dict[int, Any] = {}
    if in_main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                wait = signal.SIG_IGN if number == signal.SIGINT else lambda n, _: came.append(n)
                before[number] = signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came[:1]:
        signal.raise_signal(number)


def in_main_thread() -> bool:
    """Whether signals arrive here; elsewhere handlers cannot be set."""
    return threading.current_thread() is threading.main_thread()
