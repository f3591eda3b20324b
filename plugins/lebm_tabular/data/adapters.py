"""Adapters between matrices and the decoder's x: columns of numbers, counts of words."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lebm_core.data.adapters import Examples, InputAdapter, SparseRows

__all__ = ["BagAdapter", "TabularAdapter"]

SCALINGS = ("columns", "all", "none")


class TabularAdapter(InputAdapter):
    """X (n, features), centred by column and scaled.

    With the likelihood "bernoulli" X is left as it is, and must lie from 0 to 1.

    Args:
        scaling: "columns", each to a variance of 1; "all", by one number, for columns of one unit
            such as pixels; "none".
        missing: NaN is a missing value, left out of the likelihood.

    Raises:
        ValueError: for another scaling, or missing that is neither True nor False.
    """

    decoder = "tabular"
    encoder = "tabular"
    vectors = True

    def __init__(self, scaling: str = "columns", missing: bool = False) -> None:
        if scaling not in SCALINGS:
            raise ValueError(f'scaling = "{scaling}": accepted are {", ".join(SCALINGS)}.')
        if not isinstance(missing, (bool, np.bool_)):
            raise ValueError(f"missing = {missing!r} must be True or False.")
        self.scaling, self.missing = scaling, bool(missing)

    def fit(self, X: Any) -> Self:  # noqa: N803
        self.shares = self.decoder_options.get("likelihood") == "bernoulli"
        with np.errstate(over="ignore", invalid="ignore"):
            self.scaler = StandardScaler().fit(np.where(self._empty(X), 0.0, X))
        if not np.isfinite(self.scaler.var_).all():
            column = int(np.isfinite(self.scaler.var_).argmin())
            raise ValueError(f"Column {column} of X has values too large: give another unit.")
        if self.scaling == "all":
            self.scaler.scale_ = np.full(X.shape[1], np.sqrt(self.scaler.var_.mean()) or 1.0)
        if self.shares or self.scaling == "none":
            self.scaler.mean_, self.scaler.scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        self.sizes = {"features": X.shape[1], "missing": self.missing}
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        outside = np.argwhere((X < 0) | (X > 1))
        if self.shares and len(outside):
            row, column = outside[0]
            raise ValueError(
                f'The likelihood "bernoulli" takes values from 0 to 1: X[{row}, {column}] is '
                f"{X[row, column]:g}."
            )
        with np.errstate(over="ignore"):
            scaled = self.scaler.transform(X).astype(np.float32)
        if np.isinf(scaled).any():
            raise ValueError("X has values too far from the training values for float32.")
        return torch.from_numpy(scaled)

    def inverse_transform(self, x: Tensor) -> Any:
        return self.scaler.inverse_transform(x.numpy().astype(np.float64))

    @staticmethod
    def _empty(X: NDArray[np.float64]) -> NDArray[np.bool_]:  # noqa: N803
        """Find the columns without any value, (features,)."""
        return np.asarray(np.isnan(X).all(axis=0))


class BagAdapter(InputAdapter):
    """Counts of words (n, V), a scipy sparse matrix such as CountVectorizer's, or an array.

    They are kept sparse, and made dense (float32) by the batch: a batch of 500 takes 2 kB for each
    word of the vocabulary. Samples are a sparse matrix if X is one. The radius of the virtual
    adversarial loss is in units of the average count of a document's words.

    Args:
        binary: count each word of a document once.
    """

    vat = (5.0, 0.1)
    decoder = "tabular.bag"
    encoder = "tabular.bag"

    def __init__(self, binary: bool = False) -> None:
        self.binary = binary

    def fit(self, X: Any) -> Self:  # noqa: N803
        self.sparse, self.features = issparse(X), self._counts(X).shape[1]
        self.sizes = {"features": self.features}
        return self

    def transform(self, X: Any) -> Examples:  # noqa: N803
        counts = self._counts(X)
        if counts.shape[1] != self.features:
            raise ValueError(
                f"X has counts of {counts.shape[1]} words, the training X of {self.features}."
            )
        return SparseRows(counts)

    def inverse_transform(self, x: Tensor) -> Any:
        counts = x.numpy().astype(np.int64)
        return csr_matrix(counts) if self.sparse else counts

    def _counts(self, X: Any) -> csr_matrix:  # noqa: N803
        try:
            matrix = X if issparse(X) else np.asarray(X)
            if matrix.ndim != 2:
                raise ValueError(f"its shape is {np.shape(matrix)}")
            counts = csr_matrix(matrix, dtype=np.float32, copy=True)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"Give counts of words as a matrix (n, words), dense or sparse: {error}."
            ) from None
        if not counts.shape[0] or not counts.shape[1]:
            raise ValueError(f"X has no counts: its shape is {counts.shape}.")
        values = counts.data
        if not np.isfinite(values).all():
            raise ValueError("Input X contains NaN or infinity; give counts.")
        if (values < 0).any():
            raise ValueError(f"X has the count {values.min():g}: counts are from 0 on.")
        if self.binary:
            values[:] = values > 0
        return counts
