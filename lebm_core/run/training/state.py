"""The state of a training: everything that the next steps depend on, and a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from lebm_core.learning.rules import Rule
from lebm_core.run.training.checkpoint import Checkpoint
from lebm_core.run.training.optimizers import PartOptimizer, Trainable
from lebm_core.run.training.options import TrainingOptions

__all__ = ["Means", "TrainingResult", "TrainingState"]

MOST_WAITING = 5000  # scalars on their device, summed together in one transfer


class Means:
    """Means of named scalars since the last `take`, kept on their device: no transfer a step."""

    def __init__(self, state: Mapping[str, list[float]] | None = None) -> None:
        self._sums: dict[str, tuple[float, int]] = {
            name: (value, int(count)) for name, (value, count) in (state or {}).items()
        }
        self._waiting: list[tuple[str, Tensor | float]] = []

    def add(self, values: Mapping[str, Tensor | float]) -> None:
        """Add one value of each name; a tensor of several counts as its mean."""
        for name, value in values.items():
            if isinstance(value, Tensor):  # a copy: a parameter's value may change in place
                value = value.detach().mean() if value.dim() else value.detach().clone()
            self._waiting.append((name, value))
        if len(self._waiting) > MOST_WAITING:
            self._sum()

    def take(self) -> dict[str, float]:
        """Return the means and start again from none."""
        self._sum()
        means = {name: total / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means

    def state(self) -> dict[str, list[float]]:
        """Sums and counts as JSON, exact in float64."""
        self._sum()
        return {name: [total, count] for name, (total, count) in self._sums.items()}

    def _sum(self) -> None:
        """Add up what waits, in its order and in float64: when it is done changes no digit."""
        found: dict[torch.device, list[Tensor]] = {}
        for _, value in self._waiting:
            if isinstance(value, Tensor):
                found.setdefault(value.device, []).append(value.double())
        moved = {device: iter(torch.stack(each).tolist()) for device, each in found.items()}
        for name, value in self._waiting:
            total, count = self._sums.get(name, (0.0, 0))
            number = next(moved[value.device]) if isinstance(value, Tensor) else float(value)
            self._sums[name] = (total + number, count + 1)
        self._waiting = []


@dataclass
class TrainingResult:
    """The cost of a training.

    Attributes:
        steps: optimiser steps.
        epochs: passes over the training split, the last one perhaps incomplete.
        seconds: wall time of the steps, over all resumptions, and of the rule's finish.
        device: where it ran.
        processes: how many processes shared it.
        warnings: of the rule, the first of each kind; metrics.jsonl has all.
    """

    steps: int
    epochs: float
    seconds: float
    device: str
    processes: int
    warnings: list[str]


@dataclass
class TrainingState:
    """A training under way, as the loop moves it on and callbacks see it.

    Attributes:
        model: with its parts, on the device.
        rule: gives the losses.
        options: of the training.
        accelerator: device and processes.
        name: of the model in messages.
        log: takes plain lines; silent but on the first process.
        parts: an optimiser for each trained part.
        ema: the moving average of the prior, None where none is kept.
        generator: source of the rule's randomness.
        planned: steps that the schedules are made for.
        total: steps of the whole training; fewer than planned where the time does not allow them.
        step: optimiser steps done.
        scheduled: steps of the plan that are done, as far as the schedules are concerned.
        stride: how far a step goes in the plan; more than 1 where steps are left out.
        epoch: the pass over the training split, counted from 0.
        position: batches of the pass done.
        seconds: wall time of the steps, over all resumptions.
        means: of losses and figures since the last report.
        warnings: of the rule, the first of each kind.
        rate: factor of all learning rates, beside that of the schedule.
        sound: set by a callback: whether the rule had no warning for the last report.
        stopping: set by a callback to end the training after this step.
    """

    model: Trainable
    rule: Rule
    options: TrainingOptions
    accelerator: Accelerator
    name: str
    log: Callable[[str], None]
    parts: dict[str, PartOptimizer]
    ema: AveragedModel | None
    generator: torch.Generator
    planned: int
    total: int
    step: int = 0
    scheduled: float = 0.0
    stride: float = 1.0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    means: Means = field(default_factory=Means)
    warnings: list[str] = field(default_factory=list)
    rate: float = 1.0
    sound: bool = True
    stopping: bool = False

    def say_unused(self) -> None:
        """Say that there is no moving average, where the model has no prior to average."""
        ema, parts = self.options.ema, self.model.parts()
        warning = (
            f"training.ema = {ema:g} has no effect: it averages the part called prior, and the "
            f"parts of this model are {', '.join(parts)}."
        )
        if ema > 0 and "prior" not in parts and warning not in self.warnings:
            self.warnings.append(warning)
            self.log(f"{self.name}: {warning}")

    def shorten(self, total: int) -> None:
        """Let the training end at `total` steps, or where the plan does; schedules end with it."""
        left = min(max(0, total - self.step), round(self.planned - self.scheduled))
        self.total = self.step + left
        self.stride = (self.planned - self.scheduled) / left if left else 1.0

    @property
    def ended(self) -> bool:
        """Whether this step is the last one."""
        return self.stopping or self.step >= self.total

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint.

        The random states and the rule's own state (persistent chains) differ between processes;
        the weights are written by every process, which restores from its own file alone.
        """
        device = self.accelerator.device
        tensors = {f"learning/{k}": v for k, v in self.rule.state_dict().items()}
        tensors["random/generator"] = self.generator.get_state()
        tensors["random/torch"] = torch.get_rng_state()
        if device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(device)
        tensors |= {f"model/{k}": v for k, v in self.model.state_dict().items()}
        for part in self.parts.values():
            tensors |= {f"optimizer/{part.name}/{k}": v for k, v in part.state().items()}
        if self.ema is not None:
            tensors |= {f"ema/{k}": v for k, v in self.ema.state_dict().items()}
        return tensors

    def record(self) -> dict[str, Any]:
        """The JSON values of a checkpoint."""
        return {
            "total": self.total,
            "scheduled": self.scheduled,
            "stride": self.stride,
            "epoch": self.epoch,
            "position": self.position,
            "seconds": self.seconds,
            "means": self.means.state(),
            "rate": self.rate,
            "warnings": self.warnings,
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Return to the moment at which a checkpoint was written."""
        device, tensors, record = self.accelerator.device, checkpoint.tensors, checkpoint.state
        self.model.load_state_dict(_below("model/", tensors))
        for part in self.parts.values():
            part.load_state(_below(f"optimizer/{part.name}/", tensors))
        if self.ema is not None:
            self.ema.load_state_dict(_below("ema/", tensors))
        learned = {k: v.to(device) for k, v in _below("learning/", tensors).items()}
        self.rule.load_state_dict(learned, self.model)
        self.generator.set_state(tensors["random/generator"])
        torch.set_rng_state(tensors["random/torch"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random/cuda"], device)
        self.step = int(record["step"])
        if self.options.minutes:  # else the options say it
            self.total = int(record["total"])
        self.scheduled, self.stride = float(record["scheduled"]), float(record["stride"])
        if not self.options.minutes and self.stride != 1:
            self.shorten(self.total)
        self.epoch, self.position = int(record["epoch"]), int(record["position"])
        self.seconds = float(record["seconds"])
        self.means, self.rate = Means(record["means"]), float(record["rate"])
        self.warnings = list(record["warnings"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
