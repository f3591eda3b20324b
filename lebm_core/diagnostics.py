"""Is the chain right, and is the training stable: energy profile, acceptance, ESS, R-hat, drift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.decoder import frozen
from lebm_core.dynamics import Chain, LogDensity, langevin, value_and_gradient
from lebm_core.errors import DivergenceError
from lebm_core.prior import Prior
from lebm_core.randomness import normal_like

__all__ = [
    "DriftGuard",
    "EnergyProfile",
    "curvature",
    "effective_sample_size",
    "energy_profile",
    "r_hat",
    "step_size_warning",
]


@dataclass
class EnergyProfile:
    """A chain from p0 towards the prior, seen step by step (means over chains, one a step).

    Attributes:
        energy: -f(z) - log p0(z), in nats.
        gradient_norm: norm of the gradient of log p.
        displacement: distance moved.
        acceptance: probability that Metropolis-Hastings accepts the step.
        states: step -> z (n, d), for the steps asked for.
    """

    energy: list[float]
    gradient_norm: list[float]
    displacement: list[float]
    acceptance: list[float]
    states: dict[int, Tensor]


def energy_profile(
    prior: Prior,
    n: int = 100,
    *,
    steps: int | None = None,
    step_size: float | None = None,
    context: Tensor | None = None,
    keep: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
) -> EnergyProfile:
    """Runs n prior chains from p0 and records each step.

    Args:
        prior: any prior; one without a chain of its own gets 60 steps of size 0.4.
        n: number of chains.
        steps: K; by default the prior's own.
        step_size: s; by default the prior's own.
        context: (n, c) where the prior needs it.
        keep: steps whose states are kept; 0 is the start and `steps` the end.
        generator: source of randomness.
    """
    steps = getattr(prior, "steps", 60) if steps is None else steps
    own: float = getattr(prior, "step_size", 0.4)
    chain = Chain(keep=keep)
    with frozen(prior):
        langevin(
            prior.target(None, context),
            prior.draw_reference(n, generator),
            steps=steps,
            step_size=own if step_size is None else step_size,
            noise=getattr(prior, "noise", 1.0),
            adjust=getattr(prior, "adjust", False),
            generator=generator,
            trace=chain,
            fold=prior.fold,
            name="prior chain",
        )
    return EnergyProfile(
        energy=[-float(v.mean()) for v in chain.log_prob],
        gradient_norm=[float(v.mean()) for v in chain.gradient_norm],
        displacement=[float(v.mean()) for v in chain.displacement],
        acceptance=[float(v.mean()) for v in chain.acceptance],
        states=chain.states,
    )


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
    """A sentence where the step is too large for the curvature at z (B, d), else None.

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


class DriftGuard:
    """Watches the figures of a training for the run-away of f against its own chains.

    Args:
        limit: nats that f(posterior) - f(chain) may reach before a warning; at ten times that
            the training stops.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, metrics: dict[str, float]) -> list[str]:
        """The warnings for one step's figures.

        Raises:
            DivergenceError: where f has run away.
        """
        found = []
        up, chain = metrics.get("f_posterior"), metrics.get("f_chain")
        if up is not None and chain is not None:
            gap = up - chain
            if gap > 10 * self.limit:
                raise DivergenceError(
                    f"The tilt has run away: f(posterior) - f(chain) = {gap:.1f} nats (limit "
                    f"{10 * self.limit:g}). Lower training.lr_prior, bound the tilt (prior.bound "
                    "= 10), or learn it by learning.tilt = density-ratio."
                )
            if gap > self.limit:
                found.append(
                    f"f(posterior) - f(chain) = {gap:.1f} nats exceeds {self.limit:g}: the chains "
                    "do not reach where the codes are; use a smaller prior.step_size with more "
                    "steps, or a lower training.lr_prior."
                )
        spread, mean = metrics.get("code_std"), metrics.get("code_mean")
        if spread is not None and not 0.05 < spread < 20:
            found.append(
                f"The codes have a standard deviation of {spread:.3g} a dimension, far from the "
                "reference: raise learning.kl_weight or code_penalty."
            )
        if mean is not None and mean > 20:
            found.append(f"The mean of the codes has drifted to {mean:.3g} in one dimension.")
        return found
