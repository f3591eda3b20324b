"""images.reconstruction: mean squared error of reconstructions in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.latent.amortized import Amortized
from lebm_images.data.dataset import ImageDataset

__all__ = ["build", "images_of"]


def images_of(evaluation: Evaluation, metric: str) -> ImageDataset:
    """The data set, which must be of images."""
    if not isinstance(evaluation.dataset, ImageDataset):
        kind = type(evaluation.dataset).__name__
        raise UsageError(f"The metric {metric} needs a data set of images, not {kind}.")
    return evaluation.dataset


def build(
    *, reconstruction_images: int = 0, reconstruction_batch: int = 100
) -> Callable[[Evaluation], Mapping[str, Value]]:
    """The metric images.reconstruction.

    Args:
        reconstruction_images: images of the split that are reconstructed; 0 for all
        reconstruction_batch: images at once
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = images_of(evaluation, "images.reconstruction")
        model, split = evaluation.model, evaluation.split
        errors = []
        limit = reconstruction_images or None
        for batch in data.batches(split, reconstruction_batch, limit=limit):
            x = batch.x.to(model.device)
            back = model.reconstruct(x, generator=evaluation.generator)
            errors.append((back - x).square().flatten(1).mean(1).double().cpu())
        error = torch.cat(errors)
        code = (
            "the mean of q(z|x)" if isinstance(model.inference, Amortized)
            else f"the end of one posterior chain, {getattr(model.inference, 'steps', 0)} steps"
        )  # fmt: skip
        return {
            "mse": Value(
                float(error.mean()),
                float(error.std()) / len(error) ** 0.5,
                len(error),
                split,
                "Squared error of a pixel in [-1, 1], mean over pixels and images, of the mean of "
                f"p(x|z) at {code}; the error is over images.",
                extra={"code": code, "range": "[-1, 1]"},
            )
        }

    return metric
