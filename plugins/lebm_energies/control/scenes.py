"""Simulated scenes: vehicles in lanes, something that stands in the way, something that passes."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_energies.control.costs import Scene
from lebm_energies.control.dynamics import Dynamics

__all__ = ["LANES", "draw_scenes"]

LANES = 2.5  # metres between the middles of neighbouring lanes
SLOWEST, FASTEST = 6.0, 10.0  # metres per second, at the start and desired
ASIDE, ANGLE = 1.0, 0.1  # metres from the middle of the lane and radians from it, at the start
AHEAD, BESIDE = (12.0, 26.0), (0.6, 1.6)  # metres to what stands in the way
PASSING = (5.0, 9.0)  # metres per second, of what drives beside the lanes


def draw_scenes(
    n: int, dynamics: Dynamics, agents: int, steps: int, generator: torch.Generator
) -> Tensor:
    """Draw n scenes as contexts (n, c): agent i drives in lane i along x, among two obstacles.

    One obstacle stands beside the middle of a lane, on a side of it, so that one way around it is
    the better one; another drives along the outermost lane.

    Args:
        n: how many.
        dynamics: of the agents.
        agents: A, in neighbouring lanes, at most 2 m ahead of or behind each other.
        steps: T, after which the goal is to be reached.
        generator: source of all randomness.
    """

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    def side(*shape: int) -> Tensor:
        return torch.where(between(0, 1, *shape) < 0.5, -1.0, 1.0)

    time = steps * dynamics.interval
    lane = (LANES * torch.arange(agents)).expand(n, agents)
    desired = between(SLOWEST, FASTEST, agents)
    x = between(-1, 1, agents)
    place = torch.stack([x, lane + between(-ASIDE, ASIDE, agents)], dim=-1)
    heading = between(-ANGLE, ANGLE, agents)
    start = dynamics.state(place, between(SLOWEST, FASTEST, agents), heading)
    goal = torch.stack(
        [x + time * desired + between(-2, 2, agents), lane + between(-1, 1, agents)], dim=-1
    )
    own = lane[:, 0] if agents == 1 else lane[:, -1] * (between(0, 1) < 0.5)
    still = torch.stack(
        [between(*AHEAD), own + side() * between(*BESIDE), torch.zeros(n), torch.zeros(n)], dim=-1
    )
    out = side()
    outside = torch.where(out > 0, lane[:, -1], lane[:, 0]) + out * between(2.8, 3.8)
    driven = torch.stack([between(-5, 20), outside, between(*PASSING), torch.zeros(n)], dim=-1)
    return Scene(start, lane, desired, goal, torch.stack([still, driven], dim=1)).context()
