"""Parallel tempering: replicas at several temperatures exchange their states.

Source: Geyer, "Markov chain Monte Carlo maximum likelihood", 1991; Earl and Deem, PCCP 7, 2005.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import uniform
from lebm_core.chains.adaptation import FIRST, AutoStep, check_step_size
from lebm_core.chains.densities import (
    LogDensity,
    ReferenceDensity,
    reference_of,
    value_and_gradient,
)
from lebm_core.chains.hmc import hmc
from lebm_core.chains.trace import Chain

__all__ = ["Tempering"]

AIM = 0.574  # mean acceptance of each temperature (Roberts and Rosenthal 1998)
HOTTEST = 0.05  # beta of the hottest replica where there is no p0 to draw from


class Tempering(Configured):
    """Parallel tempering by Metropolis-adjusted Langevin steps: for densities of several modes.

    Replica k of a chain follows p0^(1 - beta_k) p^beta_k, beta from 0, where it is drawn afresh
    from p0 at each exchange, to 1, which is what is returned; a density that tilts no p0 is
    flattened, p^beta. A step costs a gradient for each temperature.

    Args:
        steps: of each replica.
        step_size: at every temperature; "auto" finds one for each, in the first half of the chain,
            by its acceptance.
        temperatures: replicas of a chain, at beta = (k / (temperatures - 1))^2.
        exchange: steps between two rounds of exchanges.

    Raises:
        UsageError: for fewer than 2 temperatures, or an option that is not possible.
    """

    adjusted = True

    def __init__(
        self,
        steps: int = 200,
        step_size: AutoStep = "auto",
        temperatures: int = 8,
        exchange: int = 2,
    ) -> None:
        self.steps = whole("steps", steps)
        self.temperatures = whole("temperatures", temperatures, 2, 1000)
        self.exchange = whole("exchange", exchange, 1)
        check_step_size(step_size)
        self.step_size = step_size

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        z = z.detach()
        if not self.steps or not z.numel():
            return z.clone()
        ladder = _Ladder(target, self.temperatures, z)
        auto = isinstance(self.step_size, str)
        sizes = z.new_full((self.temperatures,), FIRST if auto else float(self.step_size))
        states = z.repeat(self.temperatures, 1)
        for number, first in enumerate(range(0, self.steps, self.exchange)):
            piece = min(self.exchange, self.steps - first)
            seen = Chain() if trace is None else trace.piece(first)
            by_row = sizes.repeat_interleave(len(z))[:, None]
            states = hmc(ladder, states, steps=piece, step_size=by_row, leapfrog=1,
                         generator=generator, trace=seen)  # fmt: skip
            if auto and first < self.steps // 2:
                accepted = torch.stack(seen.acceptance).view(piece, self.temperatures, -1)
                sizes = sizes * (accepted.mean((0, 2)).to(sizes) - AIM).exp()
            states, share = ladder.exchange(states, number, generator)
            if trace is not None:
                trace.append(seen.rows(slice(-len(z), None)), first)
                trace.exchange.append(share.cpu())
        if trace is not None:
            trace.step_size = float(sizes[-1])
        return states[-len(z) :].clone()


class _Ladder:
    """The densities of all replicas: states (k B, d), those of the hottest temperature first."""

    def __init__(self, target: LogDensity, temperatures: int, z: Tensor) -> None:
        self.target, self.k = target, temperatures
        self.reference: ReferenceDensity | None = reference_of(target)
        betas = torch.linspace(0, 1, temperatures, device=z.device, dtype=z.dtype).square()
        self.betas = betas if self.reference is not None else HOTTEST + (1 - HOTTEST) * betas
        self.rows = self.betas.repeat_interleave(len(z))

    def __call__(self, z: Tensor) -> Tensor:
        return self.value_and_gradient(z)[0]

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        # Temperature by temperature: a target may differ from row to row.
        found = [value_and_gradient(self.target, each) for each in z.chunk(self.k)]
        value, gradient = (torch.cat(each) for each in zip(*found, strict=True))
        if self.reference is None:
            return self.rows * value, self.rows[:, None] * gradient
        start, slope = value_and_gradient(self.reference.log_prob, z)
        # Where p is 0 so is every mixture, also that of beta = 0.
        mixed = torch.where(value > -torch.inf, start + self.rows * (value - start), value)
        return mixed, slope + self.rows[:, None] * (gradient - slope)

    def exchange(
        self, states: Tensor, number: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """The states after neighbours were exchanged, by turns even and odd, and the share."""
        z = states.view(self.k, -1, states.shape[1])
        with torch.no_grad():
            tilt = torch.stack([self.target(each) for each in z])
            if self.reference is not None:
                tilt = tilt - self.reference.log_prob(states).view_as(tilt)
        low = torch.arange(number % 2, self.k - 1, 2, device=z.device)
        gain = (self.betas[low + 1] - self.betas[low])[:, None] * (tilt[low] - tilt[low + 1])
        accept = gain.clamp(max=0.0).exp().nan_to_num(0.0)
        taken = (uniform(accept.shape, z, generator) < accept)[..., None]
        moved = z.clone()
        moved[low] = torch.where(taken, z[low + 1], z[low])
        moved[low + 1] = torch.where(taken, z[low], z[low + 1])
        if self.reference is not None:
            moved[0] = self.reference.draw(moved.shape[1], generator)
        return moved.flatten(0, 1), accept.mean()
