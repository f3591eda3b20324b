"""The judge of classes: a network of its own, apart from the features of the Frechet distance."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.features import Classifier, ClassifierOptions, classifier

__all__ = ["JUDGE_OPTIONS", "Judge", "NO_CLASSES", "judge_of", "verdict"]

JUDGE_OPTIONS = ClassifierOptions(width=32, features=128, epochs=5, seed=1)
NO_CLASSES = "the prior has no classes (prior.kind = coupled)"
AT_ONCE = 500  # images
SHIFT = 14  # a training batch is moved by up to a so-manieth of the side


class Judge(Classifier):
    """Strided convolutions with batch normalisation, trained on batches that are moved about.

    Another network than `Classifier`, another seed, longer training: that it agrees with what the
    distances are measured in is no matter of course.
    """

    purpose: ClassVar[str] = "that judges classes"

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


def judge_of(
    evaluation: Evaluation, data: ImageDataset, epochs: int, metric: str
) -> tuple[Classifier, float]:
    """The judge, trained once for a run, and its accuracy on the validation split.

    Raises:
        UsageError: where data or model have no classes, or not the same; the controls of a run
            may lack them.
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
    options = replace(JUDGE_OPTIONS, epochs=epochs)
    device = evaluation.model.device
    return classifier(data, options, evaluation.cache, device, evaluation.log, Judge)


@torch.no_grad()
def verdict(judge: Classifier, x: Tensor) -> Tensor:
    """The class of each image of x (n, C, H, W), (n,) on the CPU, as the judge sees it."""
    device = judge.head.weight.device
    return torch.cat([judge(part.to(device)).argmax(1).cpu() for part in x.split(AT_ONCE)])
