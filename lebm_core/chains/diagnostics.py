"""Is the chain right, and is the training stable: energy profile, acceptance, ESS, R-hat, drift."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.base.randomness import normal_like
from lebm_core.chains.densities import LogDensity, value_and_gradient

__all__ = ["curvature", "effective_sample_size", "r_hat", "step_size_warning"]


def curvature(
    log_prob: LogDensity,
    z: Tensor,
    *,
    iterations: int = 20,
    width: float = 1e-2,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The largest absolute eigenvalue of the Hessian of log p at each z, (B,), by power iteration.

    The Hessian meets a vector by central differences of the gradient, `width` to either side: so
    it needs no second derivative, which fused recurrent kernels do not have.
    """
    v = normal_like(z, generator)
    size = z.new_zeros(len(z))
    for _ in range(iterations):
        v = v / v.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        _, ahead = value_and_gradient(log_prob, z + width * v)
        _, behind = value_and_gradient(log_prob, z - width * v)
        v = (ahead - behind) / (2 * width)
        size = v.norm(dim=-1)
    return size


def step_size_warning(
    log_prob: LogDensity, z: Tensor, step_size: float, *, generator: torch.Generator | None = None
) -> str | None:
    """A message where the step is too large for the curvature at z (B, d), else None.

    The linearised step contracts only while (s^2/2) lambda < 2, so s < 2/sqrt(lambda); from
    half of that on the chain's covariance is off by a third.
    """
    largest = float(curvature(log_prob, z, generator=generator).quantile(0.95))
    limit = 2 / math.sqrt(max(largest, 1e-12))
    if step_size < 0.5 * limit:
        return None
    verb = "cannot be stable" if step_size >= limit else "is biased"
    return (
        f"step_size {step_size:g} {verb}: the curvature of the density reaches {largest:.3g}, for "
        f"which a chain is stable below {limit:.3g} and accurate below {0.5 * limit:.3g}."
    )


def effective_sample_size(values: Tensor) -> Tensor:
    """Effective number of draws of m chains, values (steps, m), from their autocorrelation.

    Sums Geyer's initial positive pairs of the autocorrelation averaged over chains (Gelman et
    al., Bayesian Data Analysis, 3rd ed., section 11.5).
    """
    n, m = values.shape
    centred = values.double() - values.double().mean(0)
    power = torch.fft.rfft(centred, n=2 * n, dim=0).abs().square()
    autocov = torch.fft.irfft(power, n=2 * n, dim=0)[:n].mean(1) / n
    within = autocov[0] * n / (n - 1)
    between = values.double().mean(0).var() if m > 1 else within.new_zeros(())
    total = within * (n - 1) / n + between
    rho = 1 - (within - autocov) / total
    pairs = rho[1 : n - (n - 1) % 2].reshape(-1, 2).sum(1)
    stop = int((pairs < 0).nonzero()[0]) if bool((pairs < 0).any()) else len(pairs)
    size: Tensor = m * n / (1 + 2 * pairs[:stop].sum())
    return size.clamp(max=float(m * n))


def r_hat(values: Tensor) -> Tensor:
    """Split R-hat of m chains, values (steps, m): near 1 where they agree (Gelman et al. 2013)."""
    half = len(values) // 2
    split = torch.cat([values[:half], values[half : 2 * half]], dim=1).double()
    within = split.var(0).mean()
    between = split.mean(0).var()
    return ((half - 1) / half + between / within).sqrt()
