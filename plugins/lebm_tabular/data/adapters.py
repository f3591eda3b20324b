"""Adapters between matrices and the decoder's x: columns of a table, counts of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix, issparse
from torch import Tensor, from_numpy

from lebm_core.data.adapters import NARROW_ROWS, Examples, InputAdapter, SparseRows
from lebm_tabular.data.cells import coded, ids_of
from lebm_tabular.data.frames import cells_in, is_frame, replaced
from lebm_tabular.data.preparation import SCALINGS, Preparation

__all__ = ["BagAdapter", "TabularAdapter"]


class TabularAdapter(InputAdapter):
    """X (n, columns), prepared as a table of one's own is: see `Preparation` for x.

    A column of words becomes one of categories by the rule of `lebm_tabular.data.cells.coded`; the
    columns of an array are called x0, x1 and so on. With the likelihood "bernoulli" numbers are
    left as they are, and must lie from 0 to 1.

    Args:
        scaling: "columns", each to a variance of 1; "all", by one number, for columns of one unit
            such as pixels; "none".
        missing: NaN is a missing value, left out of the likelihood.
        categories: "auto"; "none" for columns of numbers alone; or names of columns that are
            categories beside those of "auto", such as codes that are numbers.

    Raises:
        ValueError: for another scaling, missing that is neither True nor False, or categories that
            are none of these.
    """

    decoder = "tabular"
    encoder = "tabular"
    vectors = True

    def __init__(
        self,
        scaling: str = "columns",
        missing: bool = False,
        categories: str | Sequence[str] = "auto",
    ) -> None:
        if scaling not in SCALINGS:
            raise ValueError(f'scaling = "{scaling}": accepted are {", ".join(SCALINGS)}.')
        if not isinstance(missing, (bool, np.bool_)):
            raise ValueError(f"missing = {missing!r} must be True or False.")
        if isinstance(categories, str):
            possible = categories in ("auto", "none")
        else:
            possible = isinstance(categories, Sequence) and all(
                isinstance(name, str) for name in categories
            )
        if not possible:
            raise ValueError(f'categories = {categories!r}: use "auto", "none" or a list of names.')
        self.scaling, self.missing, self.asked = scaling, bool(missing), categories
        self.names: list[str] = []  # of a training X with words
        self.framed = False
        self.categories: list[list[str]] = []

    def numbers(self, X: Any, fit: bool) -> Any:  # noqa: N803
        """Return X with the ids of categories in the place of words."""
        if not fit and not any(self.categories):
            return X
        cells = cells_in(X, every=not fit or not isinstance(self.asked, str))
        if cells is None:
            return X
        if fit:
            codes, self.categories = coded(cells, self.asked)
            self.names, self.framed = list(cells.names), is_frame(X)
        elif len(cells.names) != len(self.names) or (
            self.framed and is_frame(X) and cells.names != self.names
        ):
            return X  # for scikit-learn to refuse
        at = [i for i, words in enumerate(self.categories) if words]
        if not fit:
            codes = ids_of(replace(cells, names=self.names), self.categories, at)
        return replaced(X, {i: codes[:, i] for i in at})

    def fit(self, X: Any) -> Self:  # noqa: N803
        self.shares = self.decoder_options.get("likelihood") == "bernoulli"
        names = self.names or [f"x{i}" for i in range(X.shape[1])]
        scaling = "none" if self.shares else self.scaling
        self.preparation = Preparation(names, self.categories, scaling).fit(X)
        self.sizes = {**self.preparation.sizes, "missing": self.missing}
        narrow = {"hidden": [64, 64]} if len(X) < NARROW_ROWS else {}
        self.decoder_defaults = self.encoder_defaults = narrow
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        columns = self.preparation.numbers
        outside = np.argwhere((X[:, columns] < 0) | (X[:, columns] > 1))
        if self.shares and len(outside):
            row, column = outside[0, 0], columns[outside[0, 1]]
            raise ValueError(
                f'The likelihood "bernoulli" takes values from 0 to 1: X[{row}, {column}] is '
                f"{X[row, column]:g}."
            )
        return from_numpy(self.preparation.transform(X))

    def inverse_transform(self, x: Tensor) -> Any:
        """Return an array (n, columns), of objects where there are words."""
        table = self.preparation.inverse_transform(x.numpy())
        if not any(self.categories):
            return table
        columns = self.preparation.words(table)
        words = any(isinstance(cell, str) for column in columns for cell in column[:1])
        return np.array(columns, dtype=object if words else np.float64).T

    def log_volume(self, x: Tensor) -> Tensor:
        """Return minus the sum of log scale over the known numbers of each row."""
        scale = from_numpy(np.log(self.preparation.scale[self.preparation.numbers]))
        return -(~x[:, : len(scale)].isnan() * scale).sum(1)


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
