"""The trace of a chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

__all__ = ["Chain", "Move"]


class Move(NamedTuple):
    """One step of a chain from z (B, d) to `moved`: log p and its gradient at z, the acceptance."""

    z: Tensor
    value: Tensor
    gradient: Tensor
    moved: Tensor
    accept: Tensor


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
        step_size: of the last steps; None where the chain has none.
        exchange: share of the exchanges between replicas that were accepted, one entry a round.
        effective: effective number of draws that a resampling rests on; None for a chain.
        by_row: whether each chain has a density of its own, so that their log p do not compare.
    """

    log_prob: list[Tensor] = field(default_factory=list)
    gradient_norm: list[Tensor] = field(default_factory=list)
    displacement: list[Tensor] = field(default_factory=list)
    acceptance: list[Tensor] = field(default_factory=list)
    keep: tuple[int, ...] = ()
    states: dict[int, Tensor] = field(default_factory=dict)
    step_size: float | None = None
    exchange: list[Tensor] = field(default_factory=list)
    effective: float | None = None
    by_row: bool = False

    def piece(self, first: int) -> Chain:
        """An empty trace of the steps from `first` on."""
        return Chain(keep=tuple(step - first for step in self.keep))

    def append(self, piece: Chain, first: int) -> None:
        """Add what a piece of the chain recorded, whose first step is `first`."""
        self.log_prob += piece.log_prob
        self.gradient_norm += piece.gradient_norm
        self.displacement += piece.displacement
        self.acceptance += piece.acceptance
        self.states |= {step + first: z for step, z in piece.states.items()}

    def add_level(self, level: Chain, first: int) -> None:
        """Add the chain of a level of noise, whose first step is `first` and density its own."""
        self.append(level, first)
        self.by_row, self.step_size = True, level.step_size
        if level.effective is not None:
            self.effective = min(level.effective, self.effective or level.effective)

    def rows(self, chosen: slice) -> Chain:
        """The trace of some of the chains."""
        return Chain(
            [each[chosen] for each in self.log_prob],
            [each[chosen] for each in self.gradient_norm],
            [each[chosen] for each in self.displacement],
            [each[chosen] for each in self.acceptance],
            states={step: z[chosen] for step, z in self.states.items()},
        )

    def record(
        self,
        step: int,
        z: Tensor,
        value: Tensor,
        gradient: Tensor,
        moved: Tensor,
        accept: Tensor,
    ) -> None:
        """Add one step, from z (B, d) to `moved`."""
        self.log_prob.append(value.cpu())
        self.gradient_norm.append(gradient.norm(dim=-1).cpu())
        self.displacement.append((moved - z).norm(dim=-1).cpu())
        self.acceptance.append(accept.cpu())
        if step in self.keep:
            self.states[step] = z.cpu()

    def end(self, steps: int, z: Tensor) -> None:
        """Keep the last state where it is asked for."""
        if steps in self.keep:
            self.states[steps] = z.detach().cpu()
