"""Class-conditional scores: accuracy by a classifier, and Frechet distances class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.statistics import frechet
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.class_classifier import class_classifier, predict
from lebm_images.evaluators.feature_space import BATCH, FeatureSpace
from lebm_images.evaluators.features import Classifier
from lebm_images.evaluators.options import FeatureOptions

__all__ = ["ClassScores", "jackknife"]

FOLDS = 10  # parts of the samples, each left out once for the error of a distance


@dataclass
class ClassScores:
    """The classifier of classes, the features of the distances, and the real images.

    Attributes:
        classifier: decides of which class an image is.
        space: computes features.
        real: (N, F) features of the images of the split.
        y: (N,) their classes.
        real_accuracy: share of them that the classifier assigns to their class.
        classes: names.
        facts: for the results.
    """

    classifier: Classifier
    space: FeatureSpace
    real: Tensor
    y: Tensor
    real_accuracy: float
    classes: Sequence[str]
    facts: dict[str, Any]

    @classmethod
    def of(
        cls, evaluation: Evaluation, data: ImageDataset, limit: int, options: FeatureOptions,
        epochs: int,
    ) -> ClassScores:  # fmt: skip
        """Train both networks, or read them from the cache, and apply them to the split."""
        classifier, valid = class_classifier(evaluation, data, epochs, "images.control")
        space = FeatureSpace.of_classifier(evaluation, data, options)
        real, classes, predicted = [], [], []
        for batch in data.batches(evaluation.split, BATCH, limit=limit or None):
            assert batch.y is not None
            known = batch.y >= 0
            real.append(space([batch.x[known]]))
            classes.append(batch.y[known])
            predicted.append(predict(classifier, batch.x[known]))
        y = torch.cat(classes)
        accuracy = float((torch.cat(predicted) == y).double().mean())
        facts = {
            **space.facts,
            "classifier": f"another network, trained on the training split, {valid:.4f} accurate "
            f"on the validation split, {accuracy:.4f} on the {len(y)} images of "
            f"{evaluation.split}",
        }
        return cls(classifier, space, torch.cat(real), y, accuracy, data.classes, facts)

    def predict(self, x: Tensor) -> Tensor:
        """Predict the class of each image, (n,)."""
        return predict(self.classifier, x)

    def values(self, x: Tensor, y: Tensor, counts: Tensor) -> dict[str, Value]:
        """Score samples (n, C, H, W) of the requested classes y (n,): accuracy and distances."""
        return {"class_accuracy": self.accuracy(x, y)} | self.distances(x, y, counts)

    def accuracy(self, x: Tensor, y: Tensor, split: str = "samples") -> Value:
        """Compute the share of x (n, C, H, W) that the classifier assigns to the classes y (n,)."""
        correct = self.predict(x) == y
        by_class = {
            self.classes[c]: round(float(correct[y == c].double().mean()), 4) for c in _ids(y)
        }
        return Value.share(
            correct, split,
            "Share of samples of a class, requested as often as it occurs in the split, that the "
            "classifier assigns to that class; the error is binomial.",
            {"by class": by_class, "classifier": self.facts["classifier"]}, better="higher",
        )  # fmt: skip

    def distances(
        self, x: Tensor, y: Tensor, counts: Tensor, split: str = "samples"
    ) -> dict[str, Value]:
        """Compute Frechet distances of images to the real ones: of all, and class by class.

        Args:
            x: (n, C, H, W).
            y: (n,) their classes.
            counts: how many of each class are compared class by class: distances of few images
                are larger, so that only those of equal numbers can be compared.
            split: of x.
        """
        features = self.space(x.split(BATCH))
        by_class, compared = {}, {}
        for c in _ids(y):
            of_class, real = features[y == c][: int(counts[c])], self.real[self.y == c]
            if min(len(of_class), len(real)) > 1:
                by_class[self.classes[c]] = round(frechet(of_class, real), 4)
                compared[self.classes[c]] = len(of_class)
        facts = {"features": self.facts["features"], "reference": f"{len(self.real)} images"}
        mean = sum(by_class.values()) / len(by_class) if by_class else None
        return {
            "class_frechet": Value(
                mean, None, sum(compared.values()), split,
                "Mean over classes of the Frechet distance of samples of a class, the means of "
                "p(x|z), to the real images of that class; of uncontrolled samples the class is "
                "the classifier's, and as many of each class are taken here as there.",
                refused=None if by_class else "there are fewer than two images of every class",
                extra=facts | {"by class": by_class, "samples of each": compared}, better="lower",
            ),
            "pooled_frechet": Value(
                frechet(features, self.real), jackknife(features, self.real), len(features), split,
                "Frechet distance of samples of all classes, each as often as in the split, to all "
                "real images; the error is a jackknife's over samples.", extra=facts,
                better="lower",
            ),
        }  # fmt: skip

    def bounds(
        self, evaluation: Evaluation, data: ImageDataset, counts: Tensor
    ) -> dict[str, Value]:
        """Score real images, and decoded posterior codes, which no prior improves on."""
        model, n = evaluation.model, len(self.y)
        real: list[Tensor] = []
        decoded: list[Tensor] = []
        classes: list[int] = []
        for batch in data.batches(evaluation.split, BATCH):
            assert batch.y is not None
            known = (batch.y >= 0).nonzero().squeeze(1)[: n - len(classes)]
            if not len(known):
                continue
            x = batch.x[known]
            z = model.posterior(x.to(model.device), generator=evaluation.generator)
            decoded.append(model.decode_mode(z).cpu())
            real.append(x)
            classes += batch.y[known].tolist()
        y, split = torch.tensor(classes), evaluation.split
        train = next(data.batches("train", n))
        assert train.y is not None
        known = train.y >= 0
        aggregate = self.distances(torch.cat(decoded), y, counts, split)
        aggregate["class_accuracy"] = self.accuracy(torch.cat(decoded), y, split)
        training = self.distances(train.x[known], train.y[known], counts, "train")
        training["class_accuracy"] = self.accuracy(torch.cat(real), y, split)
        return {
            **in_row("aggregate", _described(aggregate, f"decoded draws of q(z|x), x of {split}")),
            **in_row("real", _described(training, "real images")),
        }


def _described(values: dict[str, Value], samples: str) -> dict[str, Value]:
    return {
        name: replace(value, extra={"samples": samples, **value.extra})
        for name, value in values.items()
    }


def jackknife(samples: Tensor, real: Tensor, folds: int = FOLDS) -> float | None:
    """Estimate the standard error of the Frechet distance of features (n, F), over the samples.

    Each fold is left out in turn (Efron and Stein 1981); the real images are held fixed.
    """
    if len(samples) < 3 * folds:
        return None
    fold = torch.arange(len(samples)) % folds
    distances = torch.tensor([frechet(samples[fold != k], real) for k in range(folds)])
    square = (distances - distances.mean()).square().sum()
    return float(square.mul((folds - 1) / folds).sqrt())


def _ids(y: Tensor) -> list[int]:
    return [int(c) for c in y.unique()]
