"""Tables as a `lebm_core` data set: columns scaled by the training split, NaN for missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.checks import choice
from lebm_core.base.files import read_json
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError, shown
from lebm_tabular.data.new import new_rows

__all__ = ["Rows", "TabularDataset"]

FILE = "columns.json"
SCALINGS = ("columns", "none")


class Rows(NamedTuple):
    """Rows of a table: x (N, features), NaN where a value is missing, and class ids y (N,)."""

    x: NDArray[np.float64]
    y: NDArray[np.int64] | None


class TabularDataset(Dataset):
    """Rows of numbers of three splits.

    Args:
        splits: rows by split; the training split's mean and standard deviation scale all.
        columns: names of the features.
        summary: facts for the report.
        classes: names of the classes; empty for data without.
        scaling: "columns", to mean 0 and variance 1, or "none".

    Raises:
        UsageError: for another scaling, a split without rows, or values that float32 cannot hold.
    """

    suffix: ClassVar[str] = ".csv"

    def __init__(
        self,
        splits: dict[str, Rows],
        columns: Sequence[str],
        summary: dict[str, Any],
        classes: Sequence[str] = (),
        scaling: str = "columns",
    ) -> None:
        choice("data.scaling", scaling, SCALINGS)
        self.columns, self.classes, self.scaling = list(columns), list(classes), scaling
        self.known: Table | None = None
        self.mean, self.scale = np.zeros(len(columns)), np.ones(len(columns))
        if "train" in splits and scaling == "columns":
            self.mean, self.scale = _moments(splits["train"].x)
        missing = any(bool(np.isnan(rows.x).any()) for rows in splits.values())
        self.x = {split: torch.from_numpy(self._scaled(rows.x)) for split, rows in splits.items()}
        self.y = {s: torch.from_numpy(rows.y) for s, rows in splits.items() if rows.y is not None}
        self.sizes = {"features": len(columns), "missing": missing}
        if classes:
            self.sizes["n_classes"] = len(classes)
        counts = {split: len(x) for split, x in self.x.items()}
        if counts and not min(counts.values()):
            raise UsageError(f"A split has no rows: {counts}.")
        self.summary = {"counts": counts, **summary}

    def length(self, split: str) -> int:
        """Return the number of rows of `split`."""
        if split not in SPLITS:
            raise UsageError(f'There is no split "{split}": accepted are {", ".join(SPLITS)}.')
        return len(self.x[split]) if split in self.x else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        """Return the rows with these numbers, x (B, features), NaN where a value is missing."""
        y = self.y.get(split)
        return Batch(self.x[split][index], None if y is None else y[index], rows=index)

    def vectors(self, split: str, index: Tensor) -> Any:
        """Return x, each missing value replaced by its column's mean of the training split."""
        filled = self.x[split][index]
        if self.scaling == "none" and self.sizes["missing"]:
            means = self.x["train"].nanmean(0).nan_to_num()
            return torch.where(filled.isnan(), means, filled).numpy()
        return filled.nan_to_num(nan=0.0).numpy()

    def new(self, source: Any) -> Self:
        """Read rows with the columns of the training, see `new_rows`."""
        x, records = new_rows(source, self.columns)
        if not self.sizes["missing"] and np.isnan(x).any():
            row, column = np.argwhere(np.isnan(x))[0]
            raise UsageError(
                f"Row {row + 1} has no value in the column {shown(self.columns[column])}: the "
                "table of the training had none missing, so the model does not know what that is."
            )
        read = type(self)({}, self.columns, {}, self.classes, self.scaling)
        read.mean, read.scale, read.sizes = self.mean, self.scale, self.sizes
        read.x, read.known = {"test": torch.from_numpy(read._scaled(x))}, records
        return read

    def records(self, split: str) -> Table:
        """Return the columns of what `new` has read; else the row numbers."""
        return super().records(split) if self.known is None else self.known

    def raw(self, x: Tensor) -> Table:
        """Return samples in the units of the source, a column for each feature."""
        rows = x.double().cpu().numpy() * self.scale + self.mean
        return Table({name: rows[:, i].tolist() for i, name in enumerate(self.columns)})

    def write(self, x: Tensor, path: Path) -> Path:
        """Write samples in the units of the source to `path` with the suffix .csv."""
        file = path.with_name(path.name + self.suffix)
        rows = self.raw(x).rows()
        lines = [",".join(self.columns), *(",".join(f"{v:.7g}" for v in row) for row in rows)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def save(self, folder: Path) -> None:
        """Write names, classes and scales to columns.json."""
        kept = {
            "columns": self.columns, "classes": self.classes, "scaling": self.scaling,
            "mean": self.mean.tolist(), "scale": self.scale.tolist(), "sizes": self.sizes,
            "summary": self.summary,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        kept = read_json(folder / FILE)
        try:
            data = cls({}, kept["columns"], kept["summary"], kept["classes"], kept["scaling"])
            moments = np.array([kept["mean"], kept["scale"]], dtype=np.float64)
            data.mean, data.scale = moments.reshape(2, len(data.columns))
            data.sizes = dict(kept["sizes"])
        except (KeyError, TypeError, ValueError):
            raise UsageError(f"{folder / FILE} is damaged: it is not what lebm wrote.") from None
        return data

    def _scaled(self, x: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale rows; refuse those whose moments or scaled values overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((x - self.mean) / self.scale).astype(np.float32)
        wrong = ~np.isfinite(self.mean + self.scale) | np.isinf(scaled).any(0)
        if wrong.any():
            raise UsageError(
                f"The column {shown(self.columns[int(wrong.argmax())], 30)} has values too large "
                "for single precision: write it in another unit."
            )
        return scaled


def _moments(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute mean and standard deviation of each column's observed values; 0 and 1 without any."""
    known = ~np.isnan(x)
    n = np.maximum(known.sum(0), 1)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused by its column
        mean = np.where(known, x, 0.0).sum(0) / n
        scale = np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(0) / n)
    # Rounding gives a constant column a tiny scale, by which any other value would explode.
    return mean, np.where(scale > 1e-10 * np.abs(mean), scale, 1.0)
