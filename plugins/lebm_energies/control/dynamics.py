"""Known dynamics of a vehicle: a point mass and a bicycle, rolled out by sums over time.

Both are exact for controls that stand still within a step. A roll-out is a cumulative sum, which
back-propagation goes through in one pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from lebm_core.base.checks import choice, positive

__all__ = ["DYNAMICS", "Bicycle", "Dynamics", "PointMass", "dynamics_of"]


class Dynamics(ABC):
    """States (..., T + 1, 4) from a start (..., 4) and controls (..., T, 2).

    Args:
        interval: seconds of a step.

    Attributes:
        units: what a control of 1 stands for, in metres per second squared or radians.
        states: names of the four numbers of a state.
        controls: names of the two numbers of a control.
    """

    units: ClassVar[tuple[float, float]]
    states: ClassVar[tuple[str, ...]]
    controls: ClassVar[tuple[str, ...]]

    def __init__(self, interval: float) -> None:
        positive("interval", interval)
        self.interval = interval

    def rollout(self, start: Tensor, controls: Tensor) -> Tensor:
        """The states that controls lead to.

        Args:
            start: (..., 4), the first state.
            controls: (..., T, 2), in `units`.

        Returns:
            (..., T + 1, 4), the start first.
        """
        moved = self.move(start, controls * controls.new_tensor(self.units))
        return torch.cat([start[..., None, :].expand_as(moved[..., :1, :]), moved], dim=-2)

    @abstractmethod
    def move(self, start: Tensor, controls: Tensor) -> Tensor:
        """The T states after the start, of controls in SI units."""

    @abstractmethod
    def speed(self, states: Tensor) -> Tensor:
        """The speed ahead, (...), in metres per second."""

    @abstractmethod
    def state(self, place: Tensor, speed: Tensor, heading: Tensor) -> Tensor:
        """The state (..., 4) at a place (..., 2), with a speed (...) into a heading (...)."""


class PointMass(Dynamics):
    """A point mass: p'' = u; its state is (x, y, x', y'), a control is an acceleration."""

    units = (1.5, 1.0)
    states = ("x", "y", "vx", "vy")
    controls = ("ax", "ay")

    def move(self, start: Tensor, controls: Tensor) -> Tensor:
        h = self.interval
        velocity = start[..., None, 2:] + h * controls.cumsum(-2)
        way = h * velocity - 0.5 * h**2 * controls  # of a step: h times its mean velocity
        return torch.cat([start[..., None, :2] + way.cumsum(-2), velocity], dim=-1)

    def speed(self, states: Tensor) -> Tensor:
        return states[..., 2]

    def state(self, place: Tensor, speed: Tensor, heading: Tensor) -> Tensor:
        velocity = torch.stack([speed * heading.cos(), speed * heading.sin()], dim=-1)
        return torch.cat([place, velocity], dim=-1)


class Bicycle(Dynamics):
    """A kinematic bicycle seen at its rear axle: heading' = speed tan(steering) / wheelbase.

    Its state is (x, y, speed, heading), a control is (acceleration, steering angle). A step is a
    chord in the direction of the heading at its middle.

    Args:
        interval: seconds of a step.
        wheelbase: metres between the axles.
    """

    units = (1.5, 0.06)
    states = ("x", "y", "speed", "heading")
    controls = ("acceleration", "steering")

    def __init__(self, interval: float, wheelbase: float = 2.7) -> None:
        super().__init__(interval)
        positive("wheelbase", wheelbase)
        self.wheelbase = wheelbase

    def move(self, start: Tensor, controls: Tensor) -> Tensor:
        h = self.interval
        gained, steering = h * controls[..., 0], controls[..., 1]
        speed = start[..., None, 2] + gained.cumsum(-1)
        mean = speed - 0.5 * gained
        turned = h * mean * steering.tan() / self.wheelbase
        heading = start[..., None, 3] + turned.cumsum(-1)
        middle, way = heading - 0.5 * turned, h * mean
        x = start[..., None, 0] + (way * middle.cos()).cumsum(-1)
        y = start[..., None, 1] + (way * middle.sin()).cumsum(-1)
        return torch.stack([x, y, speed, heading], dim=-1)

    def speed(self, states: Tensor) -> Tensor:
        return states[..., 2]

    def state(self, place: Tensor, speed: Tensor, heading: Tensor) -> Tensor:
        return torch.cat([place, speed[..., None], heading[..., None]], dim=-1)


DYNAMICS: dict[str, type[Dynamics]] = {"point-mass": PointMass, "bicycle": Bicycle}


def dynamics_of(name: str, interval: float) -> Dynamics:
    """The dynamics of a name.

    Raises:
        UsageError: for an unknown name, or an interval that is not positive.
    """
    choice("dynamics", name, DYNAMICS)
    return DYNAMICS[name](interval)
