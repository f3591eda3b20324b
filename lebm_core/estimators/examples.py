"""A user's X and y as the data set that the training loop reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lebm_core.data.adapters import Examples
from lebm_core.data.dataset import Batch, Dataset

__all__ = ["LabelledExamples"]


class LabelledExamples(Dataset):
    """Examples in memory, all in the split "train".

    Args:
        x: (N, ...), as the decoder takes them.
        y: (N,) class ids, -1 where unknown.
        weights: (N,) of the examples; None: all alike.
    """

    def __init__(
        self, x: Examples, y: NDArray[np.int64], weights: NDArray[np.float64] | None = None
    ) -> None:
        self.x, self.y = x, torch.as_tensor(y)
        self.weights = None if weights is None else torch.as_tensor(weights)
        self.sizes, self.summary = {}, {}

    def __len__(self) -> int:
        return len(self.y)

    def length(self, split: str) -> int:
        return len(self.y) if split == "train" else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[index], self.y[index], rows=index)

    def write(self, x: Any, path: Path) -> Path:
        raise TypeError("An estimator's examples are not written to files.")

    def save(self, folder: Path) -> None:
        raise TypeError("An estimator's examples are not written to files.")

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise TypeError("An estimator's examples are not read from files.")
