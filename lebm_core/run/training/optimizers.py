"""One optimiser for each part of a model, and the schedule of their learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lebm_core.base.schedules import cosine
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.run.training.options import TrainingOptions

__all__ = [
    "PartOptimizer",
    "Trainable",
    "check_options",
    "check_parts",
    "part_optimizers",
    "rate_factor",
]


SCHEDULES = ("constant", "cosine", "exponential")


class Trainable(Protocol):
    """A model that can be trained: an `nn.Module` whose parts are optimised separately."""

    def parts(self) -> dict[str, nn.Module]: ...

    def to(self, device: torch.device) -> Any: ...

    def train(self, mode: bool = True) -> Any: ...

    def eval(self) -> Any: ...

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...


@dataclass
class PartOptimizer:
    """AdamW for one part (Adam where its weight decay is 0), with gradient clipping.

    Attributes:
        name: of the part.
        parameters: trained parameters; one that two parts share belongs to the first.
        lr: learning rate before the schedule.
        clip: largest gradient norm, None for no limit.
    """

    name: str
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    lr: float
    clip: float | None

    def forget(self) -> None:
        """Forget the gradient; as the optimiser's `zero_grad`, at a tenth of its time."""
        for p in self.parameters:
            p.grad = None

    def norm(self) -> Tensor:
        """The norm of the gradient over all parameters of the part, a scalar."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return nn.utils.get_total_norm(gradients)

    def step(self, norm: Tensor, factor: float) -> None:
        """Clip the gradient, whose norm is given, and take a step at `lr * factor`."""
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * factor
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """The optimiser's moments as named tensors, "INDEX/NAME"."""
        state = self.optimizer.state_dict()["state"]
        return {f"{i}/{name}": value for i, each in state.items() for name, value in each.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore the result of `state`."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, _, name = key.partition("/")
            state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        # The fused update goes through memory: moments must lie as their parameter does, and a
        # file keeps no such order (channels last).
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape and value.stride() != parameter.stride():
                    moments[name] = torch.empty_like(parameter).copy_(value).detach()


def part_optimizers(model: Trainable, options: TrainingOptions) -> dict[str, PartOptimizer]:
    """Make an optimiser for each part that has parameters to train, in the model's order.

    Raises:
        UsageError: for options of a part that the model does not have.
    """
    check_parts(model, options)
    taken: set[int] = set()
    optimizers = {}
    for name, module in model.parts().items():
        parameters = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
        taken.update(id(p) for p in parameters)
        if not parameters:
            continue
        part = options.of(name)
        lr = float(part.lr or 0.0)
        optimizer = torch.optim.AdamW(
            parameters,
            lr=lr,
            betas=(options.beta1, options.beta2),
            weight_decay=part.weight_decay or 0.0,
            fused=True,
        )
        optimizers[name] = PartOptimizer(name, parameters, optimizer, lr, part.clip)
    return optimizers


def check_parts(model: Trainable, options: TrainingOptions) -> None:
    """Refuse options of a part that the model does not have.

    Raises:
        UsageError: naming it and the nearest.
    """
    parts = model.parts()
    for name in options.parts:
        # An attribute that is None is a part that this kind of model may have: no encoder.
        if name not in parts and getattr(model, name, model) is not None:
            raise UsageError(
                f'training.parts has "{name}", but this model has no such part.'
                f"{did_you_mean(name, parts)} Its parts are {', '.join(parts)}."
            )


def rate_factor(options: TrainingOptions, step: float, total: int, epoch: int) -> float:
    """The factor of all learning rates at a step (counted from 0), or between two."""
    warmup = options.warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    if options.schedule == "cosine":
        return cosine((step - warmup) / max(1, total - warmup))
    if options.schedule == "exponential":
        return float(options.decay**epoch)
    return 1.0


def check_options(options: TrainingOptions) -> None:
    """Refuse values that no training can run with.

    Raises:
        UsageError: naming the key, the value and what is accepted; for a GPU that is not there.
    """
    max_steps = options.max_steps
    rules: list[tuple[str, object, bool, str]] = [
        (key, getattr(options, key), good, accepted)
        for key, good, accepted in [
            ("epochs", options.epochs >= 1, "at least 1"),
            ("max_steps", max_steps is None or max_steps >= 1, "at least 1, or none"),
            ("min_steps", options.min_steps >= 0, "0 or more"),
            ("rollbacks", 0 <= options.rollbacks <= 1000, "0 to 1000"),
            ("minutes", 0 <= options.minutes < math.inf, "0 (no limit) or more"),
            ("lr", 0 <= options.lr < math.inf, "0 or more"),
            ("beta1", 0 <= options.beta1 < 1, "0 to below 1"),
            ("beta2", 0 <= options.beta2 < 1, "0 to below 1"),
            ("schedule", options.schedule in SCHEDULES, ", ".join(SCHEDULES)),
            ("warmup_steps", options.warmup_steps >= 0, "0 or more"),
            ("decay", 0 < options.decay <= 1, "above 0 and at most 1"),
            ("ema", 0 <= options.ema < 1, "0 (off) to below 1"),
            ("precision", options.precision in ("no", "bf16"), "no or bf16"),
            ("log_every", options.log_every >= 1, "at least 1"),
            ("checkpoint_every", options.checkpoint_every >= 1, "at least 1"),
            ("device", options.device in ("auto", "cpu", "cuda"), "auto, cpu or cuda"),
        ]
    ]
    for name, part in options.parts.items():
        lr, clip, decay = part.lr, part.clip, part.weight_decay
        rules += [
            (f"parts.{name}.lr", lr, lr is None or 0 <= lr < math.inf, "0 or more"),
            (f"parts.{name}.clip", clip, clip is None or clip > 0, "above 0, or none"),
            (f"parts.{name}.weight_decay", decay, decay is None or decay >= 0, "0 or more"),
        ]
    for key, value, good, accepted in rules:
        if not good:
            raise UsageError(f"training.{key} = {value} is not possible; use {accepted}.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError('training.device = "cuda", but no GPU is found here; use "auto" or "cpu".')
