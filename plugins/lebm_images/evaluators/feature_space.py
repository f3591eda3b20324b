"""Feature spaces of Frechet distances: a classifier's of the training split, or Inception's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.features import (
    ClassifierOptions,
    Features,
    features_of,
    trained_classifier,
)
from lebm_images.evaluators.inception import STANDARD, Inception
from lebm_images.evaluators.options import FeatureOptions

__all__ = ["BATCH", "FeatureSpace"]

BATCH = 500  # images at once


@dataclass
class FeatureSpace:
    """Where distances are measured, and how they are described.

    Attributes:
        net: computes the features.
        device: where it is.
        name: of the distance.
        definition: of the distance, a sentence.
        facts: for the results.
    """

    net: Features
    device: torch.device
    name: str
    definition: str
    facts: dict[str, Any]

    def __call__(self, batches: Iterable[Tensor]) -> Tensor:
        """Compute the features of images, (N, F)."""
        return features_of(self.net, batches, self.device)

    @classmethod
    def of_classifier(
        cls, evaluation: Evaluation, data: ImageDataset, options: FeatureOptions
    ) -> FeatureSpace:
        """Use a small classifier of the training split, trained once for a run."""
        device = evaluation.model.device
        sizes = ClassifierOptions(options.feature_width, epochs=options.feature_epochs)
        net, accuracy = trained_classifier(data, sizes, evaluation.cache, device, evaluation.log)
        task = "classes" if data.classes else "four rotations"
        facts = {
            "features": f"{sizes.features} of a classifier of the training split, {accuracy:.3f} "
            f"accurate on the {task} of the validation split"
        }
        definition = (
            "Frechet distance of the features of samples, the means of p(x|z), to those of real "
            "images; not FID, whose features are Inception's."
        )
        return cls(net, device, "frechet_distance", definition, facts)

    @classmethod
    def of_inception(cls, weights: Path, device: torch.device) -> FeatureSpace:
        """Use Inception v3 with weights from a file; with the standard ones the distance is FID."""
        net = Inception(weights).to(device)
        definition = (
            "Frechet distance of the 2,048 Inception v3 features of samples, the means of p(x|z), "
            "to those of real images, resized as in TensorFlow"
        )
        if net.standard:
            facts = {"features": f"Inception v3, the standard weights {STANDARD}"}
            return cls(net, device, "fid", definition + ".", facts)
        facts = {"features": f"Inception v3, weights of {weights.name}"}
        definition += "; not FID, for the weights are not the standard ones."
        return cls(net, device, "frechet_distance", definition, facts)
