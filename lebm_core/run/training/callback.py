"""The points of the training loop at which callbacks are called."""

from __future__ import annotations

from typing import Any

from lebm_core.run.training.state import TrainingState

__all__ = ["Callback"]


class Callback:
    """Base class of callbacks, each method doing nothing.

    At each point the loop calls them in the order in which they are given.
    """

    def on_start(self, state: TrainingState) -> None:
        """Before the first step; a checkpoint may be restored here."""

    def after_update(self, state: TrainingState) -> None:
        """After each step, before its report; may set `state.stopping`."""

    def after_epoch(self, state: TrainingState) -> None:
        """After the last step of an epoch, before its report; may set `state.stopping`."""

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        """Every `log_every` steps and at the last one, with the means since the last report."""

    def after_step(self, state: TrainingState) -> None:
        """After each step and its report."""

    def after_rollback(self, state: TrainingState) -> None:
        """After a diverging training has gone back to an earlier step, which `state` is at."""

    def on_end(self, state: TrainingState) -> None:
        """After the last step, before the moving average is taken and the rule finishes."""

    def close(self, state: TrainingState) -> None:
        """At the end in any case, after an error too."""

    def note(self) -> str:
        """What to add in parentheses to the message of a diverged training; '' for none."""
        return ""
