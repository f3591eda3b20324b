"""log Z of a prior, an `Estimate` with its standard error; two that disagree are refused.

Sources: annealed importance sampling (AIS), Neal 2001, Statistics and Computing 11, and Wu et al.,
ICLR 2017, arXiv 1611.04273.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, floats
from lebm_core.base.checks import choice, fits, positive, whole
from lebm_core.base.modules import device_of
from lebm_core.chains.ais import annealed_log_weights
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.samplers import step_size_of
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evidence.estimate import AGREEMENT, LEAST_ESS, Estimate, from_log_weights
from lebm_core.priors.base import Prior

__all__ = ["checked_log_z", "log_z"]

STEP_SIZE = 0.4  # where the prior has no chain of its own


@entry
@torch.no_grad()
def log_z(
    prior: Prior,
    *,
    method: str = "importance",
    n_samples: int = 10_000,
    temperatures: int = 200,
    step_size: float | None = None,
    points: int = 401,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Estimate:
    """log Z = log of the integral of exp(f(z)) p0(z); 0 and exact for a normalised prior.

    Args:
        prior: the prior.
        method: "quadrature" (one or two dimensions), "importance" (from p0) or "ais".
        n_samples: draws or chains.
        temperatures: steps from p0 to the prior, AIS only.
        step_size: of AIS's Metropolis-adjusted steps; by default the prior's own.
        points: grid points in each dimension, quadrature only.
        context: (1, c), one context, for a conditioned prior.
        generator: source of randomness.

    Raises:
        UsageError: for an unknown method, or quadrature beyond two dimensions.
    """
    methods = ("quadrature", "importance", "ais")
    choice("method", method, methods)
    whole("n_samples", n_samples, 1)
    whole("temperatures", temperatures, 1)
    whole("points", points, 3)
    if step_size is not None:
        positive("step_size", step_size)
    if context is not None:
        context = floats("context", context, (prior.context_dim or None,), prior, rows=1)
    prior.check_context(context)
    draws = (
        float(points) ** min(prior.latent_dim, 2) if method == "quadrature" else float(n_samples)
    )
    fits(draws * max(1, prior.latent_dim), f"log Z by {method}")
    if prior.normalised:
        zero = torch.zeros((), dtype=torch.float64)
        return Estimate(zero, zero, None, "exact", 0)

    def tilt(z: Tensor) -> Tensor:
        return prior.log_tilt(z, None, None if context is None else context.expand(len(z), -1))

    if method == "quadrature":
        return _quadrature(prior, tilt, points)
    z = prior.draw_reference(n_samples, generator)
    if method == "importance":
        return from_log_weights(torch.cat([tilt(part) for part in z.split(20_000)]), "importance")
    annealed = getattr(prior, "annealed_log_weights", None)
    if annealed is not None:  # along a path of its own, as for discrete z
        return from_log_weights(annealed(n_samples, temperatures, generator), "ais")
    own = step_size_of(prior.sampler, STEP_SIZE)
    log_weights = annealed_log_weights(
        z, prior.reference.log_prob, tilt, temperatures,
        own if step_size is None else step_size, generator,
    )  # fmt: skip
    return from_log_weights(log_weights, "ais")


def _quadrature(prior: Prior, tilt: LogDensity, points: int) -> Estimate:
    """The trapezoid rule on 8 standard deviations (the box of a uniform p0)."""
    d = prior.latent_dim
    if d not in (1, 2):
        raise UsageError(f"Quadrature works in 1 or 2 dimensions, not {d}: use ais or importance.")
    std = float(getattr(prior, "std", 1.0))  # a plugin's p0 without one is standard normal
    half = std if prior.uniform_reference else 8 * std

    def integral(n: int) -> Tensor:
        axis = torch.linspace(-half, half, n, device=device_of(prior))
        z = torch.cartesian_prod(*[axis] * d).reshape(-1, d)
        log_p0 = -d * math.log(2 * half) if prior.uniform_reference else prior.reference.log_prob(z)
        value = torch.cat([tilt(part) for part in z.split(100_000)]).double() + log_p0
        weight = torch.ones(n, dtype=torch.float64)
        weight[0] = weight[-1] = 0.5
        grid = torch.cartesian_prod(*[weight.log()] * d).reshape(-1, d).sum(-1)
        return (value.cpu() + grid).logsumexp(0) + d * math.log(2 * half / (n - 1))

    fine, coarse = integral(points), integral(points // 2 + 1)
    return Estimate(fine, (fine - coarse).abs(), None, "quadrature", points**d)


def checked_log_z(
    prior: Prior,
    *,
    n_samples: int = 10_000,
    temperatures: int = 200,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Estimate, Estimate]:
    """log Z by importance sampling and by AIS, in agreement.

    Raises:
        UnsupportedEstimate: where they differ by more than `AGREEMENT` nats or either rests on
            fewer than `LEAST_ESS` effective draws.
    """
    pair = [
        log_z(prior, method=m, n_samples=n, temperatures=temperatures, context=context,
              generator=generator)
        for m, n in (("importance", n_samples), ("ais", min(2_000, max(200, n_samples // 10))))
    ]  # fmt: skip
    first, second = pair
    shown = (
        f"log Z is {float(first):.2f} by importance sampling (effective draws {_ess(first)})"
        + (f" and {float(second):.2f} by AIS ({_ess(second)})")
    )
    for each in pair:
        if each.ess is not None and not float(each.ess) >= LEAST_ESS:  # nor NaN
            raise UnsupportedEstimate(
                f"No likelihood is given: {shown}; fewer than {LEAST_ESS:g} effective draws "
                "carry no figure. Bound the tilt or learn it by density ratio."
            )
    if not abs(float(first) - float(second)) <= AGREEMENT:
        raise UnsupportedEstimate(
            f"No likelihood is given: {shown}; the two disagree by more than {AGREEMENT:g}. More "
            "draws (n_samples) narrow their errors."
        )
    return first, second


def _ess(estimate: Estimate) -> str:
    return "exact" if estimate.ess is None else f"{float(estimate.ess):.0f}"
