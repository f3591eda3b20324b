"""The way back of a training that diverges: its last good state, at half the learning rates."""

from __future__ import annotations

from pathlib import Path

from lebm_core.errors import DivergenceError
from lebm_core.run.training.checkpoint import Checkpoint
from lebm_core.run.training.state import TrainingState

__all__ = ["Rollbacks"]


class Rollbacks:
    """Keeps the last good state in memory, and goes back to it where the training diverges.

    A state is good where the rule has no warning for its report. The learning rates are halved at
    each return, since the same steps would lead to the same place.

    Args:
        times: how often it goes back at most; 0 keeps nothing.
    """

    def __init__(self, times: int) -> None:
        self.left = times
        self.kept: Checkpoint | None = None

    def keep(self, state: TrainingState) -> None:
        """Keep the state, where it is good."""
        if self.left and state.sound:
            tensors = {name: value.detach().clone() for name, value in state.tensors().items()}
            self.kept = Checkpoint(tensors, {**state.record(), "step": state.step}, Path())

    def back(self, state: TrainingState, step: int, error: DivergenceError) -> bool:
        """Go back from a step; False where that is not possible, or has been done too often."""
        if not self.left or self.kept is None:
            return False
        self.left -= 1
        rate, seconds, warnings = state.rate / 2, state.seconds, state.warnings
        state.restore(self.kept)
        state.rate, state.seconds = rate, seconds
        said = (
            f"Diverged at step {step} and went back to step {state.step}, at {rate:g} times the "
            f"learning rates: {error}"
        )
        state.warnings = [*warnings, said]
        state.log(f"{state.name}: {said}")
        return True
