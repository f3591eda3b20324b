"""The log-density that a chain on a tilted prior follows, with its gradient in closed form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from lebm_core.priors.energy import Affine, Energy, Pullback
from lebm_core.priors.fused_step import Leap

if TYPE_CHECKING:
    from lebm_core.priors.ebm import EBMPrior

__all__ = ["TiltTarget", "pick"]

Stage = tuple[Tensor, Pullback]


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
        self.width, self.bound = std, prior.bound
        self.one = cast(Tensor, prior.std).new_ones(1)
        self.constant = (
            -d * math.log(2 * std)
            if prior.uniform_reference
            else -0.5 * d * math.log(2 * math.pi * std**2)
        )

    def given(self, z: Tensor) -> Tensor | None:
        """The context of each z; z may hold k codes for each row of it, row by row."""
        if self.context is None or self.context.shape[0] == z.shape[0]:
            return self.context
        return self.context.repeat_interleave(len(z) // len(self.context), 0)

    def __call__(self, z: Tensor) -> Tensor:
        context = self.given(z)
        stages = (self.prior.stage_logits(k, z, context) for k in range(self.stages))
        return self._value(self.tilt(sum(stages, z.new_zeros(1))), z)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        stages = self._stages(z)
        return self._value(self.tilt(self._logits(stages, z)), z), self._gradient(z, stages)

    def gradient(self, z: Tensor) -> Tensor:
        """The gradient alone, (B, d): what an untraced chain needs."""
        return self._gradient(z, self._stages(z))

    def tilt(self, logits: Tensor) -> Tensor:
        """f, or F_y, out of the logits F (B, C); (B,)."""
        return logits.logsumexp(-1) if self.y is None else pick(logits, self.y)

    def slope(self, logits: Tensor) -> Tensor:
        """The gradient of `tilt` by the logits, (B, C)."""
        weight = logits.softmax(-1)
        if self.y is None:
            return weight
        one = nn.functional.one_hot(self.y.clamp(min=0), logits.shape[-1]).to(logits.dtype)
        return torch.where(self.y[:, None] < 0, weight, one)

    def leap(self, half: float, rows: int) -> Leap | None:
        """A quicker step for an untraced chain of `rows` states, or None where there is none."""
        alone = len(self.tilts) == 1 and len(self.layers[0][-1].bias) == 1
        if not alone or len(self.layers[0]) < 2:
            return None
        first, *above = self.layers[0]
        if self.context is not None:  # it rests in a chain: its share of the first layer is a bias
            d, k = self.prior.latent_dim, rows // len(self.context)
            given = self.context.to(first.bias.dtype)
            bias = torch.addmm(first.bias, given, first.transposed[d:])
            if k > 1:
                bias = bias.repeat_interleave(k, 0)
            weight = first.weight[:, :d].contiguous()
            first = Affine(weight, weight.T, bias)
        activation, layers = self.tilts[0].activation, [first, *above]
        return Leap(layers, activation, self.bound, self.precision, half, rows)

    def _value(self, f: Tensor, z: Tensor) -> Tensor:
        """f + log p0(z), -inf outside the box of a uniform p0."""
        value = f - 0.5 * self.precision * z.square().sum(-1) + self.constant
        if not self.prior.uniform_reference:
            return value
        outside = (z.abs() > self.width).any(-1)
        return value.masked_fill(outside, -torch.inf)

    def _stages(self, z: Tensor) -> list[Stage]:
        """Of each stage the logits, tanh(F/C) where they are bounded, and the way back to z."""
        context = self.given(z)
        scale = 1.0 if self.bound is None else 1 / self.bound
        stages = []
        for tilt, layers in zip(self.tilts, self.layers, strict=True):
            values, pullback = tilt.value_and_pullback(z, context, layers, scale)
            stages.append((values if self.bound is None else values.tanh_(), pullback))
        return stages

    def _logits(self, stages: list[Stage], z: Tensor) -> Tensor:
        if not stages:
            return z.new_zeros(len(z), 1)
        total = torch.stack([values for values, _ in stages]).sum(0)
        return total if self.bound is None else self.bound * total

    def _gradient(self, z: Tensor, stages: list[Stage]) -> Tensor:
        weight: Tensor | None = None  # df/dF; of a single logit it is 1
        if stages and stages[0][0].shape[-1] > 1:
            weight = self.slope(self._logits(stages, z))
        if not stages:
            return z * -self.precision
        if weight is None:
            weight = self.one
        gradient, share = z, -self.precision
        for values, pullback in stages:
            if self.bound is None:
                slope = weight.expand_as(values)
            else:
                slope = torch.ops.aten.tanh_backward(weight, values)  # weight (1 - tanh^2)
            gradient, share = pullback(slope, gradient, share), 1.0
        return gradient


def pick(logits: Tensor, y: Tensor) -> Tensor:
    """F_y(z), or logsumexp F(z) where y is -1 (unknown)."""
    chosen = logits.gather(-1, y.clamp(min=0)[:, None]).squeeze(-1)
    return torch.where(y < 0, logits.logsumexp(-1), chosen)
