"""Energy "driving-cost": minus the cost of controls that known dynamics roll out in a scene."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lebm_core import Energy
from lebm_core.base.checks import at_least, positive, whole, widths
from lebm_core.base.randomness import fork
from lebm_core.errors import UsageError
from lebm_energies.control.costs import Costs
from lebm_energies.control.dynamics import dynamics_of
from lebm_energies.networks.clipping import clipped

__all__ = ["DrivingCost"]

SPREAD = 0.3  # of the logarithm of a weight before it is learned


class DrivingCost(Energy):
    """f(u, scene) = -theta . phi(rollout(u), u): energy-based inverse optimal control.

    The weights theta of the features of `Costs` are positive and linear in f, so the likelihood is
    that of an exponential family and has one maximum. The temperature is 1: cost and temperature
    are only known together. p0 = N(0, s^2 I) adds 1 / (2 s^2) to the weights of drive and steer.
    It needs prior.bound = 0, since a bounded f is no cost (Xu et al., TNNLS 2022, arXiv
    1904.05453).

    Args:
        latent_dim: numbers of all controls, 2 A T.
        context_dim: numbers of a scene; the data set gives it.
        agents: A, who act at once; the data set gives it.
        dynamics: bicycle or point-mass; the data set gives it.
        interval: seconds of a step; the data set gives it.
        radius: r of closeness, metres.
        start: weights before they are learned, each within about a third.
        hidden: widths of a network of the features of each step, whose softplus is added to the
            cost: then the cost is not linear any more, and theta not known by itself.
        clip: largest norm of df/du that a chain sees, in nats; 0 for all. A chain that accepts and
            rejects stays exact.

    Raises:
        UsageError: for controls or contexts of other sizes.
    """

    def __init__(
        self,
        latent_dim: int,
        context_dim: int,
        agents: int = 1,
        dynamics: str = "bicycle",
        interval: float = 0.25,
        radius: float = 1.5,
        start: float = 0.3,
        hidden: Sequence[int] = (),
        clip: float = 0.0,
    ) -> None:
        super().__init__()
        whole("energy.latent_dim", latent_dim, 1)
        whole("energy.context_dim", context_dim)
        positive("energy.start", start)
        at_least("energy.clip", clip, 0)
        widths("energy.hidden", hidden)
        self.costs = Costs(dynamics_of(dynamics, interval), agents, context_dim, radius)
        if latent_dim % (2 * agents):
            raise UsageError(
                f"The energy driving-cost takes two controls of each of {agents} agents and step, "
                f"and the prior has latent_dim = {latent_dim}; use a multiple of {2 * agents}."
            )
        self.latent_dim, self.outputs, self.context_dim = latent_dim, 1, context_dim
        self.start, self.clip = start, clip
        self.log_theta = nn.Parameter(torch.empty(len(self.costs.names)))
        sizes = [len(self.costs.names), *hidden]
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(fan_in, fan_out), nn.SiLU()]
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], 1)) if hidden else None
        self.reset()

    @property
    def theta(self) -> Tensor:
        """The weights of the features `costs.names`, (features,)."""
        return self.log_theta.exp()

    def reset(self, generator: torch.Generator | None = None) -> None:
        super().reset(generator)
        with fork(generator), torch.no_grad():
            self.log_theta.normal_(math.log(self.start), SPREAD)

    def start_at_zero(self) -> None:
        """Refused: a cost has no stages.

        Raises:
            UsageError: always.
        """
        raise UsageError("The energy driving-cost is learned in one stage: use prior.stages = 1.")

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        if context is None:
            raise UsageError("The energy driving-cost needs a scene: pass context=(B, c).")
        z = clipped(z, self.clip)
        phi = self.costs.by_step(z, context)
        cost = (phi * self.theta).sum((1, 2, 3))
        if self.network is not None:
            # Squares of far controls are large, and a network of them steep.
            more = nn.functional.softplus(self.network(phi.log1p()))
            cost = cost + more.sum((1, 2, 3))
        return -cost[:, None]
