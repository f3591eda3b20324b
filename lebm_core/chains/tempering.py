"""Parallel tempering: replicas at several temperatures exchange their states.

Source: Geyer, "Markov chain Monte Carlo maximum likelihood", 1991; Earl and Deem, PCCP 7, 2005.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import uniform
from lebm_core.chains.adaptation import FIRST, AutoStep, check_step_size
from lebm_core.chains.blocks import State, repeated, run_blocks
from lebm_core.chains.densities import (
    LogDensity,
    ReferenceDensity,
    reference_of,
    value_and_gradient,
)
from lebm_core.chains.hmc import path
from lebm_core.chains.trace import Chain, Move

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
        state: State = (z.repeat(self.temperatures, 1), sizes)
        whole, rest = divmod(self.steps, self.exchange)
        # While the step sizes follow the acceptance a round is another one than afterwards.
        adapting = min(whole, -(-(self.steps // 2) // self.exchange)) if auto else 0
        first = 0
        for rounds, steps, adapt in (
            (adapting, self.exchange, True),
            (whole - adapting, self.exchange, False),
            (min(rest, 1), rest, auto and not whole and rest > 1),
        ):
            block = functools.partial(
                self._rounds, ladder, len(z), steps, adapt, first // self.exchange % 2, generator
            )
            after = functools.partial(_record, trace, len(z), first, steps)
            state = run_blocks(block, state, rounds, after, target=ladder, generator=generator,
                               multiple=2, plain=2)  # fmt: skip
            first += rounds * steps
        states, sizes = state
        if trace is not None:
            trace.end(self.steps, states[-len(z) :])
            trace.step_size = float(sizes[-1])
        return states[-len(z) :].clone()

    def _rounds(
        self,
        ladder: _Ladder,
        rows: int,
        steps: int,
        adapt: bool,
        parity: int,
        generator: torch.Generator | None,
        state: State,
        rounds: int,
    ) -> tuple[State, list[_Round]]:
        """So many rounds of steps and an exchange; the first has the parity that is given."""
        states, sizes = state
        seen = []
        for number in range(rounds):
            step = path(ladder, sizes.repeat_interleave(rows)[:, None], 1, generator)
            inner: State = (states, *value_and_gradient(ladder, states))
            inner, moves = repeated(step)(inner, steps)
            if adapt:
                accepted = torch.stack([m.accept for m in moves]).view(steps, len(sizes), -1)
                sizes = sizes * (accepted.mean((0, 2)).to(sizes) - AIM).exp()
            states, share = ladder.exchange(inner[0], parity + number, generator)
            seen.append(_Round(moves, share))
        return (states, sizes), seen


class _Round(NamedTuple):
    """The steps between two exchanges, and the share of the exchanges that was accepted."""

    moves: list[Move]
    share: Tensor


def _record(
    trace: Chain | None, rows: int, start: int, steps: int, first: int, seen: list[_Round]
) -> None:
    """Add rounds to the trace of the coldest replica."""
    if trace is None:
        return
    for number, done in enumerate(seen, first):
        for k, move in enumerate(done.moves):
            trace.record(start + number * steps + k, *(each[-rows:] for each in move))
        trace.exchange.append(done.share.cpu())


class _Ladder:
    """The densities of all replicas: states (k B, d), those of the hottest temperature first."""

    def __init__(self, target: LogDensity, temperatures: int, z: Tensor) -> None:
        self.target, self.k = target, temperatures
        self.reference: ReferenceDensity | None = reference_of(target)
        betas = torch.linspace(0, 1, temperatures, device=z.device, dtype=z.dtype).square()
        self.betas = betas if self.reference is not None else HOTTEST + (1 - HOTTEST) * betas
        self.rows = self.betas.repeat_interleave(len(z))
        self.capturable = getattr(target, "capturable", False)

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
