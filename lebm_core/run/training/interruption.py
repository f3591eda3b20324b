"""SIGINT during a training: the current step is finished, and the state is saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Interruption"]


class Interruption:
    """From `start` to `stop` the first SIGINT is noted in `asked`, the second one ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def start(self) -> None:
        """Note SIGINT from now on; outside the main thread, where no signal arrives, do nothing."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)

    def stop(self) -> None:
        """Put back the handler that was there before."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
