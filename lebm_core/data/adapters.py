"""Adapters between a user's X and the x that a decoder models, used by the estimators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["NARROW_ROWS", "Examples", "InputAdapter", "SparseRows", "TensorAdapter"]

NARROW_ROWS = 1_000  # of a matrix, below which narrow networks learn as much in less time


class Examples(Protocol):
    """Examples as a decoder takes them: a tensor, or an object that makes one of given rows."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Tensor:
        """The examples with these row numbers (integers, a mask or a slice), rows first."""


class SparseRows:
    """Rows of a sparse matrix, made dense on access.

    Args:
        matrix: (n, V) in CSR form, of scipy.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, rows: Any) -> Tensor:
        chosen = rows.numpy() if isinstance(rows, Tensor) else rows
        return torch.from_numpy(self.matrix[chosen].toarray())


class InputAdapter(ABC):
    """Converts examples X of one kind to x and back; registered by the name that a user gives.

    `LatentEBMClassifier(NAME, adapter_options=...)` passes these options to the constructor. After
    `fit` the decoder and the encoder are made by `sizes`, their defaults here and, over those, the
    user's decoder_options and encoder_options.

    Attributes:
        decoder: registered name of the decoder.
        encoder: registered name of its encoder.
        vat: default weight and radius of the virtual adversarial loss; (0, 0) where x is not of
            real numbers and the encoder embeds nothing.
        consistency: default weight of the consistency of p(y | x) with p(y | augmented x).
        decoder_defaults, encoder_defaults: default options of the two networks.
        vectors: X is a matrix (n, features) of numbers, as scikit-learn's own estimators take.
        missing: NaN in such a matrix is a missing value.
        decoder_options: the user's options of the decoder, set before `fit`: they may change x.
        sizes: constructor arguments that a decoder or encoder may ask for by name, set by `fit`.
    """

    decoder: ClassVar[str]
    encoder: ClassVar[str]
    decoder_defaults: Mapping[str, Any] = {}  # noqa: RUF012
    encoder_defaults: Mapping[str, Any] = {}  # noqa: RUF012
    vat: tuple[float, float] = (50.0, 0.2)
    consistency: float = 0.0
    vectors: ClassVar[bool] = False
    missing: bool = False
    decoder_options: Mapping[str, Any] = {}  # noqa: RUF012
    sizes: dict[str, Any]

    def numbers(self, X: Any, fit: bool) -> Any:  # noqa: N803
        """X, where `vectors`, with numbers in the place of what else the adapter reads in it.

        It is called before X is checked as a matrix of numbers; by default X as it is.

        Args:
            X: as the user has it.
            fit: X is that of the training; else what it taught is kept.

        Raises:
            UsageError: naming a cell that the training did not have.
        """
        return X

    @abstractmethod
    def fit(self, X: Any) -> Self:  # noqa: N803
        """Learns from training examples what `transform` needs.

        Raises:
            ValueError: naming what is wrong with X.
        """

    @abstractmethod
    def transform(self, X: Any) -> Examples:  # noqa: N803
        """The n examples as the decoder takes them, on the CPU.

        Raises:
            ValueError: naming what is wrong with X.
        """

    def inverse_transform(self, x: Tensor) -> Any:
        """Samples x in the form of X."""
        return x.numpy()

    def log_volume(self, x: Tensor) -> Tensor:
        """log |det dx / dX| of each x (n, ...), (n,): added to log p(x) it gives log p(X).

        By default 0, as where x is X, or no number.
        """
        return torch.zeros(len(x))


class TensorAdapter(InputAdapter):
    """Numbers that a user's own decoder takes as they are; integers stay integers."""

    def fit(self, X: Any) -> Self:  # noqa: N803
        x = self._tensor(X)
        self.sizes, self.shape = {}, x.shape[1:]
        if not x.is_floating_point():  # an integer has no neighbourhood to be smooth in
            self.vat = (0.0, 0.0)
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        x = self._tensor(X)
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"X has examples of shape {tuple(x.shape[1:])}, those of the training have "
                f"{tuple(self.shape)}."
            )
        return x

    @staticmethod
    def _tensor(X: Any) -> Tensor:  # noqa: N803
        try:
            x = torch.as_tensor(np.array(X))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"X does not hold numbers in equal rows ({error}): a decoder object takes them as "
                "they are."
            ) from None
        if not x.isfinite().all():
            raise ValueError("Input X contains NaN or infinity.")
        return x.float() if x.is_floating_point() else x
