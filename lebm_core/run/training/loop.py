"""The training loop: it moves the parts of a model along whatever losses a learning rule returns.

Devices, autocast, processes and trackers are Accelerate's. Gradients are averaged explicitly and
the plain modules are used: DDP's hooks do not survive `autograd.grad` inside a Langevin chain.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lebm_core.data.dataset import Dataset
from lebm_core.errors import DivergenceError, Interrupted, UsageError
from lebm_core.learning.two_part import Learning
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.checkpoint import latest_checkpoint, save_checkpoint
from lebm_core.run.training.interruption import Interruption
from lebm_core.run.training.optimizers import check_options, part_optimizers, rate_factor
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.processes import (
    agreed,
    average_gradients,
    make_accelerator,
    wait_for_everyone,
)
from lebm_core.run.training.snapshot import restore, snapshot
from lebm_core.run.training.tracking import Means, MetricsFile, Progress, scalars

__all__ = ["TrainingResult", "train"]

ADVICE = {
    "prior": "lower training.lr_prior, set training.clip_prior, or bound the tilt (prior.bound)",
    "decoder": "lower training.lr_decoder or set training.clip_decoder",
    "encoder": "lower training.lr_encoder or set training.clip_encoder",
}
NUMBER = re.compile(r"-?\d[\d.e+-]*")


@dataclass
class TrainingResult:
    """What a training cost.

    Attributes:
        steps: optimiser steps.
        epochs: passes over the training split, the last one perhaps not whole.
        seconds: wall time of the steps, over all resumptions, and of what is learned after them.
        device: where it ran.
        processes: how many processes shared it.
        warnings: the drift guard's sentences, the first of each kind; metrics.jsonl has all.
    """

    steps: int
    epochs: float
    seconds: float
    device: str
    processes: int
    warnings: list[str]


def train(
    model: LatentEBM,
    dataset: Dataset,
    learning: Learning,
    options: TrainingOptions,
    *,
    batch_size: int,
    seed: int = 0,
    folder: Path,
    resume: bool = False,
    log: Callable[[str], None] = print,
    name: str = "model",
) -> TrainingResult:
    """Trains `model` in place; at the end its prior is the moving average where one is kept.

    Args:
        model: moved to the device of the options.
        dataset: its "train" split is used; the order of an epoch depends on (seed, epoch) alone.
        learning: the rule that gives the losses.
        options: the recipe's [training] table.
        batch_size: examples of a step, on each process.
        seed: seed of all randomness.
        folder: where metrics.jsonl and checkpoints/ go.
        resume: go on from the newest whole checkpoint; exact on the same machine, on a GPU as
            far as its kernels are deterministic (those of recurrent nets are not).
        log: takes plain lines.
        name: what messages call the model.

    Raises:
        UsageError: for options that are not possible, an empty split, or a folder in use.
        DivergenceError: when a loss, a gradient or a chain is not finite, or f runs away; the last
            checkpoint is left as it is.
        Interrupted: after SIGINT, the step finished and saved.
    """
    check_options(options)
    if dataset.length("train") == 0:
        raise UsageError("The training split has no examples.")
    if batch_size < 1:
        raise UsageError(f"data.batch_size must be at least 1, not {batch_size}.")
    training = _Training(model, dataset, learning, options, batch_size, seed, folder, log, name)
    try:
        return training.run(resume)
    finally:
        training.close()


class _Training:
    """A training under way: everything that a checkpoint holds, and the loop over it."""

    def __init__(
        self,
        model: LatentEBM,
        dataset: Dataset,
        learning: Learning,
        options: TrainingOptions,
        batch_size: int,
        seed: int,
        folder: Path,
        log: Callable[[str], None],
        name: str,
    ) -> None:
        self.accelerator = accelerator = make_accelerator(options, folder)
        self.main = accelerator.is_main_process
        self.model, self.dataset, self.learning, self.options = model, dataset, learning, options
        self.batch_size, self.seed, self.folder, self.name = batch_size, seed, folder, name
        self.log = log if self.main else lambda text: None
        model.to(accelerator.device)
        learning.prepare(model, dataset, seed)
        self.parts = part_optimizers(model, options)
        self.ema: AveragedModel | None = None
        if options.ema > 0 and "prior" in self.parts:
            average = get_ema_multi_avg_fn(options.ema)
            self.ema = AveragedModel(model.prior, multi_avg_fn=average)
        rank = accelerator.process_index
        self.generator = torch.Generator(accelerator.device).manual_seed(_mix(seed, 1, rank))
        torch.manual_seed(_mix(seed, 2, rank))
        self.means = Means()
        self.warnings: list[str] = []
        self.step = self.epoch = self.position = 0
        self.seconds = 0.0
        self.batches = self._order(0)
        whole = options.epochs * len(self.batches)
        self.total = whole if options.max_steps is None else min(whole, options.max_steps)
        self.metrics: MetricsFile | None = None
        self.progress: Progress | None = None

    def run(self, resume: bool) -> TrainingResult:
        self._start(resume)
        began, before = time.monotonic(), self.seconds
        saved = self.step if self.step else -1
        self.model.train()
        with Interruption() as interruption:
            for index in self._remaining():
                self._advance(index)
                self.seconds = before + time.monotonic() - began
                ended = self.step >= self.total
                stop = agreed(self.accelerator, interruption.asked)
                if self.step % self.options.log_every == 0 or ended:
                    self._report()
                if stop or ended or self.step % self.options.checkpoint_every == 0:
                    self._save()
                    saved = self.step
                if stop:
                    raise Interrupted(
                        f"Interrupted at step {self.step} of {self.total}; saved in {self.folder}: "
                        "--resume goes on from there."
                    )
        if saved != self.step:
            self._save()
        if self.ema is not None:
            self.model.prior.load_state_dict(self.ema.module.state_dict())
        self.model.eval()
        began = time.monotonic()
        self.learning.finish(
            self.model, self.dataset, self.generator, lambda line: self.log(f"{self.name}: {line}")
        )
        self.seconds += time.monotonic() - began
        epochs = self.epoch + self.position / max(1, len(self.batches))
        device, processes = str(self.accelerator.device.type), self.accelerator.num_processes
        return TrainingResult(self.step, epochs, self.seconds, device, processes, self.warnings)

    def close(self) -> None:
        """Closes files and bars; checkpoints are left as they are."""
        if self.progress is not None:
            self.progress.close()
        if self.metrics is not None:
            self.metrics.close()
        for tracker in self.accelerator.trackers:
            tracker.finish()

    def _start(self, resume: bool) -> None:
        checkpoints = self.folder / "checkpoints"
        if not resume and any(checkpoints.glob("step-*")):
            raise UsageError(
                f"{self.folder} already holds checkpoints: resume, or choose another folder."
            )
        wait_for_everyone(self.accelerator)
        if resume:
            rank = self.accelerator.process_index
            found = latest_checkpoint(checkpoints, self.log, rank=rank)
            if found is not None:
                restore(self, found)
                self.log(f"{self.name}: goes on from step {self.step} of {self.total}.")
            elif any(checkpoints.glob("damaged-*")):
                self.log(f"{self.name}: no checkpoint is whole, so it starts anew.")
        if self.main:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.metrics = MetricsFile(self.folder, self.step)
        self.progress = Progress(self.name, self.total, self.step, self.log, self.main)

    def _remaining(self) -> Iterator[Tensor]:
        """Index tensors of the steps still to do, with epoch and position kept up to date."""
        while self.step < self.total:
            if self.position >= len(self.batches):
                self.epoch, self.position = self.epoch + 1, 0
                if self.epoch >= self.options.epochs:
                    return
                self.batches = self._order(self.epoch)
            self.position += 1
            yield self.batches[self.position - 1]

    def _order(self, epoch: int) -> list[Tensor]:
        """This process's share of an epoch; shares are of equal length."""
        generator = torch.Generator().manual_seed(_mix(self.seed, 3, epoch))
        order = self.dataset.order("train", self.batch_size, generator)
        processes = self.accelerator.num_processes
        order += order[: -len(order) % processes]
        return order[self.accelerator.process_index :: processes]

    def _advance(self, index: Tensor) -> None:
        batch = self.dataset.batch("train", index).to(self.accelerator.device)
        try:
            with self.accelerator.autocast():
                outcome = self.learning(
                    self.model, batch, progress=self.step / self.total, generator=self.generator
                )
        except DivergenceError as error:
            raise self._diverged(str(error)) from error
        for part in self.parts.values():
            part.optimizer.zero_grad(set_to_none=True)
        trained = [loss for loss in outcome.losses.values() if loss.requires_grad]
        if trained:
            self.accelerator.backward(torch.stack([loss.float() for loss in trained]).sum())
        moved = average_gradients(self.accelerator, self.parts.values())
        norms = {part.name: part.norm() for part in moved}
        self._check_finite(outcome.losses, norms)
        factor = rate_factor(self.options, self.step, self.total, self.epoch)
        for part in moved:
            part.step(norms[part.name], factor)
        if self.ema is not None:
            self.ema.update_parameters(self.model.prior)
        self.step += 1
        self.means.add(scalars(outcome.losses, outcome.metrics))
        self.means.add({f"gradient/{name}": norm for name, norm in norms.items()})
        self.means.add({"examples": float(len(index))})
        if self.progress is not None:
            self.progress.advance()

    def _check_finite(self, losses: dict[str, Tensor], norms: dict[str, Tensor]) -> None:
        values = {("loss", k): v.detach().float().reshape(()) for k, v in losses.items()}
        values |= {("gradient", k): v.float() for k, v in norms.items()}
        if not values:
            return
        numbers = torch.stack(list(values.values()))
        if self.accelerator.num_processes > 1:  # all processes stop, or none
            numbers = self.accelerator.reduce(numbers, "sum")
        for (kind, part), number in zip(values, numbers.tolist(), strict=True):
            if not math.isfinite(number):
                advice = ADVICE.get(part, "lower the learning rates")
                raise self._diverged(f"The {kind} of the {part} is {number}: {advice}.")

    def _diverged(self, reason: str, step: int | None = None) -> DivergenceError:
        kept = sorted((self.folder / "checkpoints").glob("step-*"))
        saved = f"the last checkpoint is {kept[-1].name}" if kept else "there is no checkpoint yet"
        return DivergenceError(f"{self.name}, step {step or self.step + 1}: {reason} ({saved})")

    def _report(self) -> None:
        means = self.means.take()
        record: dict[str, Any] = {
            "step": self.step,
            "epoch": round(self.epoch + self.position / len(self.batches), 4),
            **means,
        }
        factor = rate_factor(self.options, self.step - 1, self.total, self.epoch)
        record |= {f"lr/{part.name}": part.lr * factor for part in self.parts.values()}
        record["seconds"] = round(self.seconds, 3)
        if self.metrics is not None:
            self.metrics.write(record)
        self.accelerator.log({k: v for k, v in record.items() if k != "step"}, step=self.step)
        warnings: list[str] = []
        stop = ""
        try:
            warnings = self.learning.warnings(means)
        except DivergenceError as error:
            stop = str(error)
        if agreed(self.accelerator, bool(stop)):
            raise self._diverged(stop or "Another process has diverged.", self.step)
        for warning in warnings:
            if self.metrics is not None:
                self.metrics.write({"step": self.step, "warning": warning})
            kind = NUMBER.sub("#", warning)
            if all(NUMBER.sub("#", known) != kind for known in self.warnings):
                self.warnings.append(warning)
                self.log(f"{self.name}, step {self.step}: {warning}")
        if self.progress is not None:
            self.progress.report(means)

    def _save(self) -> None:
        tensors, state = snapshot(self)
        save_checkpoint(
            self.folder / "checkpoints",
            self.step,
            tensors,
            state,
            rank=self.accelerator.process_index,
            barrier=partial(wait_for_everyone, self.accelerator),
        )


def _mix(seed: int, stream: int, number: int) -> int:
    """A seed of its own for each stream of random numbers."""
    return (seed * 1_000_003 + stream * 7_919 + number * 104_729) % 2**63
