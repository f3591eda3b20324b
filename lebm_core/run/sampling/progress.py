"""The progress of a draw in several files, over all of its processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lebm_core.run.sampling.index import Index
from lebm_core.run.training.tracking import PLAIN

__all__ = ["Progress"]


class Progress:
    """A bar on a terminal; elsewhere a line at times: samples, their rate, and the time left.

    Args:
        index: of the draw.
        folder: the files that are in it are counted, whichever process wrote them.
        missing: files to draw.
        log: takes lines; None for silence.
    """

    INTERVAL = 10.0  # seconds between two lines

    def __init__(
        self, index: Index, folder: Path, missing: int, log: Callable[[str], None] | None
    ) -> None:
        self.index, self.folder, self.log = index, folder, log
        self._before = self._samples(len(index) - missing)
        self._began = self._last = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if log is not None and sys.stderr.isatty() and PLAIN not in os.environ:
            self._bar = tqdm(total=index.n, initial=self._before, unit="sample", unit_scale=True)
        if log is not None and self._before:
            log(f"{self._before:,} of {index.n:,} samples are there already.")

    def show(self) -> None:
        """Tell how far the draw is, but not too often."""
        now = time.monotonic()
        if self.log is None or (self._bar is None and now - self._last < self.INTERVAL):
            return
        self._last = now
        done = self._samples(len(self.index) - len(self.index.missing(self.folder)))
        if self._bar is not None:
            with suppress(OSError):
                self._bar.update(done - self._bar.n)
            return
        rate = (done - self._before) / (now - self._began)
        left = (self.index.n - done) / rate if rate else 0.0
        self.log(f"{done:,} of {self.index.n:,} samples, {rate:,.0f} a second, {left:,.0f} s left.")

    def end(self) -> None:
        """Tell what was drawn, and the mean rate."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
        if self.log is None:
            return
        seconds = time.monotonic() - self._began
        done = self._samples(len(self.index) - len(self.index.missing(self.folder)))
        new = done - self._before
        if new:
            self.log(f"{new:,} samples in {seconds:,.1f} s, {new / seconds:,.0f} a second.")

    def _samples(self, files: int) -> int:
        """About how many samples so many files hold: only the last may have fewer."""
        return min(files * self.index.shard, self.index.n)
