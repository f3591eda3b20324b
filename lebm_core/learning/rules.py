"""What learning rules return."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Codes", "Outcome", "TiltLoss"]


class Codes(NamedTuple):
    """Codes z (B, d), detached, and what moved the parts."""

    z: Tensor
    losses: dict[str, Tensor]
    metrics: dict[str, Tensor | float]


class Outcome(NamedTuple):
    """What one batch asks of each part: scalar losses by part, and figures to log.

    The gradients of the losses do not overlap except where a rule means them to, so their sum is
    differentiated once.
    """

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor | float]


class TiltLoss(NamedTuple):
    """The loss of the prior (a scalar), and figures to log."""

    loss: Tensor
    metrics: dict[str, Tensor | float]
