"""The callback that keeps an estimator's `history_`."""

from __future__ import annotations

from typing import Any

from lebm_core.run.training.callback import Callback
from lebm_core.run.training.state import TrainingState

__all__ = ["History"]

BOOKKEEPING = ("step", "epoch", "seconds", "examples")


class History(Callback):
    """Collect the terms of the objective, a dictionary for each report.

    Args:
        passes: of the whole training, for the printed lines.
        lines: print a line for each pass.

    Attributes:
        terms: means of all terms since the report before.
    """

    def __init__(self, passes: int, lines: bool) -> None:
        self.passes, self.lines = passes, lines
        self.terms: list[dict[str, float]] = []

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        # "loss/", "gradient/" and "lr/" are about the parts; the terms have plain names.
        terms = {k: v for k, v in record.items() if "/" not in k and k not in BOOKKEEPING}
        self.terms.append(terms)
        if self.lines:
            line = "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
            print(f"pass {len(self.terms)}/{self.passes}  {line}")
