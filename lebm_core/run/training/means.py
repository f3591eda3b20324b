"""Running means of the figures of a training."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["Means"]


class Means:
    """Means of named scalars since the last `take`, kept on their device: no transfer a step."""

    def __init__(self, state: Mapping[str, list[float]] | None = None) -> None:
        self._sums: dict[str, tuple[Tensor | float, int]] = {
            name: (value, int(count)) for name, (value, count) in (state or {}).items()
        }

    def add(self, values: Mapping[str, Tensor | float]) -> None:
        """Add one value of each name; a tensor of several counts as its mean."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            number = value.detach().mean().double() if isinstance(value, Tensor) else float(value)
            self._sums[name] = (total + number, count + 1)

    def take(self) -> dict[str, float]:
        """Return the means and start again from none."""
        means = {name: float(total) / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means

    def state(self) -> dict[str, list[float]]:
        """Sums and counts as JSON, exact in float64."""
        return {name: [float(total), count] for name, (total, count) in self._sums.items()}
