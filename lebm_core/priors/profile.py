"""The energy profile of a prior's chain."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.chains.langevin import langevin
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
