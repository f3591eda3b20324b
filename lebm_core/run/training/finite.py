"""The check that losses and gradients are finite."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping

import torch
from accelerate import Accelerator
from torch import Tensor

from lebm_core.errors import DivergenceError

__all__ = ["check_finite"]


def check_finite(
    accelerator: Accelerator,
    losses: Mapping[str, Tensor],
    norms: Mapping[str, Tensor],
    parts: Container[str],
) -> None:
    """Stop all processes where a loss or gradient norm of any is not finite.

    Args:
        accelerator: of the training.
        losses: scalars by part.
        norms: of the gradients, by part.
        parts: names of the parts that have options of their own.

    Raises:
        DivergenceError: naming the part and the options to change.
    """
    values = {("loss", k): v.detach().float().reshape(()) for k, v in losses.items()}
    values |= {("gradient", k): v.float() for k, v in norms.items()}
    if not values:
        return
    numbers = torch.stack(list(values.values()))
    if accelerator.num_processes > 1:
        numbers = accelerator.reduce(numbers, "sum")
    for (kind, part), number in zip(values, numbers.tolist(), strict=True):
        if not math.isfinite(number):
            advice = _advice(part) if part in parts else "lower training.lr"
            raise DivergenceError(f"The {kind} of the {part} is {number}: {advice}.")


def _advice(part: str) -> str:
    key = f"training.parts.{part}"
    bound = ", or bound the tilt (prior.bound)" if part == "prior" else ""
    return f"lower {key}.lr, or set {key}.clip{bound}"
