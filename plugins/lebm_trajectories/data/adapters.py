"""Adapter between arrays of tracks and the decoder's x."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.adapters import InputAdapter

__all__ = ["TrackAdapter"]


class TrackAdapter(InputAdapter):
    """X (n, T, 2): n tracks of T positions, T at least 3, in any unit of length.

    Each track is moved to begin at the origin and turned so that it first goes along the first
    axis: position and direction are removed. Samples are such tracks too.

    Args:
        heading: turn each track; False where the direction matters.
    """

    decoder = "trajectories.track"
    encoder = "trajectories.track"

    def __init__(self, heading: bool = True) -> None:
        self.heading = heading

    def fit(self, X: Any) -> Self:  # noqa: N803
        tracks = self._tracks(X)
        self.steps = tracks.shape[1]
        if not len(tracks):
            raise ValueError("X holds no track: there is nothing to learn.")
        with np.errstate(over="ignore", invalid="ignore"):
            self.scale = float(np.sqrt(np.square(self._own(tracks)).mean()))
        if not self.scale < math.inf:
            raise ValueError("X holds positions too far from each other; change the unit.")
        if self.scale == 0:
            raise ValueError("No track in X moves: there is nothing to learn.")
        self.sizes = {"steps": self.steps - 1}
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        """Return the positions after the first, scaled to variance 1, (n, T - 1, 2)."""
        tracks = self._tracks(X)
        if tracks.shape[1] != self.steps:
            raise ValueError(
                f"X has tracks of {tracks.shape[1]} positions; the training tracks have "
                f"{self.steps}."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (self._own(tracks) / self.scale).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise ValueError("X has values too far from the training values for float32.")
        return torch.from_numpy(scaled)

    def inverse_transform(self, x: Tensor) -> Any:
        """Return tracks from the origin, in the unit of the training's X, (n, T, 2)."""
        away = x.numpy().astype(np.float64) * self.scale
        return np.concatenate([np.zeros_like(away[:, :1]), away], axis=1)

    def _own(self, tracks: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
        """Compute the positions after the first in each track's own coordinates, (n, T - 1, 2)."""
        away: np.ndarray[Any, np.dtype[Any]] = tracks[:, 1:] - tracks[:, :1]
        if not self.heading:
            return away
        first = away[:, (tracks.shape[1] - 1) // 3]  # the direction of a single step is noise
        length = np.linalg.norm(first, axis=1, keepdims=True)
        along = np.where(length > 0, first / np.where(length > 0, length, 1), [1.0, 0.0])
        aside = np.stack([-along[:, 1], along[:, 0]], axis=1)
        away = away @ np.stack([along, aside], axis=2)
        return away

    @staticmethod
    def _tracks(X: Any) -> np.ndarray[Any, np.dtype[Any]]:  # noqa: N803
        try:
            if np.iscomplexobj(X):
                raise TypeError
            tracks = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                "X does not hold numbers in equal rows: give tracks of equal length, (n, T, 2)."
            ) from None
        if tracks.ndim != 3 or tracks.shape[1] < 3 or tracks.shape[2] != 2:
            raise ValueError(
                f"Give tracks as (n, T, 2), T at least 3; X has the shape {tracks.shape}."
            )
        if not np.isfinite(tracks).all():
            raise ValueError("Input X contains NaN or infinity.")
        return tracks
