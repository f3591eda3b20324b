"""The recipe's [training] table; plain data, so that reading recipes needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["TrainingOptions"]


def _option(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    metadata: dict[str, Any] = {"help": help}
    if choices:
        metadata["choices"] = choices
    return field(default=default, metadata=metadata)


@dataclass
class TrainingOptions:
    """How the parameters are moved; what moves them is the recipe's [learning] table."""

    epochs: int = _option(10, "passes over the training split")
    max_steps: int | None = _option(None, "stop after so many steps, whatever epochs says")
    lr_prior: float = _option(1e-4, "learning rate of the prior's energy")
    lr_decoder: float = _option(1e-3, "learning rate of the decoder")
    lr_encoder: float = _option(1e-3, "learning rate of the encoder")
    beta1: float = _option(0.9, "Adam's decay of the gradient's mean")
    beta2: float = _option(0.999, "Adam's decay of the gradient's square")
    weight_decay_prior: float = _option(0.0, "decoupled weight decay (AdamW) of the prior")
    weight_decay_decoder: float = _option(0.0, "decoupled weight decay of the decoder")
    weight_decay_encoder: float = _option(0.0, "decoupled weight decay of the encoder")
    schedule: str = _option(
        "constant",
        'how the learning rates fall: "constant", "cosine" (to 0) or "exponential" (see decay)',
        ("constant", "cosine", "exponential"),
    )
    warmup_steps: int = _option(0, "steps over which the learning rates rise linearly from 0")
    decay: float = _option(0.999, "factor per epoch of the exponential schedule")
    clip_prior: float | None = _option(None, "largest gradient norm of the prior; none = no limit")
    clip_decoder: float | None = _option(None, "largest gradient norm of the decoder")
    clip_encoder: float | None = _option(None, "largest gradient norm of the encoder")
    ema: float = _option(0.0, "decay per step of the prior's moving average; 0 = off")
    precision: str = _option("no", '"no" (float32) or "bf16" (autocast)', ("no", "bf16"))
    log_every: int = _option(50, "steps between two lines of metrics.jsonl")
    checkpoint_every: int = _option(500, "steps between two checkpoints")
    tensorboard: bool = _option(False, "write TensorBoard events too")
    device: str = _option(
        "auto", '"auto" (a GPU where one is found), "cpu" or "cuda"', ("auto", "cpu", "cuda")
    )
