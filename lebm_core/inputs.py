"""How what a user has becomes what a decoder models: the examples of `LatentEBMClassifier`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

__all__ = ["Inputs", "Tensors"]


class Inputs(ABC):
    """Examples X of one kind, to x and back, registered by the name that a user gives.

    Attributes:
        decoder: name of the decoder; the default options are its own.
        encoder: name of the encoder that goes with it.
        decoder_options: defaults of that decoder for these examples; the user's come before them.
        encoder_options: of that encoder, likewise.
        smooth: x is of real numbers, so that p(y | x) can be smooth in it. Where it is False the
            classifier's `smoothness` does nothing.
        vectors: X is a matrix (n, features) of numbers, as scikit-learn's own estimators take.
        sizes: what a decoder's or encoder's constructor may ask for by name, known after `fit`.
    """

    decoder: ClassVar[str]
    encoder: ClassVar[str]
    decoder_options: ClassVar[Mapping[str, Any]] = {}
    encoder_options: ClassVar[Mapping[str, Any]] = {}
    smooth: ClassVar[bool] = True
    vectors: ClassVar[bool] = False
    sizes: dict[str, Any]

    @abstractmethod
    def fit(self, X: Any) -> Self:  # noqa: N803
        """Learns from training examples what `x` needs.

        Raises:
            ValueError: naming what is wrong with X.
        """

    @abstractmethod
    def x(self, X: Any) -> Tensor:  # noqa: N803
        """The examples as the decoder takes them, first axis n, on the CPU.

        Raises:
            ValueError: naming what is wrong with X.
        """

    def original(self, x: Tensor) -> Any:
        """The inverse of `x`, for samples."""
        return x.numpy()


class Tensors(Inputs):
    """Examples that are numbers already, as the user's own decoder takes them; integers stay so."""

    def fit(self, X: Any) -> Self:  # noqa: N803
        self.sizes = {}
        self.shape = self._tensor(X).shape[1:]
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
