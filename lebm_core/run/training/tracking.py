"""What a training tells: metrics.jsonl, a progress bar or plain lines, and TensorBoard."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lebm_core.base.files import write_atomically

__all__ = ["Means", "MetricsFile", "PLAIN", "Progress", "read_metrics", "scalars", "to_stderr"]

METRICS_FILE = "metrics.jsonl"
PLAIN = "LEBM_PLAIN_PROGRESS"  # set in workers: bars of several processes would tear each other


def to_stderr(text: str) -> None:
    """Prints a line without tearing a progress bar."""
    tqdm.write(text, file=sys.stderr)


class MetricsFile:
    """`metrics.jsonl`: one JSON object a line, flushed at once.

    Args:
        folder: the run's folder.
        step: the step that training goes on from; later lines, which a killed run may have
            left, are dropped, so that no step stands there twice.
    """

    def __init__(self, folder: Path, step: int) -> None:
        path = folder / METRICS_FILE
        kept = [line for line in read_metrics(folder) if step and line["step"] <= step]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one line; a value that is not finite is written as null."""
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in record.items()
        }
        self._file.write(json.dumps(plain) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's `metrics.jsonl`; [] where there is none."""
    path = folder / METRICS_FILE
    lines = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:  # the last line of a killed run may be cut
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int):
                lines.append(line)
    return lines


class Means:
    """Means of named scalars since the last `take`, kept on their device: no transfer a step."""

    def __init__(self, state: Mapping[str, list[float]] | None = None) -> None:
        self._sums: dict[str, tuple[Tensor | float, int]] = {
            name: (value, int(count)) for name, (value, count) in (state or {}).items()
        }

    def add(self, values: Mapping[str, Tensor | float]) -> None:
        """Adds one value each."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            number = value.detach().double() if isinstance(value, Tensor) else float(value)
            self._sums[name] = (total + number, count + 1)

    def take(self) -> dict[str, float]:
        """The means, and a fresh start."""
        means = {name: float(total) / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means

    def state(self) -> dict[str, list[float]]:
        """Sums and counts as JSON, exact in float64."""
        return {name: [float(total), count] for name, (total, count) in self._sums.items()}


class Progress:
    """A bar on a terminal; elsewhere a plain line now and then.

    Args:
        name: what is trained.
        total: steps in all.
        start: steps done before.
        log: takes plain lines.
        show: False for the processes that stay silent.
    """

    INTERVAL = 30.0  # seconds between two plain lines

    def __init__(
        self, name: str, total: int, start: int, log: Callable[[str], None], show: bool = True
    ) -> None:
        self.name, self.total, self._log, self._show = name, total, log, show
        self._step, self._first = start, start
        self._began = self._last = time.monotonic()
        on_terminal = show and sys.stderr.isatty() and PLAIN not in os.environ
        self._bar = (
            tqdm(total=total, initial=start, desc=name, unit="step", leave=True)
            if on_terminal
            else None
        )

    def advance(self) -> None:
        """One more step."""
        self._step += 1
        if self._bar is not None:
            self._bar.update(1)

    def report(self, metrics: Mapping[str, float]) -> None:
        """Shows the figures of a logged step."""
        shown = {k: v for k, v in metrics.items() if k.startswith(("loss/", "f_gap"))}
        text = "  ".join(f"{name} {value:.4g}" for name, value in list(shown.items())[:4])
        if self._bar is not None:
            self._bar.set_postfix_str(text)
        elif self._show and (self.due() or self._step >= self.total):
            self._last = time.monotonic()
            done = self._step - self._first
            left = (self._last - self._began) / max(1, done) * (self.total - self._step)
            self._log(f"{self.name}: step {self._step}/{self.total}, {left:.0f} s left  {text}")

    def due(self) -> bool:
        """Whether a plain line would be printed now."""
        return time.monotonic() - self._last >= self.INTERVAL

    def close(self) -> None:
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()


def scalars(losses: Mapping[str, Tensor], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What is logged of one step: losses under "loss/", metrics under their own names."""
    named: dict[str, Any] = {f"loss/{name}": loss for name, loss in losses.items()}
    for name, value in metrics.items():
        named[name] = value.mean() if isinstance(value, torch.Tensor) else value
    return named
