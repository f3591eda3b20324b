"""The energy profile of a prior's chain."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, request
from lebm_core.base.modules import frozen
from lebm_core.chains.samplers import Langevin, Sampler
from lebm_core.chains.trace import Chain
from lebm_core.priors.base import Prior

__all__ = ["EnergyProfile", "energy_profile"]


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


@entry
def energy_profile(
    prior: Prior,
    n: int = 100,
    *,
    sampler: Sampler | None = None,
    context: Tensor | None = None,
    keep: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
) -> EnergyProfile:
    """Run n chains from p0 towards the prior and record each step.

    Args:
        prior: any prior with a density.
        n: number of chains.
        sampler: by default the prior's own, or `Langevin()` where it has none.
        context: (n, c) where the prior needs it.
        keep: steps whose states are kept; 0 is the start and `steps` the end.
        generator: source of randomness.
    """
    n, context = request(n, context, prior.context_dim, prior, 1)
    chain = Chain(keep=keep)
    run: Sampler = sampler or prior.sampler or Langevin()
    with frozen(prior):
        start = prior.draw_reference(n, generator)
        run(prior.target(None, context), start, generator=generator, trace=chain)
    return EnergyProfile(
        energy=[-float(v.mean()) for v in chain.log_prob],
        gradient_norm=[float(v.mean()) for v in chain.gradient_norm],
        displacement=[float(v.mean()) for v in chain.displacement],
        acceptance=[float(v.mean()) for v in chain.acceptance],
        states=chain.states,
    )
