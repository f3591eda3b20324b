"""Tables as a `lebm_core` data set: columns scaled by the training split, NaN for missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
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
from lebm_core.data.disk.tensors import DiskTensor, TensorWriter
from lebm_core.errors import UsageError, shown
from lebm_tabular.data.new import new_rows
from lebm_tabular.data.preparation import Preparation, means_of
from lebm_tabular.data.streamed import rows_of
from lebm_tabular.view import RowView

__all__ = ["Rows", "TabularDataset"]

FILE = "columns.json"
SCALINGS = ("columns", "none")


class Rows(NamedTuple):
    """Rows of a table: (N, columns), NaN where a value is missing, and class ids y (N,).

    Attributes:
        x: values of columns of numbers, ids of columns of categories.
        y: class ids, or None.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64] | None


class TabularDataset(Dataset):
    """Rows of numbers and categories of three splits; see `Preparation` for x.

    Args:
        splits: rows by split; the training split's mean and standard deviation scale all.
        columns: names of the columns.
        summary: facts for the report.
        classes: names of the classes; empty for data without.
        scaling: "columns", to mean 0 and variance 1, or "none".
        categories: of each column, none for one of numbers; () where all are of numbers.

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
        categories: Sequence[Sequence[str]] = (),
    ) -> None:
        choice("data.scaling", scaling, SCALINGS)
        self.preparation = Preparation(columns, categories, scaling)
        if "train" in splits:
            self.preparation.fit(splits["train"].x)
        self.classes = list(classes)
        self.known: Table | None = None
        self._means: tuple[Tensor | DiskTensor, Tensor] | None = None
        transform = self.preparation.transform
        self.x: dict[str, Tensor | DiskTensor] = {}
        self.x |= {split: torch.from_numpy(transform(rows.x)) for split, rows in splits.items()}
        self.y = {s: torch.from_numpy(rows.y) for s, rows in splits.items() if rows.y is not None}
        missing = any(bool(np.isnan(rows.x).any()) for rows in splits.values())
        self.sizes = self._sizes(missing)
        counts = {split: len(x) for split, x in self.x.items()}
        if counts and not min(counts.values()):
            raise UsageError(f"A split has no rows: {counts}.")
        self.summary = {"counts": counts, **summary}

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.preparation.columns

    @property
    def mean(self) -> NDArray[np.float64]:
        """What is taken from each column before it is divided; 0 of categories."""
        return self.preparation.mean

    @property
    def scale(self) -> NDArray[np.float64]:
        """What each column is divided by; 1 of categories."""
        return self.preparation.scale

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
        """Return x, each missing value replaced by its feature's mean of the training split."""
        filled = self.x[split][index]
        if self.sizes["missing"]:
            known = self.x.get("train", filled)
            if self._means is None or self._means[0] is not known:  # a pass over all of them
                self._means = known, means_of(known)
            means = self._means[1].clone()
            if self.preparation.scaling == "columns":  # exactly, not as float32 sums
                means[: len(self.preparation.numbers)] = 0.0
            filled = torch.where(filled.isnan(), means, filled)
        return filled.numpy()

    def new(self, source: Any) -> Self:
        """Read rows with the columns of the training, see `new_rows`."""
        rows = new_rows(source, self.preparation)
        if not self.sizes["missing"] and np.isnan(rows.table).any():
            row, column = np.argwhere(np.isnan(rows.table))[0]
            raise UsageError(
                f"{rows.where}, {rows.places[row]}: there is no value in the column "
                f"{shown(self.columns[column], 30)}: the table of the training had none missing, "
                "so the model does not know what that is."
            )
        try:
            x = self.preparation.transform(rows.table)
        except UsageError as error:
            raise UsageError(f"{rows.where}: {error}") from None
        read = type(self)({}, self.columns, {}, self.classes)
        read.preparation, read.sizes = self.preparation, self.sizes
        read.x = {"test": torch.from_numpy(x)}
        read.known = rows.records
        return read

    def records(self, split: str) -> Table:
        """Return the columns of what `new` has read; else the row numbers."""
        return super().records(split) if self.known is None else self.known

    def raw(self, x: Tensor) -> Table:
        """Return samples in the units and the words of the source, a column for each of its own."""
        table = self.preparation.inverse_transform(x.double().cpu().numpy())
        return Table(dict(zip(self.columns, self.preparation.words(table), strict=True)))

    def view(self) -> RowView:
        """Show rows in their units, and take one value by value."""
        return RowView(self)

    def write(self, x: Tensor, path: Path) -> Path:
        """Write samples in the units and words of the source to `path` with the suffix .csv."""
        file = path.with_name(path.name + self.suffix)
        with file.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out, lineterminator="\n")
            rows.writerow(self.columns)
            for row in self.raw(x).rows():
                rows.writerow([f"{v:.7g}" if isinstance(v, float) else v for v in row])
        return file

    @classmethod
    def keep(
        cls,
        folder: Path,
        cells: DiskTensor,
        rows: Mapping[str, NDArray[np.int64]],
        y: NDArray[np.int64] | None,
        columns: Sequence[str],
        summary: dict[str, Any],
        classes: Sequence[str],
        scaling: str,
        categories: Sequence[Sequence[str]],
    ) -> None:
        """Write what the constructor would hold in memory to `folder`, for `kept` to open.

        Args:
            folder: for the arrays and what `save` writes.
            cells: (N, columns), as `Rows` has them.
            rows: by split, ascending.
            y: class ids (N,), or None.
            columns, summary, classes, scaling, categories: of the constructor.
        """
        data = cls({}, columns, summary, classes, scaling, categories)
        data.preparation.fit_parts(lambda: rows_of(cells, rows["train"]))
        missing, width = False, len(data.preparation.features)
        for split, chosen in rows.items():
            with TensorWriter(folder / f"{split}.x.npy", np.float32, (width,)) as out:
                for part in rows_of(cells, chosen):
                    out.add(data.preparation.transform(part))
                    missing = missing or bool(np.isnan(part).any())
            if y is not None:
                np.save(folder / f"{split}.y.npy", y[chosen])
        data.sizes = data._sizes(missing)
        data.summary = {"counts": {split: len(chosen) for split, chosen in rows.items()}, **summary}
        data.save(folder)

    @classmethod
    def kept(cls, folder: Path) -> Self:
        """Open what `keep` wrote: rows are read from it batch by batch."""
        data = cls.load(folder)
        for split in SPLITS:
            data.x[split] = DiskTensor(folder / f"{split}.x.npy")
            if data.classes:
                data.y[split] = torch.from_numpy(np.load(folder / f"{split}.y.npy"))
        return data

    def save(self, folder: Path) -> None:
        """Write names, categories, classes and scales to columns.json."""
        kept = {
            **self.preparation.state, "classes": self.classes, "sizes": self.sizes,
            "summary": self.summary,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(kept) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        kept = read_json(folder / FILE)
        try:
            preparation, classes = Preparation.of(kept), kept["classes"]
            if not (isinstance(classes, list) and all(isinstance(each, str) for each in classes)):
                raise ValueError("classes")
            data = cls({}, preparation.columns, dict(kept["summary"]), classes)
            data.preparation = preparation
            data.sizes = data._sizes(kept["sizes"]["missing"])
            if data.sizes != kept["sizes"]:
                raise ValueError("sizes")
        except (KeyError, TypeError, ValueError):
            raise UsageError(f"{folder / FILE} is damaged: it is not what lebm wrote.") from None
        return data

    def _sizes(self, missing: bool) -> dict[str, Any]:
        """What parts may ask for: whether values are missing, the features and the classes."""
        classes = {"n_classes": len(self.classes)} if self.classes else {}
        return {**self.preparation.sizes, "missing": missing, **classes}
