"""Levels of noise on z, and the chain of one level."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.chains.densities import ReferenceDensity
from lebm_core.priors.energy import Energy
from lebm_core.priors.tilt_target import Readout, Reference

__all__ = ["LevelTarget", "noise_levels"]


def noise_levels(levels: int) -> tuple[Tensor, Tensor]:
    """How much of z is kept: (T + 1,) at each level, 1 to 0; and (T,) from one to the next.

    z_t = kept_t z_0 + sqrt(1 - kept_t^2) eps, with kept_t the cosine of t / T quarter turns, so
    that z_T is noise alone.
    """
    angles = torch.arange(levels + 1, dtype=torch.float64) * (math.pi / (2 * levels))
    kept = angles.cos()
    kept[-1] = 0.0
    return kept.float(), (kept[1:] / kept[:-1]).float()


class LevelTarget:
    """The density of z_t given z_{t+1}, in the units u of its noise, z_t = mean + sigma u.

    With z_{t+1} = a z_t + sigma eps and p(z_t) proportional to exp(f(z_t)) N(z_t; 0, I) it is
    exp(f(mean + sigma u)) N(u; 0, I), mean = a z_{t+1}: a tilt of a Gaussian again.

    Args:
        energy: the network.
        given: (B, c), what it sees beside z.
        mean: (B, d).
        sigma: (B, 1).
        bound: C of F = C tanh(F/C), or None.
        readout: how f follows from F.
    """

    label, fold, by_row = "prior chain", None, True

    def __init__(
        self,
        energy: Energy,
        given: Tensor,
        mean: Tensor,
        sigma: Tensor,
        bound: float | None,
        readout: Readout,
    ) -> None:
        self.energy, self.given, self.mean, self.sigma = energy, given, mean, sigma
        self.bound, self.readout, self.layers = bound, readout, energy.affine()
        d = mean.shape[-1]
        self.normal = Reference(mean.new_ones(()), d, False, lambda u: u)
        self.reference: ReferenceDensity = self.normal

    def z(self, u: Tensor) -> Tensor:
        """u in the units of z_t."""
        return self.mean + self.sigma * u

    def __call__(self, u: Tensor) -> Tensor:
        raw = self.energy(self.z(u), self.given)
        logits = raw if self.bound is None else self.bound * torch.tanh(raw / self.bound)
        return self.normal.tilted(u, self.readout.value(logits))

    def value_and_gradient(self, u: Tensor) -> tuple[Tensor, Tensor]:
        scale = 1.0 if self.bound is None else 1 / self.bound
        values, pullback = self.energy.value_and_pullback(self.z(u), self.given, self.layers, scale)
        if self.bound is None:
            logits, slope = values, self.readout.slope(values)
        else:
            bounded = values.tanh()
            logits = self.bound * bounded
            slope = self.readout.slope(logits) * (1 - bounded.square())
        value = self.normal.tilted(u, self.readout.value(logits))
        return value, self.sigma * pullback(slope, u / self.sigma, -1.0)
