"""`Value`: one figure of a results table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Numbers", "Value", "column_of", "in_row"]

Numbers = NDArray[Any]
# Titles of the rows that many metrics give.
TITLES = {
    "real": "real data",
    "aggregate": "aggregate posterior",
    "reference": "same decoder, f = 0",
}


@dataclass
class Value:
    """One figure of a results table, with what is needed to read it.

    Attributes:
        value: the figure; None where it is refused.
        standard_error: None where there is none.
        n: how many samples or examples it rests on.
        split: "train", "valid", "test", or "samples".
        definition: what it measures, with the unit.
        refused: why no value is given.
        extra: anything else that a reader needs, for instance {"decoding": "multinomial"}.
        row: the row of the table that it belongs to: "" for the model or baseline that is
            evaluated, "real", "aggregate", "reference", or the name of a registered baseline.
        row_title: what that row is called in tables; "" for its baseline's summary or its name.
        better: "higher" or "lower", which values are better; "" where neither is.
    """

    value: float | None
    standard_error: float | None = None
    n: int = 0
    split: str = ""
    definition: str = ""
    refused: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    row: str = ""
    row_title: str = ""
    better: str = ""

    @classmethod
    def share(
        cls,
        right: Numbers | Tensor | int,
        split: str,
        definition: str,
        extra: Mapping[str, Any] | None = None,
        *,
        of: int | None = None,
        better: str = "",
    ) -> Self:
        """The share of n independent trials that succeed, with its binomial standard error.

        Args:
            right: (n,) whether each does; or how many do, out of `of`.
            split: of the trials.
            definition: what it measures.
            extra: anything else that a reader needs.
            of: n, where `right` is a count; refused where it is 0.
            better: which values are better.
        """
        if isinstance(right, int):
            count, n = right, of or 0
        else:
            count, n = int(right.sum()), len(right)
        told = dict(extra or {})
        if not n:
            return cls(None, None, 0, split, definition, "There are none.", told, better=better)
        p, error = count / n, (count / n * (1 - count / n) / n) ** 0.5
        return cls(p, error, n, split, definition, extra=told, better=better)

    @classmethod
    def mean(
        cls,
        values: Numbers | Tensor,
        split: str,
        definition: str,
        extra: Mapping[str, Any] | None = None,
        *,
        better: str = "",
    ) -> Self:
        """The mean of independent numbers (n,), with its standard error; refused where n is 0.

        Args:
            values: computed in their own precision.
            split: of what they are numbers of.
            definition: what it measures, with the unit.
            extra: anything else that a reader needs.
            better: which values are better.
        """
        n, told = len(values), dict(extra or {})
        if not n:
            return cls(None, None, 0, split, definition, "There are none.", told, better=better)
        error = None
        if n > 1 and isinstance(values, np.ndarray):
            error = float(values.std(ddof=1) / n**0.5)
        elif n > 1:
            error = float(values.std()) / n**0.5
        return cls(float(values.mean()), error, n, split, definition, extra=told, better=better)


def in_row(row: str, values: Mapping[str, Value], title: str = "") -> dict[str, Value]:
    """The values put into another row of the table: each is then called "row/name".

    Args:
        row: its name.
        values: by metric.
        title: what the row is called in tables; by default that of its name.

    >>> list(in_row("real", {"length": Value(21.0)}))
    ['real/length']
    """
    title = title or TITLES.get(row, "")
    return {
        f"{row}/{name}": replace(value, row=row, row_title=title) for name, value in values.items()
    }


def column_of(name: str, value: Value) -> str:
    """The column of the table that a metric's value belongs to: its name without the row."""
    return name.removeprefix(f"{value.row}/") if value.row else name
