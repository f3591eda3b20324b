"""What the generated data sets of energies share: tensors in memory, saved as numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.files import read_json
from lebm_core.errors import UsageError

__all__ = ["Generated"]

FILE = "generated.json"
MOST = 1_000_000


class Generated(Dataset):
    """Examples of one shape in memory, with classes or without.

    Args:
        x: (N, ...) of each split.
        y: (N,) class ids of each split; empty where there are none.
        classes: their names.
        summary: facts for the report.
        facts: what `write` and figures need to know, in JSON's values.
    """

    suffix = ".npz"

    def __init__(
        self,
        x: Mapping[str, Tensor],
        y: Mapping[str, Tensor],
        classes: Sequence[str],
        summary: dict[str, Any],
        facts: dict[str, Any],
    ) -> None:
        self.x, self.y, self.classes = dict(x), dict(y), list(classes)
        self.sizes = {"n_classes": len(self.classes)} if self.classes else {}
        self.summary, self.facts = summary, facts

    def length(self, split: str) -> int:
        return len(self.x[split]) if split in self.x else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        y = self.y.get(split)
        return Batch(self.x[split][index], None if y is None else y[index], rows=index)

    def all(self, split: str, most: int = MOST) -> Batch:
        """The examples of a split, the first `most` of them."""
        return self.batch(split, torch.arange(min(most, self.length(split))))

    def clean(self, x: Tensor) -> Tensor:
        """Samples without the noise that is added to the data in learning; by default as is."""
        return x

    def write(self, x: Tensor, path: Path) -> Path:
        """Write what `raw` gives to `path` with the suffix .npz, key "x"."""
        file = path.with_name(path.name + self.suffix)
        np.savez_compressed(file, x=self.raw(x))
        return file

    def save(self, folder: Path) -> None:
        saved = {"classes": self.classes, "summary": self.summary, "facts": self.facts}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(saved) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        saved = read_json(folder / FILE)
        try:
            classes, summary, facts = saved["classes"], dict(saved["summary"]), dict(saved["facts"])
            names = [str(each) for each in classes]
        except (KeyError, TypeError, ValueError):
            raise UsageError(f"{folder / FILE} is not as a run writes it.") from None
        return cls({}, {}, names, summary, facts)
