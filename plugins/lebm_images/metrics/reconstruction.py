"""images.reconstruction: mean squared error of reconstructions in [-1, 1]."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lebm_core.chains.samplers import option_of
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_images.data.dataset import ImageDataset

__all__ = ["build"]


def build(*, reconstruction_images: int = 0, reconstruction_batch: int = 100) -> Metric:
    """Metric images.reconstruction.

    Args:
        reconstruction_images: images of the split that are reconstructed; 0 for all
        reconstruction_batch: images at once
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(ImageDataset, "images.reconstruction")
        model, split = evaluation.model, evaluation.split
        errors = []
        limit = reconstruction_images or None
        for batch in data.batches(split, reconstruction_batch, limit=limit):
            x = batch.x.to(model.device)
            back = model.reconstruct(x, generator=evaluation.generator)
            errors.append((back - x).square().flatten(1).mean(1).double().cpu())
        code, sampler = "the mean of q(z|x)", getattr(model.inference, "sampler", None)
        if sampler is not None:
            steps = option_of(sampler, "steps", 0)
            code = f"the end of one posterior chain, {steps} steps"
        return {
            "mse": Value.mean(
                torch.cat(errors), split,
                "Squared error of a pixel in [-1, 1], mean over pixels and images, of the mean of "
                f"p(x|z) at {code}; the error is over images.",
                extra={"code": code, "range": "[-1, 1]"}, better="lower",
            )
        }  # fmt: skip

    return metric
