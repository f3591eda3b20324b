"""Step sizes that follow the acceptance of their proposals, during the first half of a chain."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
from torch import Tensor

from lebm_core.base.checks import positive
from lebm_core.chains.trace import Chain
from lebm_core.errors import UsageError

__all__ = ["AutoStep", "Move", "adapted", "check_step_size", "followed"]

AutoStep = float | Literal["auto"]
FIRST = 0.4  # where an automatic step size begins
ROUND = 5  # steps between two looks at the acceptance


class Move(Protocol):
    """A piece of a chain."""

    def __call__(
        self, z: Tensor, steps: int, step_size: float, trace: Chain | None, adjust: bool = False
    ) -> Tensor:
        """The states after so many steps of a size; `adjust`: accepted or rejected in any case."""


def check_step_size(step_size: AutoStep) -> None:
    """Refuse a step size that is neither a positive number nor "auto".

    Raises:
        UsageError: naming it.
    """
    if isinstance(step_size, str):
        if step_size != "auto":
            raise UsageError(
                f'step_size = "{step_size}" is unknown; use a number above 0, or "auto".'
            )
        return
    positive("step_size", step_size)


def followed(step_size: float, acceptance: float, target: float) -> float:
    """The step size of the next steps: larger where more is accepted than was aimed at."""
    return step_size * math.exp(acceptance - target)


def adapted(
    move: Move, z: Tensor, steps: int, step_size: AutoStep, target: float, trace: Chain | None
) -> Tensor:
    """Run a chain; an automatic step size is found in its first half and then stays.

    It is doubled or halved until the acceptance passes the one that is aimed at, and follows it
    from there. While it changes the chain is not exact, so the second half counts.

    Args:
        move: runs a piece of the chain and fills in a trace.
        z: (B, d), the start.
        steps: of the whole chain.
        step_size: a number, or "auto".
        target: mean acceptance that is aimed at.
        trace: filled in at every step when given; its `step_size` is the last one.
    """
    if not isinstance(step_size, str):
        if trace is not None:
            trace.step_size = step_size
        return move(z, steps, step_size, trace)
    size, first = FIRST, 0
    gains: list[float] = []
    while first < steps // 2:
        piece = min(ROUND, steps // 2 - first)
        seen = Chain() if trace is None else trace.piece(first)
        # A size that is still too large would make a chain diverge that rejects nothing.
        z = move(z, piece, size, seen, adjust=True)
        gain = float(torch.stack(seen.acceptance[-piece:]).nanmean()) - target
        gains.append(gain)
        passed = min(gains) < 0 < max(gains)
        size *= math.exp(gain) if passed else 2.0 if gain > 0 else 0.5
        if trace is not None:
            trace.append(seen, first)
        first += piece
    rest = None if trace is None else trace.piece(first)
    z = move(z, steps - first, size, rest)
    if trace is not None and rest is not None:
        trace.append(rest, first)
        trace.step_size = size
    return z
