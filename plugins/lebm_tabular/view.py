"""How a page shows rows of a table, and asks for one: value by value."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from lebm_core.data.view import Field, Shown, View

__all__ = ["PlaneView", "RowView", "scattered"]


class RowView(View):
    """Rows in the units and the words of the source; of two numbers also as points."""

    dataset: Any  # a TabularDataset, which imports this module
    asks = "row"
    label: ClassVar[str] = "A row"

    def fields(self) -> list[Field]:
        """Give the columns, a number's mean of the training beside its name."""
        preparation, optional = self.dataset.preparation, bool(self.dataset.sizes["missing"])
        return [
            Field(name, words, words[0] if words else f"{mean:.4g}", optional)
            for name, words, mean in zip(
                preparation.columns, preparation.categories, preparation.mean.tolist(), strict=True
            )
        ]

    def source(self, entered: Any) -> Any:
        """Make columns of what was entered; what is left out is missing."""
        return {name: [value or None] for name, value in entered.items()}

    def show(self, x: Any, context: Tensor | None = None) -> Shown:
        """Show rows x (n, features)."""
        table = self.dataset.raw(x)
        numbers = len(table.names) == 2 and not any(self.dataset.preparation.categories)
        pictures = [scattered(table.rows(), table.names)] if numbers else []
        return Shown([(each, "") for each in pictures], table=table)


class PlaneView(View):
    """Points of the plane."""

    def show(self, x: Any, context: Tensor | None = None) -> Shown:
        """Show points x (n, 2), drawn and as numbers."""
        shown = super().show(x)
        return Shown([(scattered(x.tolist(), ("x1", "x2")), "")], table=shown.table)


def scattered(points: Sequence[Sequence[float]], names: Sequence[str]) -> bytes:
    """Draw points of the plane as a PNG.

    Args:
        points: (n, 2).
        names: of the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), layout="constrained")
    axis = figure.subplots()
    axis.scatter([p[0] for p in points], [p[1] for p in points], s=9, alpha=0.7, linewidths=0)
    axis.set(xlabel=names[0], ylabel=names[1])
    axis.set_aspect("equal", adjustable="datalim")
    file = io.BytesIO()
    figure.savefig(file, dpi=90, format="png")
    return file.getvalue()
