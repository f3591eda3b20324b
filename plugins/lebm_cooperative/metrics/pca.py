"""Baseline cooperative.pca: principal components, the linear generator of least error."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core import Dataset, Evaluation, Value
from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Metric

__all__ = ["pca", "reconstructed_by_components"]

MOST = 20_000  # training examples


def pca(*, components: int = 0, reconstructed: int = 500) -> Metric:
    """Baseline cooperative.pca: as many principal components as the model has latent dimensions.

    Args:
        components: how many; 0 for as many
        reconstructed: as of the metric cooperative.reconstruction
    """
    whole("evaluation.components", components)
    whole("evaluation.reconstructed", reconstructed, 1)

    def baseline(evaluation: Evaluation) -> Mapping[str, Value]:
        split, k = evaluation.split, components or evaluation.model.latent_dim
        train = _examples(evaluation.dataset, "train", MOST)
        x = _examples(evaluation.dataset, split, reconstructed)
        began = time.monotonic()
        back = reconstructed_by_components(x, train, k)
        error = (back - x).square().mean(1)
        return {
            "mse": Value.mean(
                error, split,
                f"squared error of a number of x, of the projection on {k} principal components "
                f"of {len(train)} training examples", better="lower",
            ),
            "fit_seconds": Value(
                time.monotonic() - began, None, len(train), "train", "time of the fit, s"
            ),
        }  # fmt: skip

    return baseline


def reconstructed_by_components(x: Tensor, train: Tensor, k: int) -> Tensor:
    """x (n, d) projected on the mean and the first k principal components of train (N, d)."""
    mean = train.mean(0)
    axes = torch.linalg.svd(train - mean, full_matrices=False).Vh[:k]
    back: Tensor = mean + (x - mean) @ axes.T @ axes
    return back


def _examples(data: Dataset, split: str, most: int) -> Tensor:
    x = data.batch(split, torch.arange(min(most, data.length(split)))).x
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise UsageError("cooperative.pca needs examples of real numbers.")
    return x.flatten(1).double()
