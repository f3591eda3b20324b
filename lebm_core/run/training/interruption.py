"""Signals during a training: the current step is finished, and the state is saved."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from lebm_core.run.process.signals import CPU_LIMIT, SIGNALS, Signalled, in_main_thread

__all__ = ["Interruption"]


class Interruption:
    """From `start` to `stop` the first signal is noted in `asked`, a second one ends at once."""

    def __init__(self) -> None:
        self.asked = 0  # its number
        self._before: dict[int, Any] = {}

    def start(self) -> None:
        """Note signals from now on; outside the main thread, where none arrives, do nothing.

        Those that are to be ignored (nohup, a worker's) stay so, but for SIGINT, which is ignored
        by whatever a shell starts in the background.
        """
        if not in_main_thread():
            return
        for number in SIGNALS:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)

    def stop(self) -> None:
        """Put back the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number != CPU_LIMIT:
            raise KeyboardInterrupt if number == signal.SIGINT else Signalled(number)
        self.asked = self.asked or number
