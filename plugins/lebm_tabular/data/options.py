"""Options that several data sets share: keys of a recipe's [data]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lebm_core.base.checks import whole

__all__ = ["PointOptions", "RowOptions"]

MOST = 10**8  # points, simulated at once


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


@dataclass(frozen=True)
class PointOptions:
    """How many points are simulated.

    Attributes:
        train: points to learn from
        valid: points to choose by
        test: points to judge by
    """

    train: int = 50_000
    valid: int = 5_000
    test: int = 10_000

    def __post_init__(self) -> None:
        for split, n in self.sizes.items():
            whole(f"data.{split}", n, 1, MOST)

    @property
    def sizes(self) -> dict[str, int]:
        """Points of each split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}
