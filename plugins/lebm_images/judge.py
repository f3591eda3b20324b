"""The judge of classes: a network of its own, apart from the features of the Frechet distance."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lebm_images.features import Classifier, ClassifierOptions

__all__ = ["JUDGE_OPTIONS", "Judge"]

JUDGE_OPTIONS = ClassifierOptions(width=32, features=128, epochs=5, seed=1)
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
