"""Wall-clock budget of a training."""

from __future__ import annotations

from lebm_core.run.training.callback import Callback
from lebm_core.run.training.processes import agreed, agreed_number
from lebm_core.run.training.state import TrainingState

__all__ = ["TimeBudget"]

WARM, SETTLED = 5, 25  # steps, between which the time of a step is first measured


class TimeBudget(Callback):
    """Stop a training at its wall-clock budget, rescaling the schedules to end with it.

    A step's time is measured early, and anew after each tenth of the time: then as many are planned
    as fit into what is left, and schedules go on from where they are to end with the last.

    Args:
        seconds: of the steps, over all resumptions.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._began: tuple[int, float] | None = None  # step and seconds of the last measure
        self._said = False

    def after_update(self, state: TrainingState) -> None:
        part = self.seconds / 10
        step, seconds = self._began or (state.step, state.seconds)
        due = state.seconds - seconds >= part or state.step == SETTLED
        if agreed(state.accelerator, due) and state.step > step:
            each = max((state.seconds - seconds) / (state.step - step), 1e-9)
            left = min(max(0.0, self.seconds - state.seconds) / each, float(state.planned))
            state.shorten(state.step + int(agreed_number(state.accelerator, left)))
            if state.total < state.planned and not self._said:
                state.log(
                    f"{state.name}: {state.total} of {state.planned} steps fit into "
                    f"{self.seconds / 60:.3g} minutes."
                )
                self._said = True
            self._began = state.step, state.seconds
        elif agreed(state.accelerator, state.step >= WARM or state.seconds >= part):
            self._began = step, seconds
        if agreed(state.accelerator, state.seconds >= self.seconds) and not state.ended:
            state.log(f"{state.name}: stopped at step {state.step}, the time is over.")
            state.stopping = True

    def after_rollback(self, state: TrainingState) -> None:
        """Restart the timing; undone steps still count towards the budget."""
        self._began = None
        state.shorten(state.total)
