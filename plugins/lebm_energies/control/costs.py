"""Features of the cost of a trajectory: what a driver may care about, step by step.

The cost of controls u in a scene is theta . phi(u), phi summed over steps and agents (Xu et al.,
"Energy-based continuous inverse optimal control", TNNLS 2022, arXiv 1904.05453).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.base.checks import positive, whole
from lebm_core.errors import UsageError
from lebm_energies.control.dynamics import Dynamics

__all__ = ["EFFORTS", "Costs", "Scene"]

PLACE, SPEED, GOAL = 1.0, 1.0, 2.0  # metres, metres per second: what a feature of 1 stands for
TOUCHING = 4.0  # closeness at distance 0
OF_AGENT, OF_OBSTACLE = 8, 4  # numbers of a context
EFFORTS = ("drive", "steer")  # squares of the two controls: what N(0, std^2 I) adds to


class Scene(NamedTuple):
    """What a context says.

    Attributes:
        start: (B, A, 4) the first state of each agent.
        lane: (B, A) y of the middle of its lane, metres.
        speed: (B, A) that it desires, metres per second.
        goal: (B, A, 2) where it wants to be in the end, metres.
        obstacles: (B, K, 4) x, y, and their constant velocity.
    """

    start: Tensor
    lane: Tensor
    speed: Tensor
    goal: Tensor
    obstacles: Tensor

    def context(self) -> Tensor:
        """The scene as a context, (B, 8 A + 4 K)."""
        own = torch.cat(
            [self.start, self.lane[..., None], self.speed[..., None], self.goal], dim=-1
        )
        return torch.cat([own.flatten(1), self.obstacles.flatten(1)], dim=1)


class Costs:
    """phi of controls in a scene; each feature is a number near 1 in its own unit.

    lane: distance from the lane's middle squared, in metres. speed: difference from the desired
    speed squared, in m/s. drive, steer: the controls squared, in the dynamics' units. smooth: their
    change from step to step squared. goal: distance of the last place from the goal squared, in 2
    metres. obstacles, agents: 4 exp(-d^2 / 2 r^2) of each obstacle and of each pair of agents.

    Args:
        dynamics: from controls to states.
        agents: A, who act at once.
        context_dim: numbers of a context, 8 A + 4 K for K obstacles.
        radius: r of closeness, metres.

    Raises:
        UsageError: for a context that is no scene.
    """

    def __init__(
        self, dynamics: Dynamics, agents: int, context_dim: int, radius: float = 1.5
    ) -> None:
        whole("agents", agents, 1, 1000)
        positive("radius", radius)
        self.dynamics, self.agents, self.radius = dynamics, agents, radius
        left = context_dim - OF_AGENT * agents
        if left < 0 or left % OF_OBSTACLE:
            raise UsageError(
                f"A context of {context_dim} numbers is no scene of {agents} agents: it has "
                f"{OF_AGENT} for each agent and {OF_OBSTACLE} for each obstacle; use other data."
            )
        self.obstacles = left // OF_OBSTACLE
        names = ["lane", "speed", *EFFORTS, "smooth", "goal"]
        names += ["obstacles"] if self.obstacles else []
        self.names = tuple(names + (["agents"] if agents > 1 else []))

    def scene(self, context: Tensor) -> Scene:
        """What contexts (B, c) say."""
        own = context[:, : OF_AGENT * self.agents].unflatten(1, (self.agents, OF_AGENT))
        others = context[:, OF_AGENT * self.agents :].unflatten(1, (-1, OF_OBSTACLE))
        if not self.obstacles:
            others = context.new_zeros(len(context), 0, OF_OBSTACLE)
        return Scene(own[..., :4], own[..., 4], own[..., 5], own[..., 6:], others)

    def controls(self, x: Tensor) -> Tensor:
        """Controls (B, A, T, 2) out of x (B, d)."""
        return x.reshape(len(x), self.agents, -1, 2)

    def states(self, x: Tensor, context: Tensor) -> Tensor:
        """The states that controls x (B, d) lead to, (B, A, T + 1, 4)."""
        return self.dynamics.rollout(self.scene(context).start, self.controls(x))

    def by_step(self, x: Tensor, context: Tensor) -> Tensor:
        """phi of each step of each agent, (B, A, T, features).

        Args:
            x: (B, d) controls of all agents and steps.
            context: (B, c).
        """
        u, scene = self.controls(x), self.scene(context)
        states = self.dynamics.rollout(scene.start, u)[..., 1:, :]
        place = states[..., :2]
        lane = (place[..., 1] - scene.lane[..., None]) / PLACE
        speed = (self.dynamics.speed(states) - scene.speed[..., None]) / SPEED
        change = torch.nn.functional.pad(u[..., 1:, :] - u[..., :-1, :], (0, 0, 1, 0))
        end = ((place[..., -1, :] - scene.goal) / GOAL).square().sum(-1, keepdim=True)
        goal = torch.nn.functional.pad(end, (u.shape[-2] - 1, 0))
        found = [
            lane.square(), speed.square(), u[..., 0].square(), u[..., 1].square(),
            change.square().sum(-1), goal,
        ]  # fmt: skip
        if self.obstacles:
            found.append(self.close(place[:, :, None] - self.paths(scene, u.shape[-2])).sum(2))
        if self.agents > 1:
            apart = self.close(place[:, :, None] - place[:, None])  # (B, A, A, T), with oneself
            found.append(0.5 * (apart.sum(2) - TOUCHING))  # each pair once
        return torch.stack(found, dim=-1)

    def total(self, x: Tensor, context: Tensor) -> Tensor:
        """phi, (B, features): the sum over steps and agents."""
        return self.by_step(x, context).sum((1, 2))

    def close(self, difference: Tensor) -> Tensor:
        """4 exp(-d^2 / 2 r^2) of differences (..., 2) of places."""
        return TOUCHING * (-0.5 * difference.square().sum(-1) / self.radius**2).exp()

    def paths(self, scene: Scene, steps: int) -> Tensor:
        """Where obstacles are after each step, (B, 1, K, steps, 2)."""
        time = self.dynamics.interval * torch.arange(1, steps + 1).to(scene.obstacles)
        there = scene.obstacles[:, :, None, :2] + time[:, None] * scene.obstacles[:, :, None, 2:]
        return there[:, None]

    def nearest(self, x: Tensor, context: Tensor) -> Tensor:
        """The least distance of an agent from an obstacle or another agent, (B,), metres."""
        scene, place = self.scene(context), self.states(x, context)[..., 1:, :2]
        apart = [place.new_full((len(x), 1), torch.inf)]
        if self.obstacles:
            away = place[:, :, None] - self.paths(scene, place.shape[-2])
            apart.append(away.norm(dim=-1).flatten(1))
        if self.agents > 1:
            first, second = torch.triu_indices(self.agents, self.agents, 1)
            apart.append((place[:, first] - place[:, second]).norm(dim=-1).flatten(1))
        return torch.cat(apart, dim=1).amin(1)
