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

Slope = tuple[Tensor, Callable[[Tensor], Tensor]]


class TiltTarget:
    """f + log p0 of an `EBMPrior` (or F_y + log p0), with its gradient in closed form."""

    def __init__(
        self,
        prior: EBMPrior,
        y: Tensor | None,
        context: Tensor | None,
        stages: int,
        half_rows: int = 0,
    ) -> None:
        self.tilts = cast(list[Energy], list(prior.tilts)[:stages])
        self.layers = [tilt.affine(half_rows) for tilt in self.tilts]
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
        bounded, slopes = self._stages(z)
        logits = torch.stack(bounded).sum(0) if bounded else z.new_zeros(len(z), 1)
        f = logits.logsumexp(-1) if self.y is None else pick(logits, self.y)
        value = f - 0.5 * self.precision * z.square().sum(-1) + self.constant
        return value, self._gradient(z, bounded, slopes)

    def gradient(self, z: Tensor) -> Tensor:
        """The gradient alone, (B, d): what an untraced chain needs."""
        return self._gradient(z, *self._stages(z))

    def _stages(self, z: Tensor) -> tuple[list[Tensor], list[Slope]]:
        """The logits of each stage; and their derivatives by its raw output, with the way to z."""
        bound, context = self.prior.bound, self.given(z)
        bounded, slopes = [], []
        for tilt, layers in zip(self.tilts, self.layers, strict=True):
            logits, pullback = tilt.value_and_pullback(z, context, layers)
            slope = torch.ones_like(logits)
            if bound is not None:
                squashed = torch.tanh(logits / bound)
                logits, slope = squashed * bound, slope - squashed.square()
            bounded.append(logits)
            slopes.append((slope, pullback))
        return bounded, slopes

    def _gradient(self, z: Tensor, bounded: list[Tensor], slopes: list[Slope]) -> Tensor:
        weight: Tensor | None = None  # df/dF; of a single logit it is 1
        if bounded and bounded[0].shape[-1] > 1:
            logits = torch.stack(bounded).sum(0)
            weight = logits.softmax(-1)
            if self.y is not None:
                one = nn.functional.one_hot(self.y.clamp(min=0), logits.shape[-1]).to(z.dtype)
                weight = torch.where(self.y[:, None] < 0, weight, one)
        gradient = z * -self.precision
        for slope, pullback in slopes:
            gradient += pullback(slope if weight is None else weight * slope)
        return gradient


def pick(logits: Tensor, y: Tensor) -> Tensor:
    """F_y(z), or logsumexp F(z) where y is -1 (unknown)."""
    chosen = logits.gather(-1, y.clamp(min=0)[:, None]).squeeze(-1)
    return torch.where(y < 0, logits.logsumexp(-1), chosen)
