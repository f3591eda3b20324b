"""The preparation of a table: columns become x by scaling and one-hot groups, and x columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lebm_core.data.classes import as_number
from lebm_core.data.disk.tensors import DiskTensor, chunks_of
from lebm_core.errors import UsageError, shown

__all__ = ["Preparation", "SCALINGS", "means_of"]

SCALINGS = ("columns", "all", "none")
Numbers = NDArray[np.float64]


class Preparation:
    """How the columns of a table become x (N, features), for data sets and for estimators.

    A table of N rows is (N, columns): values of a column of numbers, ids of a column of categories,
    NaN where a value is missing. In x the numbers, scaled, come first, and then a group for each
    column of categories: the feature of the row's category is 1, the others are 0, and all are NaN
    where it is missing.

    Args:
        columns: their names.
        categories: of each column, none for one of numbers; () where all are of numbers.
        scaling: of the numbers: "columns", each to mean 0 and variance 1; "all", to mean 0 and by
            one number, for columns of one unit; "none".

    Attributes:
        mean, scale: (columns,), by which numbers are shifted and divided; 0 and 1 for categories.
    """

    def __init__(
        self,
        columns: Sequence[str],
        categories: Sequence[Sequence[str]] = (),
        scaling: str = "columns",
    ) -> None:
        self.columns, self.scaling = list(columns), scaling
        self.categories = [list(each) for each in categories] or [[] for _ in self.columns]
        self.mean, self.scale = np.zeros(len(self.columns)), np.ones(len(self.columns))

    @property
    def sizes(self) -> dict[str, Any]:
        """What networks of x ask for: "features", and "groups", the widths, where there are any."""
        groups = [len(each) for each in self.categories if each]
        return {"features": len(self.features), **({"groups": groups} if groups else {})}

    @property
    def numbers(self) -> list[int]:
        """The places of the columns of numbers."""
        return [i for i, each in enumerate(self.categories) if not each]

    @property
    def features(self) -> list[str]:
        """The names of x's features, such as "width" and "colour=red"."""
        named = list(zip(self.columns, self.categories, strict=True))
        words = [f"{name}={word}" for name, each in named for word in each]
        return [self.columns[i] for i in self.numbers] + words

    def fit(self, table: Numbers) -> Self:
        """Set mean and scale by the rows (N, columns) of a training."""
        return self.fit_parts(lambda: [table])

    def fit_parts(self, parts: Callable[[], Iterable[Numbers]]) -> Self:
        """Do the same for rows that are not in memory at once.

        Args:
            parts: gives the rows again and again, in parts and in their order; those of a single
                column in one, or the sums are not those of `fit` to the last bit.
        """
        if self.scaling == "none" or not self.numbers:
            return self
        mean, variance = _moments(parts)
        with np.errstate(over="ignore", invalid="ignore"):  # refused by `transform`
            if self.scaling == "all":
                scale = np.full(len(mean), np.sqrt(variance[self.numbers].mean()) or 1.0)
            else:
                # Rounding gives a constant column a tiny scale, by which others would explode.
                scale = np.sqrt(variance)
                scale = np.where(scale > 1e-10 * np.abs(mean), scale, 1.0)
        for i in self.numbers:
            self.mean[i], self.scale[i] = mean[i], scale[i]
        return self

    def transform(self, table: Numbers) -> NDArray[np.float32]:
        """Make x (N, features) of rows (N, columns).

        Raises:
            UsageError: for moments or scaled values that single precision cannot hold.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((table - self.mean) / self.scale).astype(np.float32)
        wrong = ~np.isfinite(self.mean + self.scale) | np.isinf(scaled).any(0)
        if wrong.any():
            raise UsageError(
                f"The column {shown(self.columns[int(wrong.argmax())], 30)} has values too large "
                "for single precision: write it in another unit."
            )
        if not any(self.categories):
            return scaled
        groups = [
            _one_hot(table[:, i], len(each)) for i, each in enumerate(self.categories) if each
        ]
        return np.concatenate([scaled[:, self.numbers], *groups], axis=1)

    def inverse_transform(self, x: NDArray[Any]) -> Numbers:
        """Make rows (N, columns) of x: a number in its units, of each group the likeliest category.

        Raises:
            UsageError: for an x of another width.
        """
        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise UsageError(
                f"x has the shape {x.shape}, and these columns make ({len(x)}, "
                f"{len(self.features)})."
            )
        if not any(self.categories):
            table: Numbers = x.astype(np.float64) * self.scale + self.mean
            return table
        table = np.empty((len(x), len(self.columns)))
        first = len(self.numbers)
        table[:, self.numbers] = x[:, :first]
        table = table * self.scale + self.mean
        for i, each in enumerate(self.categories):
            if each:
                table[:, i] = x[:, first : first + len(each)].argmax(1)
                first += len(each)
        return table

    def words(self, table: Numbers) -> list[list[Any]]:
        """Make the columns of rows (N, columns) as a user has them: words in the place of ids.

        Where all categories of a column are numbers, so are its cells. None is a missing category.
        """
        found: list[list[Any]] = []
        for i, each in enumerate(self.categories):
            column = table[:, i].tolist()
            if each:
                cells = _written(each)
                column = [None if math.isnan(k) else cells[int(k)] for k in column]
            found.append(column)
        return found

    @property
    def state(self) -> dict[str, Any]:
        """All that `of` makes a preparation of again, in JSON."""
        return {
            "columns": self.columns, "categories": self.categories, "scaling": self.scaling,
            "mean": self.mean.tolist(), "scale": self.scale.tolist(),
        }  # fmt: skip

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """Make a preparation of what `state` gave.

        Raises:
            KeyError, TypeError, ValueError: where it is something else.
        """
        columns, categories, scaling = (state[key] for key in ("columns", "categories", "scaling"))
        if not isinstance(categories, list) or scaling not in SCALINGS:
            raise ValueError("categories or scaling")
        for names in (columns, *categories):
            distinct = isinstance(names, list) and len({*names}) == len(names)
            if not distinct or not all(isinstance(name, str) for name in names):
                raise ValueError("names")
        made = cls(columns, categories, scaling)
        moments = np.array([state["mean"], state["scale"]], dtype=np.float64)
        made.mean, made.scale = moments.reshape(2, len(columns))
        if len(made.categories) != len(columns):
            raise ValueError("categories")
        if not (np.isfinite(moments).all() and (made.scale > 0).all()):
            raise ValueError("mean or scale")
        return made


def _moments(parts: Callable[[], Iterable[Numbers]]) -> tuple[Numbers, Numbers]:
    """Compute mean and variance of each column's observed values; 0 and 0 without any."""
    n = np.maximum(sum((~np.isnan(x)).sum(0) for x in parts()), 1)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused by its column
        mean = _sum(np.where(np.isnan(x), 0.0, x) for x in parts()) / n
        squares = (np.where(np.isnan(x), 0.0, (x - mean) ** 2) for x in parts())
        return mean, _sum(squares) / n


def _sum(parts: Iterable[Numbers]) -> Numbers:
    """Sum rows, one after the other as NumPy does those of one array of several columns."""
    total: Numbers | None = None
    for part in parts:
        total = (part if total is None else np.concatenate([total[None], part])).sum(0)
    assert total is not None
    return total


def _one_hot(ids: Numbers, width: int) -> NDArray[np.float32]:
    """Make a group (N, width) of ids (N,); NaN is NaN in all features."""
    known = ~np.isnan(ids)
    group = np.zeros((len(ids), width), dtype=np.float32)
    group[known, ids[known].astype(np.int64)] = 1.0
    group[~known] = np.nan
    return group


def _written(categories: Sequence[str]) -> list[Any]:
    """Categories as cells: numbers where all of them are."""
    numbers = [as_number(word) for word in categories]
    return list(categories) if None in numbers else numbers


def means_of(x: Tensor | DiskTensor) -> Tensor:
    """Compute each feature's mean over rows (N, features), 0 of one without values.

    In parts that are the same in memory and on disk.
    """
    total, known = torch.zeros(2, x.shape[1], dtype=torch.float64)
    for part in chunks_of(len(x)):
        values = x[part].double()
        total, known = total + values.nansum(0), known + (~values.isnan()).sum(0)
    means: Tensor = (total / known).nan_to_num().float()
    return means
