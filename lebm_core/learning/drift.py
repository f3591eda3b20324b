"""Warnings and a stop where f runs away from its own chains."""

from __future__ import annotations

from lebm_core.errors import DivergenceError

__all__ = ["DriftGuard"]


class DriftGuard:
    """Watches the figures of a training for the run-away of f against its own chains.

    Args:
        limit: nats that f(posterior) - f(chain) may reach before a warning; at ten times that
            the training stops.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, metrics: dict[str, float]) -> list[str]:
        """The warnings for one step's figures.

        Raises:
            DivergenceError: where f has run away.
        """
        found = []
        up, chain = metrics.get("f_posterior"), metrics.get("f_chain")
        if up is not None and chain is not None:
            gap = up - chain
            if gap > 10 * self.limit:
                raise DivergenceError(
                    f"The tilt has run away: f(posterior) - f(chain) = {gap:.1f} nats (limit "
                    f"{10 * self.limit:g}). Lower training.lr_prior, bound the tilt (prior.bound "
                    "= 10), or learn it by learning.tilt = density-ratio."
                )
            if gap > self.limit:
                found.append(
                    f"f(posterior) - f(chain) = {gap:.1f} nats exceeds {self.limit:g}: the chains "
                    "do not reach where the codes are; use a smaller prior.step_size with more "
                    "steps, or a lower training.lr_prior."
                )
        spread, mean = metrics.get("code_std"), metrics.get("code_mean")
        if spread is not None and not 0.05 < spread < 20:
            found.append(
                f"The codes have a standard deviation of {spread:.3g} a dimension, far from the "
                "reference: raise learning.kl_weight or code_penalty."
            )
        if mean is not None and mean > 20:
            found.append(f"The mean of the codes has drifted to {mean:.3g} in one dimension.")
        return found
