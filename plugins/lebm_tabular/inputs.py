"""Matrices of numbers as a classifier takes them: columns of mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lebm_core.inputs import Inputs

__all__ = ["TabularInputs"]

SCALINGS = ("columns", "all")


class TabularInputs(Inputs):
    """X (n, features), centred by column and scaled.

    Args:
        scaling: "columns", each to a variance of 1; "all", by one number, for columns of one unit
            such as pixels.

    Raises:
        ValueError: for another scaling.
    """

    decoder = "tabular"
    encoder = "tabular"
    vectors = True

    def __init__(self, scaling: str = "columns") -> None:
        if scaling not in SCALINGS:
            raise ValueError(f'scaling = "{scaling}": accepted are {", ".join(SCALINGS)}.')
        self.scaling = scaling

    def fit(self, X: Any) -> Self:  # noqa: N803
        self.scaler = StandardScaler().fit(X)
        if self.scaling == "all":
            self.scaler.scale_ = np.full(X.shape[1], np.sqrt(self.scaler.var_.mean()) or 1.0)
        self.sizes = {"features": X.shape[1]}
        return self

    def x(self, X: Any) -> Tensor:  # noqa: N803
        with np.errstate(over="ignore"):
            scaled = self.scaler.transform(X).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise ValueError("X has values too far from those of the training for float32.")
        return torch.from_numpy(scaled)

    def original(self, x: Tensor) -> Any:
        return self.scaler.inverse_transform(x.numpy().astype(np.float64))
