"""The recipe's [training] table; plain data, so that reading recipes needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["PartOptions", "TrainingOptions"]


@dataclass
class PartOptions:
    """How one part of the model is trained.

    Attributes:
        lr: learning rate; none = training.lr
        clip: largest norm of its gradient; none = no limit
        weight_decay: decoupled weight decay (AdamW); none = 0
    """

    lr: float | None = None
    clip: float | None = None
    weight_decay: float | None = None


@dataclass
class TrainingOptions:
    """How the parameters are optimised; what they minimise is the recipe's [learning] table.

    Attributes:
        epochs: passes over the training split
        max_steps: stop after so many steps, whatever epochs says
        min_steps: steps to make at least, by more epochs where the examples are few
        minutes: wall time of the steps: fewer are made where they would take longer, and a refit
            has so much fewer too; 0 = no limit
        lr: learning rate of the parts that have none of their own
        parts: options of single parts of the model, by name
        beta1: Adam's decay of the gradient's mean
        beta2: Adam's decay of the gradient's square
        schedule: how the learning rates fall: constant, cosine (to 0) or exponential (see decay)
        warmup_steps: steps over which the learning rates rise linearly from 0
        decay: factor per epoch of the exponential schedule
        ema: decay per step of the prior's moving average; 0 = off
        rollbacks: times that a diverging training goes back to its last good state, at half the
            learning rates, before it stops
        precision: no (float32) or bf16 (autocast)
        log_every: steps between two lines of metrics.jsonl
        checkpoint_every: steps between two checkpoints
        trackers: of experiments, which get what metrics.jsonl does: tensorboard, trackio, mlflow,
            wandb
        device: auto (a GPU where one is found), cpu or cuda
    """

    epochs: int = 10
    max_steps: int | None = None
    min_steps: int = 0
    minutes: float = 0.0
    lr: float = 1e-3
    parts: dict[str, PartOptions] = field(default_factory=dict)
    beta1: float = 0.9
    beta2: float = 0.999
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    warmup_steps: int = 0
    decay: float = 0.999
    ema: float = 0.0
    rollbacks: int = 0
    precision: Literal["no", "bf16"] = "no"
    log_every: int = 50
    checkpoint_every: int = 500
    trackers: list[str] = field(default_factory=list)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        """Take tables of options for those of parts, as a recipe writes them."""
        self.parts = {
            name: PartOptions(**part) if isinstance(part, Mapping) else part
            for name, part in self.parts.items()
        }

    def of(self, part: str) -> PartOptions:
        """The options of one part, defaults filled in but for `clip`, which None leaves off."""
        given = self.parts.get(part, PartOptions())
        return PartOptions(
            lr=self.lr if given.lr is None else given.lr,
            clip=given.clip,
            weight_decay=given.weight_decay or 0.0,
        )
