"""The way back of a training that diverges: its last good state, at half the learning rates."""

from __future__ import annotations

import math
from pathlib import Path

from torch import Tensor

from lebm_core.errors import DivergenceError
from lebm_core.run.training.checkpoint import Checkpoint
from lebm_core.run.training.state import TrainingState

__all__ = ["Rollbacks"]


class Rollbacks:
    """Keeps the last good state in memory, and goes back to it where the training diverges.

    A state is good where the rule has no warning for its report; that of the start is. The
    learning rates are halved at each return, since the same steps would lead to the same place.

    Args:
        times: how often it goes back at most, over all resumptions; 0 keeps nothing.
    """

    def __init__(self, times: int) -> None:
        self.times = times
        self.kept: Checkpoint | None = None

    def keep(self, state: TrainingState) -> None:
        """Keep the state, where it is good."""
        if self.times and state.sound:
            self.kept = Checkpoint(_copy(state), {**state.record(), "step": state.step}, Path())

    def back(self, state: TrainingState, step: int, error: DivergenceError) -> bool:
        """Go back from a step; False where that has been done often enough."""
        done = round(-math.log2(state.rate))  # which a checkpoint holds
        if self.kept is None or done >= self.times:
            return False
        rate, total, warnings = state.rate / 2, state.total, state.warnings
        seconds = state.seconds
        # A copy: the optimisers go on in the tensors that they are given.
        tensors = {name: value.clone() for name, value in self.kept.tensors.items()}
        state.restore(Checkpoint(tensors, self.kept.state, Path()))
        state.rate, state.total, state.seconds = rate, total, seconds
        said = (
            f"Diverged at step {step} and went back to step {state.step}, at {rate:g} times the "
            f"learning rates: {error}"
        )
        state.warnings = [*warnings, said]
        state.log(f"{state.name}: {said}")
        return True


def _copy(state: TrainingState) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.tensors().items()}
