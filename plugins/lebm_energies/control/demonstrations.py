"""Demonstrations: controls drawn from exp(-theta . phi) by long exact chains, and their check."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.randomness import standard_normal
from lebm_core.chains.diagnostics import r_hat
from lebm_core.chains.hmc import HMC
from lebm_core.chains.trace import Chain
from lebm_energies.control.costs import Costs

__all__ = ["CostTarget", "Demonstrations", "Mixing", "demonstrate", "mixing"]

LEAPFROG = 12
SCENES, CHAINS = 12, 6  # in which mixing is looked at, and chains in each
SPREAD = 1.5  # of the starts of those, against the controls' own .7


class CostTarget:
    """-theta . phi(x), (B,), the log-density of controls in scenes, up to a constant.

    Args:
        costs: phi.
        theta: (features,) the weights.
        context: (B, c) a scene for each row of x.
    """

    label, by_row = "chain of demonstrations", True

    def __init__(self, costs: Costs, theta: Tensor, context: Tensor) -> None:
        self.costs, self.theta, self.context = costs, theta, context

    def __call__(self, z: Tensor) -> Tensor:
        return -(self.costs.total(z, self.context) * self.theta).sum(-1)


@dataclass(frozen=True)
class Mixing:
    """What chains of several starts in the same scenes tell.

    Attributes:
        r_hat: the largest split R-hat of any place y at any step in any scene.
        acceptance: mean, in the second half.
    """

    r_hat: float
    acceptance: float


@dataclass(frozen=True)
class Demonstrations:
    """Controls x (B, d), one for each scene, and the mean acceptance of their chains."""

    x: Tensor
    acceptance: float


def demonstrate(
    costs: Costs,
    theta: Tensor,
    context: Tensor,
    steps: int,
    horizon: int,
    generator: torch.Generator | None = None,
) -> Demonstrations:
    """Draw controls in each scene by HMC from N(0, I).

    Args:
        costs: phi.
        theta: (features,) the weights.
        context: (B, c) the scenes.
        steps: paths of a chain; the step size is found in the first half.
        horizon: T, steps of time.
        generator: source of all randomness.
    """
    start = standard_normal((len(context), 2 * costs.agents * horizon), context, generator)
    trace = Chain()
    target = CostTarget(costs, theta, context)
    x = HMC(steps, "auto", LEAPFROG)(target, start, generator=generator, trace=trace)
    accepted = torch.stack(trace.acceptance[steps // 2 :]) if steps else torch.ones(1)
    return Demonstrations(x, float(accepted.mean()))


def mixing(
    costs: Costs,
    theta: Tensor,
    context: Tensor,
    steps: int,
    horizon: int,
    generator: torch.Generator | None = None,
) -> Mixing:
    """Run several chains from far starts in the first scenes: do they agree?

    Args:
        costs: phi.
        theta: (features,) the weights.
        context: (B, c) the scenes.
        steps: paths of a chain; its second half is looked at.
        horizon: T, steps of time.
        generator: source of all randomness.
    """
    n = min(SCENES, len(context))
    scenes = context[:n].repeat_interleave(CHAINS, 0)
    shape = (n * CHAINS, 2 * costs.agents * horizon)
    start = SPREAD * standard_normal(shape, context, generator)
    trace = Chain(keep=tuple(range(steps // 2, steps)))
    HMC(steps, "auto", LEAPFROG)(
        CostTarget(costs, theta, scenes), start, generator=generator, trace=trace
    )
    aside = torch.stack(
        [costs.states(z, scenes)[:, :, 1:, 1].flatten(1) for z in trace.states.values()]
    )  # (states, n CHAINS, A T)
    by_scene = aside.unflatten(1, (n, CHAINS)).movedim(2, 3)  # (states, n, A T, CHAINS)
    found = [float(r_hat(each)) for each in by_scene.flatten(1, 2).unbind(1)]
    accepted = float(torch.stack(trace.acceptance[steps // 2 :]).mean())
    return Mixing(max(found), accepted)
