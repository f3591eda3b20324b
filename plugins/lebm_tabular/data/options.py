"""Options that several data sets share: keys of a recipe's [data]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["RowOptions"]


@dataclass(frozen=True)
class RowOptions:
    """How many rows of a public table are used, and how they are scaled.

    Attributes:
        train_rows: rows to learn from
        valid: further rows to choose by
        test_rows: rows to judge by
        scaling: columns (mean 0, variance 1), or none
    """

    train_rows: int = 65_000
    valid: int = 5_000
    test_rows: int = 20_000
    scaling: Literal["columns", "none"] = "columns"
