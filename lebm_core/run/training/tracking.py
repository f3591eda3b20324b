"""Training logs: metrics.jsonl, and a progress bar or plain lines."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from lebm_core.base.files import write_atomically
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.state import TrainingState

__all__ = ["MetricsLog", "PLAIN", "ProgressBar", "read_metrics", "to_stderr"]

METRICS_FILE = "metrics.jsonl"
PLAIN = "LEBM_PLAIN_PROGRESS"  # set in workers: bars of several processes would tear each other


def to_stderr(line: str) -> None:
    """Print a line without tearing a progress bar; a terminal that is closed ends nothing."""
    with suppress(OSError):
        tqdm.write(line, file=sys.stderr)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The complete lines of a run's `metrics.jsonl`; [] where there is none."""
    path = folder / METRICS_FILE
    lines = []
    if path.is_file():
        for string in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(string)
            except ValueError:  # the last line of a killed run may be cut
                continue
            step = line.get("step") if isinstance(line, dict) else None
            if isinstance(step, int) and 0 <= step < 2**53:
                lines.append(line)
    return lines


class MetricsLog(Callback):
    """Write `metrics.jsonl`: one JSON object a line, flushed at once, from the first process.

    Lines beyond the step at which the training resumes, which a killed run may have left, are
    dropped, so that no step stands there twice.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: TextIO | None = None

    def on_start(self, state: TrainingState) -> None:
        if not state.accelerator.is_main_process:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(self.folder) if 0 < line["step"] <= state.step]
        path = self.folder / METRICS_FILE
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")

    def after_rollback(self, state: TrainingState) -> None:
        """Drop the lines of the steps that are undone."""
        self.close(state)
        self.on_start(state)

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        self.write(record)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line; a value that is not finite is written as null."""
        if self._file is None:
            return
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in record.items()
        }
        self._file.write(json.dumps(plain) + "\n")
        self._file.flush()

    def close(self, state: TrainingState) -> None:
        if self._file is not None:
            self._file.close()


class ProgressBar(Callback):
    """A bar on a terminal; elsewhere a plain line every half minute."""

    INTERVAL = 30.0  # seconds between two plain lines

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def on_start(self, state: TrainingState) -> None:
        self._first, self._show = state.step, state.accelerator.is_main_process
        self._began = self._last = time.monotonic()
        if self._show and sys.stderr.isatty() and PLAIN not in os.environ:
            self._bar = tqdm(
                total=state.total, initial=state.step, desc=state.name, unit="step", leave=True
            )

    def after_step(self, state: TrainingState) -> None:
        if self._bar is not None:
            self._bar.total = state.total
            with suppress(OSError):
                self._bar.update(1)

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        shown = {k: v for k, v in record.items() if k.startswith(("loss/", "f_gap"))}
        string = "  ".join(f"{name} {value:.4g}" for name, value in list(shown.items())[:4])
        if self._bar is not None:
            with suppress(OSError):
                self._bar.set_postfix_str(string)
        elif self._show and (state.ended or time.monotonic() - self._last >= self.INTERVAL):
            self._last = time.monotonic()
            per_step = (self._last - self._began) / max(1, state.step - self._first)
            left = per_step * (state.total - state.step)
            place = f"step {state.step}/{state.total}, {left:.0f} s left"
            state.log(f"{state.name}: {place}  {string}")

    def close(self, state: TrainingState) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
