"""The classifier that decides the class of samples, separate from the features of distances."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.features import (
    AT_ONCE,
    Classifier,
    ClassifierOptions,
    trained_classifier,
)

__all__ = ["NO_CLASSES", "OPTIONS", "ClassClassifier", "class_classifier", "predict"]

OPTIONS = ClassifierOptions(width=32, features=128, epochs=5, seed=1)
NO_CLASSES = "the prior has no classes (prior.name = coupled)"
SHIFT = 14  # training batches are shifted by up to 1 / SHIFT of the side


class ClassClassifier(Classifier):
    """Strided convolutions with batch normalisation, trained on randomly shifted batches.

    It differs from `Classifier` in architecture, seed and length of training, so that agreement
    with the features that distances are measured in is not built in.
    """

    name: ClassVar[str] = "classes"

    def layers(self, channels: int, side: int, options: ClassifierOptions) -> nn.Sequential:
        w, left = options.width, (side + 3) // 4
        self.shift = side // SHIFT
        return nn.Sequential(
            nn.Conv2d(channels, w, 5, 2, 2), nn.BatchNorm2d(w), nn.ReLU(),
            nn.Conv2d(w, 2 * w, 5, 2, 2), nn.BatchNorm2d(2 * w), nn.ReLU(), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(2 * w * left * left, options.features), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.shift:
            s, side = self.shift, x.shape[-1]
            down, right = (int(torch.randint(2 * s + 1, ())) for _ in range(2))
            x = pad(x, (s, s, s, s), mode="replicate")
            x = x[:, :, down : down + side, right : right + side]
        return super().forward(x)


def class_classifier(
    evaluation: Evaluation, data: ImageDataset, epochs: int, metric: str
) -> tuple[Classifier, float]:
    """Train the classifier of classes once for a run.

    Returns:
        The classifier, and its accuracy on the validation split.

    Raises:
        UsageError: where data or model have no classes, or different ones; the baselines of a run
            may have none.
    """
    if not data.classes:
        raise UsageError(f"The metric {metric} needs images with classes, which these lack.")
    known = evaluation.model.prior.n_classes
    if known == 0 and evaluation.name == "model":
        raise UsageError(f"The metric {metric} needs a model with classes: {NO_CLASSES}.")
    if known and known != len(data.classes):
        raise UsageError(
            f"The metric {metric} needs a prior of the data's {len(data.classes)} classes, not of "
            f"{known}: leave prior.n_classes to the data."
        )
    options = replace(OPTIONS, epochs=epochs)
    device = evaluation.model.device
    return trained_classifier(
        data, options, evaluation.cache, device, evaluation.log, ClassClassifier
    )


@torch.no_grad()
def predict(classifier: Classifier, x: Tensor) -> Tensor:
    """Predict the class of each image of x (n, C, H, W), (n,) on the CPU."""
    device = classifier.head.weight.device
    return torch.cat([classifier(part.to(device)).argmax(1).cpu() for part in x.split(AT_ONCE)])
