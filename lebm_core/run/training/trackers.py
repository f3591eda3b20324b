"""Log training metrics to experiment trackers through Accelerate."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lebm_core.base.checks import choice
from lebm_core.errors import MissingExtra
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.state import TrainingState

__all__ = ["TRACKERS", "Trackers", "check_trackers"]

TRACKERS = ("tensorboard", "trackio", "mlflow", "wandb")
PROJECT = "lebm"


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is not known or not installed, before anything is written.

    Raises:
        UsageError: naming it and what is accepted.
        MissingExtra: naming what to install.
    """
    for name in names:
        choice("training.trackers", name, TRACKERS)
        if find_spec(name) is None:
            raise MissingExtra(name, name, needed_by="training.trackers")


class Trackers(Callback):
    """Write each line of metrics.jsonl to trackers too.

    TensorBoard's events lie in the run's folder; where the others keep theirs their own
    environment variables say (TRACKIO_DIR, MLFLOW_TRACKING_URI, WANDB_MODE=offline and so on). The
    project is "lebm", the run is named by its folder.

    Args:
        names: of the trackers.
        folder: of the part that is trained.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        self.names, self.folder = names, folder
        self._running: list[Any] = []

    def on_start(self, state: TrainingState) -> None:
        if not state.accelerator.is_main_process:
            return
        for name in self.names:
            tracker = _made(name, self.folder)
            tracker.start()
            self._running.append(tracker)

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        numbers = {k: v for k, v in record.items() if isinstance(v, int | float) and k != "step"}
        for tracker in self._running:
            tracker.log(numbers, step=state.step)

    def close(self, state: TrainingState) -> None:
        while self._running:
            self._running.pop().finish()


def _made(name: str, folder: Path) -> Any:
    """An Accelerate tracker, not started."""
    from accelerate import tracking

    inside = folder.parent.name == "baselines"
    run = f"{folder.parent.parent.name}-{folder.name}" if inside else folder.name
    if name == "tensorboard":
        return tracking.TensorBoardTracker("tensorboard", folder)
    if name == "mlflow":
        return tracking.MLflowTracker(PROJECT, run_name=run)
    if name == "trackio":
        return tracking.TrackioTracker(PROJECT, name=run)
    return tracking.WandBTracker(PROJECT, name=run)
