"""What class samples are judged and measured by: a judge of classes, features, real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.class_classifier import judge_of, verdict
from lebm_images.evaluators.features import Classifier, ClassifierOptions
from lebm_images.metrics.frechet import BATCH, Ruler, class_ruler, frechet_distance

__all__ = ["Yardstick", "jackknife"]

FOLDS = 10  # parts of the samples, each left out once for the error of a distance


@dataclass
class Yardstick:
    """The judge of classes, the features of the distances, and the real images.

    Attributes:
        judge: says of which class an image is.
        ruler: gives features.
        real: (N, F) features of the images of the split.
        y: (N,) their classes.
        right: share of them that the judge takes for their class.
        classes: names.
        said: facts for the results.
    """

    judge: Classifier
    ruler: Ruler
    real: Tensor
    y: Tensor
    right: float
    classes: Sequence[str]
    said: dict[str, Any]

    @classmethod
    def of(
        cls, evaluation: Evaluation, data: ImageDataset, limit: int, options: ClassifierOptions,
        judge_epochs: int,
    ) -> Yardstick:  # fmt: skip
        """Both networks trained, or from the cache, and the images of the split looked at."""
        judge, valid = judge_of(evaluation, data, judge_epochs, "images.control")
        ruler = class_ruler(evaluation, data, options)
        real, classes, verdicts = [], [], []
        for batch in data.batches(evaluation.split, BATCH, limit=limit or None):
            assert batch.y is not None
            known = batch.y >= 0
            real.append(ruler.of([batch.x[known]]))
            classes.append(batch.y[known])
            verdicts.append(verdict(judge, batch.x[known]))
        y = torch.cat(classes)
        right = float((torch.cat(verdicts) == y).double().mean())
        said = {
            **ruler.said,
            "judge": f"another network, trained apart on the training split, {valid:.4f} right on "
            f"the validation split, {right:.4f} on the {len(y)} images of {evaluation.split}",
        }
        return cls(judge, ruler, torch.cat(real), y, right, data.classes, said)

    def verdict(self, x: Tensor) -> Tensor:
        """The class of each image, (n,), as the judge sees it."""
        return verdict(self.judge, x)

    def values(self, x: Tensor, y: Tensor, each: Tensor) -> dict[str, Value]:
        """Accuracy and distances of samples (n, C, H, W) that shall be of the classes y (n,)."""
        return {"class_accuracy": self.accuracy(x, y)} | self.distances(x, y, each)

    def accuracy(self, x: Tensor, y: Tensor, split: str = "samples") -> Value:
        """The share of x (n, C, H, W) that the judge takes for the classes y (n,)."""
        right = (self.verdict(x) == y).double()
        by_class = {self.classes[c]: round(float(right[y == c].mean()), 4) for c in _ids(y)}
        value = float(right.mean())
        return Value(
            value, (value * (1 - value) / len(y)) ** 0.5, len(y), split,
            "Share of samples of a class, asked for as often as it is in the split, that the judge "
            "takes for that class; the error is binomial.",
            extra={"by class": by_class, "judge": self.said["judge"]},
        )  # fmt: skip

    def distances(
        self, x: Tensor, y: Tensor, each: Tensor, split: str = "samples"
    ) -> dict[str, Value]:
        """Frechet distances of images to the real ones: of all, and class by class.

        Args:
            x: (n, C, H, W).
            y: (n,) their classes.
            each: how many of each class are compared class by class: distances of few images are
                larger, and only those of equally many can be compared.
            split: of x.
        """
        found = self.ruler.of(x.split(BATCH))
        own, real = {}, {}
        for c in _ids(y):
            mine, theirs = found[y == c][: int(each[c])], self.real[self.y == c]
            if min(len(mine), len(theirs)) > 1:
                own[self.classes[c]] = round(frechet_distance(mine, theirs), 4)
                real[self.classes[c]] = len(mine)
        said = {"features": self.said["features"], "reference": f"{len(self.real)} images"}
        return {
            "class_frechet": Value(
                sum(own.values()) / len(own) if own else None, None, sum(real.values()), split,
                "Mean over classes of the Frechet distance of samples of a class, the means of "
                "p(x|z), to the real images of that class; of uncontrolled samples the class is "
                "the judge's, and as many of each class are taken here as there.",
                refused=None if own else "there are fewer than two images of every class",
                extra=said | {"by class": own, "samples of each": real},
            ),
            "pooled_frechet": Value(
                frechet_distance(found, self.real), jackknife(found, self.real), len(found), split,
                "Frechet distance of samples of all classes, each as often as in the split, to all "
                "real images; the error is a jackknife's over samples.", extra=said,
            ),
        }  # fmt: skip

    def ceilings(
        self, evaluation: Evaluation, data: ImageDataset, each: Tensor
    ) -> dict[str, Value]:
        """The judge on real images, and what no prior can better: decoded posterior codes."""
        model, n = evaluation.model, len(self.y)
        real: list[Tensor] = []
        decoded: list[Tensor] = []
        drawn: list[int] = []
        for batch in data.batches(evaluation.split, BATCH):
            assert batch.y is not None
            known = (batch.y >= 0).nonzero().squeeze(1)[: n - len(drawn)]
            if not len(known):
                continue
            x = batch.x[known]
            z = model.posterior(x.to(model.device), generator=evaluation.generator)
            decoded.append(model.decode_mode(z).cpu())
            real.append(x)
            drawn += batch.y[known].tolist()
        y, split = torch.tensor(drawn), evaluation.split
        train = next(data.batches("train", n))
        assert train.y is not None
        told = train.y >= 0
        rows = {
            "aggregate/": self.distances(torch.cat(decoded), y, each, split),
            "real/": self.distances(train.x[told], train.y[told], each, "train"),
        }
        rows["aggregate/"]["class_accuracy"] = self.accuracy(torch.cat(decoded), y, split)
        rows["real/"]["class_accuracy"] = self.accuracy(torch.cat(real), y, split)
        texts = {"aggregate/": f"decoded draws of q(z|x), x of {split}", "real/": "real images"}
        return {
            row + name: replace(value, extra={"samples": texts[row], **value.extra})
            for row, values in rows.items()
            for name, value in values.items()
        }


def jackknife(drawn: Tensor, real: Tensor, folds: int = FOLDS) -> float | None:
    """The standard error of the Frechet distance of features (n, F), over the samples drawn.

    Each fold is left out in turn (Efron and Stein 1981); real images are taken as they are.
    """
    if len(drawn) < 3 * folds:
        return None
    fold = torch.arange(len(drawn)) % folds
    left = torch.tensor([frechet_distance(drawn[fold != k], real) for k in range(folds)])
    return float((left - left.mean()).square().sum().mul((folds - 1) / folds).sqrt())


def _ids(y: Tensor) -> list[int]:
    return [int(c) for c in y.unique()]
