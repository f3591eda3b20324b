"""The log-density that a chain on a tilted prior follows, with its gradient in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from lebm_core.energy import Energy

if TYPE_CHECKING:
    from lebm_core.prior import EBMPrior

__all__ = ["TiltTarget", "pick"]


class TiltTarget:
    """f + log p0 of an `EBMPrior` (or F_y + log p0), with its gradient in closed form."""

    def __init__(
        self,
        prior: EBMPrior,
        y: Tensor | None,
        context: Tensor | None,
        stages: int,
        half: bool = False,
    ) -> None:
        tilts = cast(list[Energy], list(prior.tilts)[:stages])
        self.half = [tilt.half_weights() if half else None for tilt in tilts]
        self.prior, self.y, self.context, self.stages = prior, y, context, stages
        self.precision = 0.0 if prior.uniform_reference else float(prior.std) ** -2  # type: ignore[arg-type]
        d, std = prior.latent_dim, float(prior.std)  # type: ignore[arg-type]
        self.constant = (
            -d * math.log(2 * std)
            if prior.uniform_reference
            else -0.5 * d * math.log(2 * math.pi * std**2)
        )

    def given(self, z: Tensor) -> Tensor | None:
        """The context of each z; z may hold k codes for each row of it, row by row."""
        if self.context is None or len(self.context) == len(z):
            return self.context
        return self.context.repeat_interleave(len(z) // len(self.context), 0)

    def __call__(self, z: Tensor) -> Tensor:
        context = self.given(z)
        stages = (self.prior.stage_logits(k, z, context) for k in range(self.stages))
        logits = sum(stages, z.new_zeros(1))
        f = logits.logsumexp(-1) if self.y is None else pick(logits, self.y)
        return f - 0.5 * self.precision * z.square().sum(-1) + self.constant

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        bound, context = self.prior.bound, self.given(z)
        logits = z.new_zeros(1)
        parts: list[tuple[Tensor | None, Callable[[Tensor], Tensor]]] = []
        for k in range(self.stages):
            tilt: Energy = self.prior.tilts[k]  # type: ignore[assignment]
            raw, pullback = tilt.value_and_pullback(z, context, self.half[k])
            if bound is None:
                parts.append((None, pullback))
                logits = logits + raw
            else:
                squashed = torch.tanh(raw / bound)
                parts.append((1 - squashed.square(), pullback))
                logits = logits + bound * squashed
        if self.y is not None:
            f = pick(logits, self.y)
            one = nn.functional.one_hot(self.y.clamp(min=0), logits.shape[-1]).to(z.dtype)
            weight = torch.where(self.y[:, None] < 0, logits.softmax(-1), one)
        elif logits.shape[-1] == 1:
            f, weight = logits.squeeze(-1), torch.ones_like(logits)
        else:
            f, weight = logits.logsumexp(-1), logits.softmax(-1)
        gradient = z * -self.precision
        for slope, pullback in parts:
            gradient += pullback(weight if slope is None else weight * slope)
        return f - 0.5 * self.precision * z.square().sum(-1) + self.constant, gradient


def pick(logits: Tensor, y: Tensor) -> Tensor:
    """F_y(z), or logsumexp F(z) where y is -1 (unknown)."""
    chosen = logits.gather(-1, y.clamp(min=0)[:, None]).squeeze(-1)
    return torch.where(y < 0, logits.logsumexp(-1), chosen)
