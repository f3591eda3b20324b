"""Options of a design."""

from __future__ import annotations

from dataclasses import dataclass

from lebm_core.base.checks import at_least
from lebm_core.errors import UsageError

__all__ = ["DesignOptions"]

GROWING = 0.8  # share of the rounds in which a limit of length rises


@dataclass(frozen=True)
class DesignOptions:
    """Options of a design.

    Attributes:
        rounds: at most.
        population: N, the molecules that are kept, and those proposed in a round.
        calls: of the oracle, at most; 0 for no limit. The molecules to start from count.
        delta: how far beyond its own value a molecule is aimed, in standard deviations of the
            values that the property head was fitted to.
        steps, step_size: of the Metropolis-adjusted Langevin chain in each round.
        strength: lambda of the property in that chain.
        passes: over the kept molecules, in which the model learns after a round; at 0 neither the
            model nor the head learns.
        lr: learning rate of all parts of the model.
        batch_size: molecules of an update.
        longest: most tokens of a molecule; a longer string is cut there.
        grow_from: tokens allowed at the start; the limit rises to `longest` over the first four
            fifths of the rounds, slowly at first (as a square). 0: it is `longest` throughout.
            A value that grows with size is then won by what is worth most for each token, not by
            what grows fastest.
        at_least: Tanimoto similarity to the start, where molecules have to be similar to it.
        random: random search: codes are draws of the model's prior, and nothing learns.
    """

    rounds: int = 30
    population: int = 1000
    calls: int = 0
    delta: float = 0.5
    steps: int = 10
    step_size: float = 0.2
    strength: float = 1.0
    passes: int = 1
    lr: float = 1e-3
    batch_size: int = 128
    longest: int = 72
    grow_from: int = 0
    at_least: float = 0.4
    random: bool = False

    def __post_init__(self) -> None:
        least: dict[str, float] = {
            "rounds": 0, "population": 1, "calls": 0, "steps": 0, "step_size": 0, "strength": 0,
            "passes": 0, "lr": 0, "batch_size": 1, "longest": 1, "at_least": 0,
            "grow_from": 0,
        }  # fmt: skip
        for name, low in least.items():
            at_least(name, getattr(self, name), low)
        if self.at_least > 1:
            raise UsageError(f"at_least = {self.at_least} is above 1; use a similarity up to 1.")
        if self.grow_from > self.longest:
            raise UsageError(
                f"grow_from = {self.grow_from} is above longest = {self.longest}; use less."
            )

    def limit(self, number: int) -> int:
        """Return the tokens that are allowed in a round."""
        if not self.grow_from or number >= GROWING * self.rounds:
            return self.longest
        share = (number / (GROWING * self.rounds)) ** 2
        return self.grow_from + round(share * (self.longest - self.grow_from))
