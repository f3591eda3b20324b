"""Levels of noise on z, and the chain of one level."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.chains.densities import LogDensity, ReferenceDensity, value_and_gradient
from lebm_core.priors.energy import Energy
from lebm_core.priors.tilt_target import Readout, Reference

__all__ = ["KnownLevel", "LevelTarget", "downhill", "noise_levels", "without_noise"]


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


class KnownLevel:
    """The density of a level with some coordinates of u held: a chain moves the others.

    Args:
        target: of all coordinates.
        u: (B, d), the held ones.
        known: (B, d), which are held.
    """

    label, fold, by_row = "completion chain", None, True

    def __init__(self, target: LevelTarget, u: Tensor, known: Tensor) -> None:
        self.target, self.u, self.known = target, u, known

    def held(self, u: Tensor) -> Tensor:
        """u with the known coordinates where they are held."""
        return torch.where(self.known, self.u, u)

    def __call__(self, u: Tensor) -> Tensor:
        return self.target(self.held(u))

    def value_and_gradient(self, u: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self.target.value_and_gradient(self.held(u))
        return value, gradient.masked_fill(self.known, 0.0)


def downhill(target: LogDensity, noise: Tensor) -> Tensor:
    """Draws u ~ N(0, I) moved by the slope of f: where f is linear, draws of the target.

    One step of Heun's method: the slope at 0, and at where it leads, averaged.

    Args:
        target: exp(f) N(u; 0, I), of a level.
        noise: (B, d), draws of N(0, I).
    """
    moved = torch.zeros_like(noise)
    slopes = []
    for _ in range(2):
        slopes.append(value_and_gradient(target, moved)[1] + moved)  # of f alone
        moved = slopes[-1]
    return noise + (slopes[0] + slopes[1]) / 2


def without_noise(target: LevelTarget, noise: float) -> Tensor:
    """E(x | z) of z = x + noise eps, where z is the mean of `target`, of level 0.

    z + noise^2 grad log p(z), Tweedie's formula (Efron, JASA 106, 2011).

    Args:
        target: sigma is 1, so that a slope in u is one in z.
        noise: standard deviation.
    """
    slope = target.value_and_gradient(torch.zeros_like(target.mean))[1]  # of f alone
    return target.mean + noise**2 * (slope - target.mean)
