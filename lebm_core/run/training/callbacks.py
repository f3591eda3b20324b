"""Callbacks of the training loop: checkpoints, the rule's warnings, early stopping."""

from __future__ import annotations

import copy
import math
import re
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from lebm_core.errors import DivergenceError, Interrupted, UsageError
from lebm_core.run.training.budget import TimeBudget
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.checkpoint import Checkpoint, latest_checkpoint, save_checkpoint
from lebm_core.run.training.interruption import Interruption
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.processes import agreed, wait_for_everyone
from lebm_core.run.training.state import TrainingState
from lebm_core.run.training.trackers import Trackers
from lebm_core.run.training.tracking import MetricsLog, ProgressBar

__all__ = ["Checkpoints", "DriftStop", "EarlyStopping", "run_callbacks"]

NUMBER = re.compile(r"-?\d[\d.e+-]*")


def _restore(state: TrainingState, checkpoint: Checkpoint) -> None:
    """Go on from a checkpoint; UsageError where it is of another model or training."""
    try:
        state.restore(checkpoint)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as e:
        what = (str(e).strip().splitlines() or [type(e).__name__])[-1].strip()
        raise UsageError(
            f"The checkpoint {checkpoint.folder} is not one of this training: {what} Repeat the "
            "command that began the run, or start a new one."
        ) from e


def run_callbacks(folder: Path, options: TrainingOptions, resume: bool = False) -> list[Callback]:
    """The callbacks of a recipe's run.

    Args:
        folder: where metrics.jsonl and checkpoints/ go.
        options: of the training.
        resume: continue from the newest complete checkpoint.
    """
    metrics = MetricsLog(folder)
    return [
        *([TimeBudget(60 * options.minutes)] if options.minutes else []),
        Checkpoints(folder, options.checkpoint_every, resume=resume),  # restores before the others
        metrics,
        *([Trackers(options.trackers, folder)] if options.trackers else []),
        DriftStop(metrics),
        ProgressBar(),
    ]


class Checkpoints(Callback):
    """Save the state every few steps, at the end and at a signal; restore the newest one.

    Args:
        folder: of the run; the checkpoints are in its folder "checkpoints".
        every: steps between two.
        resume: continue from the newest complete checkpoint; exact on the same machine, on a GPU
            as far as its kernels are deterministic (those of recurrent nets are not).
    """

    def __init__(self, folder: Path, every: int = 500, *, resume: bool = False) -> None:
        self.run, self.folder = folder, folder / "checkpoints"
        self.every, self.resume = every, resume
        self.interruption = Interruption()
        self._saved = -1  # step

    def on_start(self, state: TrainingState) -> None:
        """Restore a checkpoint.

        Raises:
            UsageError: for a folder in use, unless `resume` is set; for a checkpoint of another
                model.
        """
        if not self.resume and any(self.folder.glob("step-*")):
            raise UsageError(
                f"{self.run} already holds checkpoints: resume, or choose another folder."
            )
        wait_for_everyone(state.accelerator)
        if self.resume:
            rank = state.accelerator.process_index
            found = latest_checkpoint(self.folder, state.log, rank=rank)
            if found is not None:
                _restore(state, found)
                self._saved = state.step
                state.log(f"{state.name}: resumes at step {state.step} of {state.total}.")
            elif any(self.folder.glob("damaged-*")):
                state.log(f"{state.name}: no checkpoint is complete, so it starts from step 0.")
        self.interruption.start()

    def after_step(self, state: TrainingState) -> None:
        """Save where it is time.

        Raises:
            Interrupted: after a signal, the state saved.
        """
        asked = self.interruption.asked
        interrupted = agreed(state.accelerator, bool(asked))
        if interrupted or state.ended or state.step % self.every == 0:
            self._save(state)
        if interrupted:
            raise Interrupted(
                f"Interrupted at step {state.step} of {state.total}; saved in {self.run}: --resume "
                "continues from there.",
                asked or signal.SIGINT,  # another process was told
            )

    def after_rollback(self, state: TrainingState) -> None:
        """Drop the checkpoints of the steps that are undone, and save where it went back to."""
        for folder in self.folder.glob("step-*"):
            if int(folder.name.removeprefix("step-")) > state.step:
                shutil.rmtree(folder, ignore_errors=True)
        self._save(state)

    def on_end(self, state: TrainingState) -> None:
        self.interruption.stop()
        if self._saved != state.step:
            self._save(state)

    def close(self, state: TrainingState) -> None:
        self.interruption.stop()

    def note(self) -> str:
        kept = sorted(self.folder.glob("step-*"))
        return f"the last checkpoint is {kept[-1].name}" if kept else "there is no checkpoint yet"

    def _save(self, state: TrainingState) -> None:
        save_checkpoint(
            self.folder,
            state.step,
            state.tensors(),
            state.record(),
            rank=state.accelerator.process_index,
            barrier=partial(wait_for_everyone, state.accelerator),
        )
        self._saved = state.step


class DriftStop(Callback):
    """Show the rule's warnings, the first of each kind; stop where the rule finds divergence.

    Args:
        metrics: where every warning is written too.
    """

    def __init__(self, metrics: MetricsLog | None = None) -> None:
        self.metrics = metrics

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        """Ask the rule for warnings.

        Raises:
            DivergenceError: where the rule raises one, on any process.
        """
        warnings: list[str] = []
        reason = ""
        try:
            warnings = state.rule.warnings(record)
        except DivergenceError as error:
            reason = str(error)
        if agreed(state.accelerator, bool(reason)):
            raise DivergenceError(reason or "Another process has diverged.")
        state.sound = not warnings
        for warning in warnings:
            if self.metrics is not None:
                self.metrics.write({"step": state.step, "warning": warning})
            kind = NUMBER.sub("#", warning)
            if all(NUMBER.sub("#", known) != kind for known in state.warnings):
                state.warnings.append(warning)
                state.log(f"{state.name}, step {state.step}: {warning}")


class EarlyStopping(Callback):
    """Stop when a score has not grown for some epochs; keep the weights of the best epoch.

    The best weights are not in a checkpoint: a resumed training begins its search again.

    Args:
        score: of the model in evaluation mode, computed after each epoch; higher is better.
        patience: epochs without a higher score.
        name: of the score in the metrics.
    """

    def __init__(self, score: Callable[[], float], patience: int, name: str = "score") -> None:
        self.score, self.patience, self.name = score, patience, name
        self._best, self._waited = -math.inf, 0
        self._weights: dict[str, Tensor] | None = None

    def after_epoch(self, state: TrainingState) -> None:
        state.model.eval()
        score = self.score()
        state.model.train()
        state.means.add({self.name: score})
        self._waited += 1
        if score > self._best:
            self._best, self._waited = score, 0
            self._weights = copy.deepcopy(state.model.state_dict())
        if agreed(state.accelerator, self._waited >= self.patience):
            state.stopping = True

    def on_end(self, state: TrainingState) -> None:
        if self._weights is not None:
            state.model.load_state_dict(self._weights)
