"""What is asked of an answer to damage: that it comes in time, and is a sentence."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["limited", "one_sentence"]

SECONDS = 10.0  # of the processor, beyond which a reader hangs
LONGEST = 600  # characters of a message, its folder left out


@contextmanager
def limited() -> Iterator[None]:
    """End what takes too long of the processor: a busy machine is no hang."""

    def stop(*_: object) -> None:
        raise AssertionError(f"hangs: {SECONDS:g} s of the processor")

    old = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def one_sentence(message: str, folder: Path, *files: str) -> None:
    """Refuse a message of several lines, a long one, and one that names none of the files."""
    assert message.strip() and "\n" not in message, f"several lines: {message[:300]!r}"
    short = message.replace(str(folder), "")
    assert len(short) <= LONGEST, f"{len(short)} characters: {short[:200]!r}"
    assert not files or any(file in message for file in files), f"{files} not named: {short!r}"
