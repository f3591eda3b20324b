"""The control `near=1,0.5`: samples near a point of the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lebm_core import Control, Dataset
from lebm_core.control.controls import Term
from lebm_core.errors import UsageError
from lebm_strange.rings import Rings

WIDTH = 0.3


def near(sign: str, value: str, strength: float) -> Near:
    """The control of a command line, `near=X,Y`.

    Raises:
        UsageError: for another sign, or no two numbers.
    """
    try:
        point = [float(word) for word in value.split(",")]
    except ValueError:
        point = []
    if sign != "=" or len(point) != 2:
        raise UsageError(f"near{sign}{value} is not understood; use near=X,Y.")
    return Near(point, strength)


class Near(Control):
    """g(z) = -|x - point|^2 / (2 width^2), x the decoder's mean, or z itself in data space.

    Args:
        point: in the plane.
        strength: lambda.
        place: z -> x.
    """

    def __init__(
        self,
        point: Sequence[float],
        strength: float,
        place: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.point, self.strength, self.place = torch.tensor(point), strength, place

    def bind(self, model: Any, dataset: Dataset) -> Near:
        if not isinstance(dataset, Rings):
            raise UsageError("near is a point of the plane: it needs the data set strange.rings.")
        decoder = getattr(model, "decoder", None)
        place = (lambda z: z) if decoder is None else (lambda z: decoder(z).mean)
        return Near(self.point.tolist(), self.strength, place)

    def term(self, n_classes: int, classes: Sequence[str], heads: Mapping[str, Any]) -> Term:
        place = self.place
        if place is None:
            raise UsageError("near depends on the model: bind(model, dataset) comes first.")

        def energy(z: Tensor, context: Tensor | None) -> Tensor:
            return -(place(z) - self.point).square().sum(-1) / (2 * WIDTH**2)

        return Term("near {:g},{:g}".format(*self.point.tolist()), self.strength, (), energy)
