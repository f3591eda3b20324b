"""Adapter of tracks for estimators."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.adapters import Inputs

__all__ = ["TrackInputs"]


class TrackInputs(Inputs):
    """X (n, T, 2): n tracks of T positions, T at least 3, in any unit of length.

    Each track begins at the origin and is turned so that it goes along the first axis at first;
    where it was and where to it went are thereby not told. Samples are such tracks too.

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
        away = self._own(tracks)
        with np.errstate(over="ignore"):
            self.scale = float(np.sqrt(np.square(away).mean()))
        if not 0 < self.scale < math.inf:
            raise ValueError("Nobody moves in X: there is nothing to learn.")
        self.sizes = {"steps": self.steps - 1}
        return self

    def x(self, X: Any) -> Tensor:  # noqa: N803
        """(n, T - 1, 2): the positions after the first, in a unit in which their variance is 1."""
        tracks = self._tracks(X)
        if tracks.shape[1] != self.steps:
            raise ValueError(
                f"X has tracks of {tracks.shape[1]} positions, those of the training have "
                f"{self.steps}."
            )
        scaled = (self._own(tracks) / self.scale).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise ValueError("X has values too far from those of the training for float32.")
        return torch.from_numpy(scaled)

    def original(self, x: Tensor) -> Any:
        """(n, T, 2), from the origin, in the unit of the training's X."""
        away = x.numpy().astype(np.float64) * self.scale
        return np.concatenate([np.zeros_like(away[:, :1]), away], axis=1)

    def _own(self, tracks: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
        """The positions after the first in each track's own coordinates, (n, T - 1, 2)."""
        away: np.ndarray[Any, np.dtype[Any]] = tracks[:, 1:] - tracks[:, :1]
        if not self.heading:
            return away
        first = away[:, (tracks.shape[1] - 1) // 3]  # of one step alone the direction is noise
        length = np.linalg.norm(first, axis=1, keepdims=True)
        along = np.where(length > 0, first / np.where(length > 0, length, 1), [1.0, 0.0])
        aside = np.stack([-along[:, 1], along[:, 0]], axis=1)
        away = away @ np.stack([along, aside], axis=2)
        return away

    @staticmethod
    def _tracks(X: Any) -> np.ndarray[Any, np.dtype[Any]]:  # noqa: N803
        try:
            tracks = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                "X does not hold numbers in equal rows: tracks are needed as (n, T, 2), all of T "
                "positions."
            ) from None
        if tracks.ndim != 3 or tracks.shape[1] < 3 or tracks.shape[2] != 2:
            raise ValueError(
                f"Tracks are needed as (n, T, 2), T at least 3; X has the shape {tracks.shape}."
            )
        if not np.isfinite(tracks).all():
            raise ValueError("Input X contains NaN or infinity.")
        return tracks
