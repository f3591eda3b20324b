"""The training loop: minimise the losses of a learning rule over the parts of a model.

Devices, autocast and processes are Accelerate's. Gradients are averaged explicitly and the plain
modules are used: DDP's hooks do not survive `autograd.grad` inside a Langevin chain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lebm_core.data.dataset import Dataset
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.learning.rules import Rule
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.optimizers import (
    Trainable,
    check_options,
    part_optimizers,
    rate_factor,
)
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.processes import average_gradients, check_finite, make_accelerator
from lebm_core.run.training.rollback import Rollbacks
from lebm_core.run.training.state import TrainingResult, TrainingState

__all__ = ["train"]


def train(
    model: Trainable,
    dataset: Dataset,
    rule: Rule,
    options: TrainingOptions,
    *,
    batch_size: int,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    log: Callable[[str], None] = print,
    name: str = "model",
) -> TrainingResult:
    """Train `model` in place; at the end its prior is the moving average where one is kept.

    Args:
        model: with `parts()`; moved to the device of the options.
        dataset: its "train" split is used; the order of an epoch depends on (seed, epoch) alone.
        rule: the learning rule that gives the losses.
        options: of the training.
        batch_size: examples of a step, on each process.
        seed: of all randomness.
        callbacks: called in this order, `run_callbacks` for those of a recipe.
        log: takes plain lines.
        name: of the model in messages.

    Raises:
        UsageError: for options that are not possible, or an empty split.
        DivergenceError: when a loss, a gradient or a chain is not finite.
    """
    check_options(options)
    if dataset.length("train") == 0:
        raise UsageError("The training split has no examples.")
    if batch_size < 1:
        raise UsageError(f"data.batch_size = {batch_size} is too small; use at least 1.")
    return _Loop(model, dataset, rule, options, batch_size, seed, callbacks, log, name).run()


class _Loop:
    """The steps of a training; its state is apart, for checkpoints and callbacks."""

    def __init__(
        self,
        model: Trainable,
        dataset: Dataset,
        rule: Rule,
        options: TrainingOptions,
        batch_size: int,
        seed: int,
        callbacks: Sequence[Callback],
        log: Callable[[str], None],
        name: str,
    ) -> None:
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.callbacks, self.options = callbacks, options
        self.accelerator = accelerator = make_accelerator(options)
        model.to(accelerator.device)
        rule.prepare(model, dataset, seed)
        parts = part_optimizers(model, options)
        ema = None
        if options.ema > 0 and "prior" in parts:
            average = get_ema_multi_avg_fn(options.ema)
            ema = AveragedModel(model.parts()["prior"], multi_avg_fn=average)
        rank = accelerator.process_index
        generator = torch.Generator(accelerator.device).manual_seed(_mix(seed, 1, rank))
        torch.manual_seed(_mix(seed, 2, rank))
        self.batches = self._order(0)
        total = max(options.epochs * len(self.batches), options.min_steps)
        if options.max_steps is not None:
            total = min(total, options.max_steps)
        if options.rollbacks and accelerator.num_processes > 1:
            raise UsageError("training.rollbacks is for a training of one process; use 0.")
        self.rollbacks, self.factor = Rollbacks(options.rollbacks), 1.0  # of the learning rates
        quiet = log if accelerator.is_main_process else _silent
        self.state = TrainingState(
            model,
            rule,
            options,
            accelerator,
            name,
            quiet,
            parts,
            ema,
            generator,
            total,
            total,
        )

    def run(self) -> TrainingResult:
        try:
            for callback in self.callbacks:
                callback.on_start(self.state)
            self.state.say_unused()
            self.rollbacks.keep(self.state)
            self._steps()
            for callback in self.callbacks:
                callback.on_end(self.state)
            self._finish()
        finally:
            for callback in self.callbacks:
                callback.close(self.state)
        state, accelerator = self.state, self.accelerator
        epochs = state.epoch + state.position / max(1, len(self.batches))
        return TrainingResult(
            state.step, epochs, state.seconds, str(accelerator.device.type),
            accelerator.num_processes, state.warnings,
        )  # fmt: skip

    def _steps(self) -> None:
        state = self.state
        began, before = time.monotonic(), state.seconds
        self.batches = self._order(state.epoch)
        state.model.train()
        while not state.ended:
            if state.position >= len(self.batches):
                state.epoch, state.position = state.epoch + 1, 0
                self.batches = self._order(state.epoch)
            state.position, at = state.position + 1, state.step + 1
            try:
                self._advance(self.batches[state.position - 1])
                state.seconds = before + time.monotonic() - began
                for callback in self.callbacks:
                    callback.after_update(state)
                if state.position == len(self.batches):
                    for callback in self.callbacks:
                        callback.after_epoch(state)
                if state.step % self.options.log_every == 0 or state.ended:
                    self._report()
                    self.rollbacks.keep(state)
            except DivergenceError as error:
                if not self.rollbacks.back(state, at, error):
                    raise self._located(error, at) from error
                self.batches = self._order(state.epoch)
                for callback in self.callbacks:
                    callback.after_rollback(state)
                continue
            for callback in self.callbacks:
                callback.after_step(state)

    def _order(self, epoch: int) -> list[Tensor]:
        """This process's share of an epoch; shares are of equal length."""
        generator = torch.Generator().manual_seed(_mix(self.seed, 3, epoch))
        order = self.dataset.order("train", self.batch_size, generator)
        processes = self.accelerator.num_processes
        order += order[: -len(order) % processes]
        return order[self.accelerator.process_index :: processes]

    def _advance(self, index: Tensor) -> None:
        state = self.state
        batch = self.dataset.batch("train", index).to(self.accelerator.device)
        progress = state.scheduled / state.planned
        with self.accelerator.autocast():
            outcome = state.rule(state.model, batch, progress=progress, generator=state.generator)
        for part in state.parts.values():
            part.forget()
        trained = [loss for loss in outcome.losses.values() if loss.requires_grad]
        if trained:
            self.accelerator.backward(torch.stack([loss.float() for loss in trained]).sum())
        moved = average_gradients(self.accelerator, state.parts.values())
        norms = {part.name: part.norm() for part in moved}
        check_finite(self.accelerator, outcome.losses, norms, state.parts)
        self.factor = self._rate(state.scheduled)
        for part in moved:
            part.step(norms[part.name], self.factor)
        if state.ema is not None:
            state.ema.update_parameters(state.model.parts()["prior"])
        state.step, state.scheduled = state.step + 1, state.scheduled + state.stride
        state.means.add({f"loss/{part}": loss for part, loss in outcome.losses.items()})
        state.means.add(outcome.metrics)
        state.means.add({f"gradient/{part}": norm for part, norm in norms.items()})
        state.means.add({"examples": float(len(index))})

    def _report(self) -> None:
        state = self.state
        record: dict[str, Any] = {
            "step": state.step,
            "epoch": round(state.epoch + state.position / len(self.batches), 4),
            **state.means.take(),
        }
        record |= {f"lr/{part.name}": part.lr * self.factor for part in state.parts.values()}
        record["seconds"] = round(state.seconds, 3)
        for callback in self.callbacks:
            callback.after_report(state, record)

    def _rate(self, scheduled: float) -> float:
        """The factor of all learning rates."""
        state = self.state
        return state.rate * rate_factor(self.options, scheduled, state.planned, state.epoch)

    def _finish(self) -> None:
        """Take the average as the prior, and let the rule learn what comes after training."""
        state = self.state
        if state.ema is not None:
            state.model.parts()["prior"].load_state_dict(state.ema.module.state_dict())
        state.model.eval()
        began = time.monotonic()
        state.rule.finish(
            state.model, self.dataset, state.generator,
            lambda line: state.log(f"{state.name}: {line}"),
            min(1.0, state.step / state.planned) if state.options.minutes else 1.0,
        )  # fmt: skip
        state.seconds += time.monotonic() - began

    def _located(self, error: DivergenceError, step: int) -> DivergenceError:
        notes = ", ".join(filter(None, (callback.note() for callback in self.callbacks)))
        kept = f" ({notes})" if notes else ""
        return DivergenceError(f"{self.state.name}, step {step}: {error}{kept}")


def _silent(line: str) -> None:
    """The log of all processes but the first."""


def _mix(seed: int, stream: int, number: int) -> int:
    """A seed for each stream of random numbers."""
    return (seed * 1_000_003 + stream * 7_919 + number * 104_729) % 2**63
