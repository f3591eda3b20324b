"""Samplers: registered parts that move states z along a target log-density."""

from __future__ import annotations

import functools
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured
from lebm_core.chains.adaptation import AutoStep, adapted, check_step_size
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.langevin import langevin
from lebm_core.chains.trace import Chain
from lebm_core.errors import UsageError

__all__ = ["MALA", "Langevin", "Sampler", "option_of", "step_size_of", "with_steps"]


@runtime_checkable
class Sampler(Protocol):
    """Draws from a log-density by moving states; `Configured` gives `options` and `replaced`.

    Attributes:
        adjusted: whether proposals are accepted or rejected, so that it is exact at any step size.
    """

    options: dict[str, Any]
    adjusted: bool

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        """The states (B, d) after the chain, from z (B, d), which is not changed.

        A target's `fold` keeps states in a bounded support, its `label` names the chain in errors.
        """

    def replaced(self, **options: Any) -> Self:
        """The same sampler with other options."""


class AdaptiveChain(Configured):
    """A chain whose step size is given, or found by its acceptance; a subclass gives `move`."""

    adjusted: bool
    aim: float  # mean acceptance of an automatic step size

    def __init__(self, steps: int, step_size: AutoStep) -> None:
        self.steps = whole("steps", steps)
        check_step_size(step_size)
        self.step_size = step_size

    def move(
        self,
        z: Tensor,
        steps: int,
        step_size: float,
        trace: Chain | None,
        adjust: bool = False,
        *,
        target: LogDensity,
        generator: torch.Generator | None,
    ) -> Tensor:
        """A piece of the chain, see `Move`."""
        raise TypeError(f"{type(self).__name__} defines no move.")

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        move = functools.partial(self.move, target=target, generator=generator)
        return adapted(move, z, self.steps, self.step_size, self.aim, trace)


class LangevinChain(AdaptiveChain):
    """What the chains of Langevin proposals share; `adjusted` says whether they are accepted."""

    noise: float = 1.0
    drift: float = 0.0

    def move(
        self,
        z: Tensor,
        steps: int,
        step_size: float,
        trace: Chain | None,
        adjust: bool = False,
        *,
        target: LogDensity,
        generator: torch.Generator | None,
    ) -> Tensor:
        return langevin(
            target,
            z,
            steps=steps,
            step_size=step_size,
            noise=self.noise,
            adjust=adjust or self.adjusted,
            drift=self.drift,
            generator=generator,
            trace=trace,
            fold=getattr(target, "fold", None),
            name=getattr(target, "label", "chain"),
        )


class Langevin(LangevinChain):
    """Unadjusted Langevin dynamics, z <- z + (s^2/2) grad log p(z) + s tau eps.

    Args:
        steps: number of steps K of the chain.
        step_size: s; "auto" finds, in the first half of the chain, the one at which
            Metropolis-Hastings would accept 0.9 of the proposals.
        noise: tau, the factor of the noise; 1 is Langevin's own, 0 is gradient ascent.

    Raises:
        UsageError: for steps below 0, or a step size or noise that is not possible.
    """

    adjusted = False
    aim = 0.9  # nothing undoes its error, so it stays small

    def __init__(self, steps: int = 60, step_size: AutoStep = 0.4, noise: float = 1.0) -> None:
        super().__init__(steps, step_size)
        at_least("noise", noise, 0)
        if isinstance(step_size, str) and noise != 1:
            raise UsageError(
                f'step_size = "auto" needs noise = 1, not {noise}: acceptance is not defined there.'
            )
        self.noise = noise


class MALA(LangevinChain):
    """Metropolis-adjusted Langevin: exact at any step size (Roberts and Tweedie 1996).

    Args:
        steps: number of steps K of the chain.
        step_size: s; an acceptance of 0.574 is the most efficient (Roberts and Rosenthal 1998),
            and "auto" finds the step of that acceptance in the first half of the chain.
        drift: longest drift (s^2/2) grad log p of a proposal, in step sizes; 0 for any length. With
            1 a chain on a steep slope comes down from it, where all proposals of an unlimited
            drift overshoot and are rejected (MALTA, of the same paper).

    Raises:
        UsageError: for steps or a drift below 0, or a step size that is not positive.
    """

    adjusted = True
    aim = 0.574

    def __init__(self, steps: int = 60, step_size: AutoStep = 0.4, drift: float = 0.0) -> None:
        super().__init__(steps, step_size)
        at_least("drift", drift, 0)
        self.drift = drift


def option_of(sampler: Sampler | None, name: str, default: Any) -> Any:
    """An option of a sampler, or the default where it has none of that name."""
    return default if sampler is None else sampler.options.get(name, default)


def step_size_of(sampler: Sampler | None, default: float) -> float:
    """The step size of a sampler, or the default where it has none or finds it by itself."""
    found = option_of(sampler, "step_size", default)
    return default if isinstance(found, str) else float(found)


def with_steps(sampler: Sampler, steps: int) -> Sampler:
    """The sampler with so many steps, or as it is where `steps` is 0.

    Raises:
        UsageError: where it has no option "steps".
    """
    if not steps:
        return sampler
    if "steps" not in sampler.options:
        raise UsageError(
            f"chain_steps = {steps} needs a sampler with an option steps; {type(sampler).__name__} "
            "has none: use 0."
        )
    return sampler.replaced(steps=steps)
