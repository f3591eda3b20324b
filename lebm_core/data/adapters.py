"""How what a user has becomes what a decoder models: the examples of `LatentEBMClassifier`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["Examples", "Inputs", "SparseRows", "Tensors"]


class Examples(Protocol):
    """Examples as a decoder takes them: a tensor, or what makes one of the rows asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Tensor:
        """The examples with these numbers (integers, a mask or a slice), first axis the rows."""


class SparseRows:
    """Rows of a sparse matrix; those asked for become dense.

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


class Inputs(ABC):
    """Examples X of one kind, to x and back, registered by the name that a user gives.

    Attributes:
        decoder: name of the decoder.
        encoder: name of the encoder that goes with it.
        smoothness: weight and radius of virtual adversarial smoothness where the user gives none.
        decoder_defaults, encoder_defaults: options of theirs where the user gives none.
        vectors: X is a matrix (n, features) of numbers, as scikit-learn's own estimators take.
        missing: NaN in such a matrix is a missing value.
        decoder_options: what the user gives to the decoder, set before `fit`: it may change how x
            has to look.
        sizes: what a decoder's or encoder's constructor may ask for by name, known after `fit`.
    """

    decoder: ClassVar[str]
    encoder: ClassVar[str]
    decoder_defaults: ClassVar[Mapping[str, Any]] = {}
    encoder_defaults: ClassVar[Mapping[str, Any]] = {}
    smoothness: tuple[float, float] = (50.0, 0.2)
    vectors: ClassVar[bool] = False
    missing: bool = False
    decoder_options: Mapping[str, Any] = {}  # noqa: RUF012
    sizes: dict[str, Any]

    @abstractmethod
    def fit(self, X: Any) -> Self:  # noqa: N803
        """Learns from training examples what `x` needs.

        Raises:
            ValueError: naming what is wrong with X.
        """

    @abstractmethod
    def x(self, X: Any) -> Examples:  # noqa: N803
        """The examples as the decoder takes them, n of them, on the CPU.

        Raises:
            ValueError: naming what is wrong with X.
        """

    def original(self, x: Tensor) -> Any:
        """The inverse of `x`, for samples."""
        return x.numpy()


class Tensors(Inputs):
    """Examples that are numbers already, as the user's own decoder takes them; integers stay so."""

    def fit(self, X: Any) -> Self:  # noqa: N803
        x = self._tensor(X)
        self.sizes, self.shape = {}, x.shape[1:]
        if not x.is_floating_point():  # there is nothing near an integer
            self.smoothness = (0.0, 0.0)
        return self

    def x(self, X: Any) -> Tensor:  # noqa: N803
        found = self._tensor(X)
        if found.shape[1:] != self.shape:
            raise ValueError(
                f"X has examples of shape {tuple(found.shape[1:])}, those of the training have "
                f"{tuple(self.shape)}."
            )
        return found

    @staticmethod
    def _tensor(X: Any) -> Tensor:  # noqa: N803
        try:
            found = torch.as_tensor(np.array(X))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"X does not hold numbers in equal rows ({error}): a decoder object takes them as "
                "they are."
            ) from None
        if not found.isfinite().all():
            raise ValueError("Input X contains NaN or infinity.")
        return found.float() if found.is_floating_point() else found
