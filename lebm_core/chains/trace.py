"""The trace of a chain."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["Chain"]


@dataclass
class Chain:
    """The trace of a chain; one entry a step, each (B,) on the CPU.

    Attributes:
        log_prob: log p at the start of the step, in nats.
        gradient_norm: norm of its gradient there.
        displacement: distance moved by the step.
        acceptance: probability with which Metropolis-Hastings accepts the proposal; NaN where
            the noise is not 1, for then it is not defined.
        keep: steps after which z itself is kept in `states`.
        states: step -> z (B, d).
    """

    log_prob: list[Tensor] = field(default_factory=list)
    gradient_norm: list[Tensor] = field(default_factory=list)
    displacement: list[Tensor] = field(default_factory=list)
    acceptance: list[Tensor] = field(default_factory=list)
    keep: tuple[int, ...] = ()
    states: dict[int, Tensor] = field(default_factory=dict)
