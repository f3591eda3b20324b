"""The adapter of a density over numbers themselves: X by its mean and covariance."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.covariance import LedoitWolf
from torch import Tensor, from_numpy, full

from lebm_core.data.adapters import InputAdapter

__all__ = ["Whitening"]

RIDGE = 1e-6  # added to the variances of scaled columns: a constant one has a density too


class Whitening(InputAdapter):
    """X (n, d) as x of mean 0 and covariance 1, so that p0 = N(0, 1) is the Gaussian fit to X.

    The covariance is Ledoit and Wolf's (2004, J. Multivariate Analysis 88), which is shrunk as far
    as the rows are few: the Gaussian that a tilt starts from has a density in any dimension.
    """

    vectors = True

    def fit(self, X: Any) -> Self:  # noqa: N803
        """Learn mean and covariance of X (n, d).

        Raises:
            ValueError: for moments that are not finite.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            mean, scale = X.mean(0), X.std(0)
        if not np.isfinite(mean + scale).all():
            raise ValueError("X has values too large for their variance: write it in another unit.")
        scale = np.where(scale > 1e-10 * np.abs(mean), scale, 1.0)
        covariance = LedoitWolf(assume_centered=True).fit((X - mean) / scale).covariance_
        root = np.linalg.cholesky(covariance + RIDGE * np.eye(len(mean)))
        self.mean, self.root = mean, scale[:, None] * root  # X = mean + root x
        self.whiten = np.linalg.inv(root).T / scale[:, None]
        self.volume = float(-np.log(np.diag(root)).sum() - np.log(scale).sum())
        self.sizes = {"features": len(mean)}
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        """Make x (n, d) of X.

        Raises:
            ValueError: for values too far from those of the training for single precision.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            x = ((X - self.mean) @ self.whiten).astype(np.float32)
        if not np.isfinite(x).all():
            row = int(np.argwhere(~np.isfinite(x))[0, 0])
            raise ValueError(f"X[{row}] is too far from the training X for single precision.")
        return from_numpy(x)

    def inverse_transform(self, x: Tensor) -> Any:
        return self.mean + x.double().numpy() @ self.root.T

    def log_volume(self, x: Tensor) -> Tensor:
        return full((len(x),), self.volume).double()
