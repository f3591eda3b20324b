"""The log-density that a chain on a tilted prior follows, with its gradient in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lebm_core.base.randomness import standard_normal, uniform
from lebm_core.chains.densities import LogDensity
from lebm_core.priors.energy import Affine, Energy, Pullback
from lebm_core.priors.fused_step import FusedLangevinStep

__all__ = ["LogSumExp", "Readout", "ReadsLogits", "Reference", "TiltTarget", "pick"]

Stage = tuple[Tensor, Pullback]


class Readout(Protocol):
    """How a tilt follows from the logits F (B, C).

    Attributes:
        by_row: whether it differs from row to row.
    """

    by_row: bool

    def value(self, logits: Tensor) -> Tensor:
        """The tilt, (B,)."""

    def slope(self, logits: Tensor) -> Tensor:
        """The gradient of the tilt by the logits, (B, C)."""


@runtime_checkable
class ReadsLogits(Protocol):
    """A prior whose chain can follow any readout of its logits, all out of one pass for F."""

    def readout_target(self, readout: Readout, context: Tensor | None = None) -> LogDensity:
        """readout(F(z)) + log p0(z)."""


class LogSumExp:
    """f = logsumexp F, or F_y where y (B,) is known, not -1."""

    def __init__(self, y: Tensor | None) -> None:
        self.y, self.by_row = y, y is not None

    def value(self, logits: Tensor) -> Tensor:
        return logits.logsumexp(-1) if self.y is None else pick(logits, self.y)

    def slope(self, logits: Tensor) -> Tensor:
        weight = logits.softmax(-1)
        if self.y is None:
            return weight
        one = nn.functional.one_hot(self.y.clamp(min=0), logits.shape[-1]).to(logits.dtype)
        return torch.where(self.y[:, None] < 0, weight, one)


class Reference:
    """p0 as a chain sees it: N(0, std^2 I), or uniform on [-std, std]^d.

    Args:
        std: half width of a uniform p0, a scalar tensor, on the device of z.
        latent_dim: d.
        uniform: whether p0 is uniform.
        fold: maps z back into the box of a uniform p0.
    """

    def __init__(
        self, std: Tensor, latent_dim: int, uniform: bool, fold: Callable[[Tensor], Tensor]
    ) -> None:
        self.width, self.latent_dim, self.uniform = float(std), latent_dim, uniform
        self.fold = fold if uniform else None
        self.precision = 0.0 if uniform else self.width**-2
        self.std, self.one = std, std.new_ones(1)
        self.constant = (
            -latent_dim * math.log(2 * self.width)
            if uniform
            else -0.5 * latent_dim * math.log(2 * math.pi * self.width**2)
        )

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws, (n, d)."""
        shape = (n, self.latent_dim)
        if self.uniform:
            return self.std * (2 * uniform(shape, self.std, generator) - 1)
        return self.std * standard_normal(shape, self.std, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p0(z), (B,), -inf outside the box of a uniform p0."""
        return self.tilted(z, z.new_zeros(1))

    def tilted(self, z: Tensor, tilt: Tensor) -> Tensor:
        """tilt + log p0(z), (B,), -inf outside the box of a uniform p0."""
        value = tilt - 0.5 * self.precision * z.square().sum(-1) + self.constant
        if not self.uniform:
            return value
        outside = (z.abs() > self.width).any(-1)
        return value.masked_fill(outside, -torch.inf)


class TiltTarget:
    """f + log p0 (or F_y + log p0) as a chain's target, with its gradient in closed form.

    Args:
        energies: the network of each stage; F is the sum of their bounded logits.
        reference: p0.
        bound: C of F = C tanh(F/C), or None.
        context: (c, features), or None; z may hold k codes for each row of it, and one row is for
            all z.
        half_rows: see `MLP.affine`.
        readout: how the tilt follows from F.
    """

    label = "prior chain"

    def __init__(
        self,
        energies: Sequence[Energy],
        reference: Reference,
        bound: float | None,
        context: Tensor | None,
        half_rows: int,
        readout: Readout,
    ) -> None:
        self.energies, self.reference, self.bound = energies, reference, bound
        self.layers = [energy.affine(half_rows) for energy in energies]
        self.context, self.readout, self.fold = context, readout, reference.fold
        self.by_row = (context is not None and len(context) > 1) or readout.by_row
        read = isinstance(readout, LogSumExp)
        self.capturable = read and all(energy.capturable for energy in energies)

    def given(self, z: Tensor) -> Tensor | None:
        """The context of each z; z may hold k codes for each row of it, row by row."""
        if self.context is None or self.context.shape[0] == z.shape[0]:
            return self.context
        return self.context.repeat_interleave(len(z) // len(self.context), 0)

    def __call__(self, z: Tensor) -> Tensor:
        return self.reference.tilted(z, self.tilt(z))

    def tilt(self, z: Tensor) -> Tensor:
        """f, or what else the readout makes of F, (B,)."""
        context, total = self.given(z), z.new_zeros(1)
        for energy in self.energies:
            raw = energy(z, context)
            total = total + (
                raw if self.bound is None else self.bound * torch.tanh(raw / self.bound)
            )
        return self.readout.value(total)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        stages = self._stages(z)
        value = self.reference.tilted(z, self.readout.value(self._logits(stages, z)))
        return value, self._gradient(z, stages)

    def gradient(self, z: Tensor) -> Tensor:
        """The gradient alone, (B, d): what an untraced chain needs."""
        return self._gradient(z, self._stages(z))

    def fused_step(self, half: float, rows: int) -> FusedLangevinStep | None:
        """A quicker step for an untraced chain of `rows` states, or None where there is none."""
        if len(self.energies) != 1 or self.layers[0] is None or len(self.layers[0]) < 2:
            return None
        first, *above = self.layers[0]
        if len(self.layers[0][-1].bias) != 1:
            return None
        if self.context is not None:  # fixed in a chain: its share of the first layer is a bias
            d, k = self.reference.latent_dim, rows // len(self.context)
            given = self.context.to(first.bias.dtype)
            bias = torch.addmm(first.bias, given, first.transposed[d:])
            if k > 1:
                bias = bias.repeat_interleave(k, 0)
            weight = first.weight[:, :d].contiguous()
            first = Affine(weight, weight.T, bias)
        activation = str(self.energies[0].activation)
        return FusedLangevinStep(
            [first, *above], activation, self.bound, self.reference.precision, half, rows
        )

    def _stages(self, z: Tensor) -> list[Stage]:
        """Of each stage the logits, tanh(F/C) where they are bounded, and the way back to z."""
        context = self.given(z)
        scale = 1.0 if self.bound is None else 1 / self.bound
        stages = []
        for energy, layers in zip(self.energies, self.layers, strict=True):
            values, pullback = energy.value_and_pullback(z, context, layers, scale)
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
            weight = self.readout.slope(self._logits(stages, z))
        if not stages:
            return z * -self.reference.precision
        if weight is None:
            weight = self.reference.one
        gradient, share = z, -self.reference.precision
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
