"""images.outliers: does the score of a model tell images of the data from others?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.errors import UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_images.data.dataset import ImageDataset

__all__ = ["KINDS", "auroc", "outliers"]

BATCH = 250


def _turned(x: Tensor, generator: torch.Generator) -> Tensor:
    return x.rot90(1, (2, 3)) if x.shape[2] == x.shape[3] else x.flip(3)


def _inverted(x: Tensor, generator: torch.Generator) -> Tensor:
    return -x


def _shuffled(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image's own pixels in an order of its own."""
    flat = x.flatten(2)
    order = torch.rand(len(x), 1, flat.shape[2], generator=generator).argsort(-1)
    return flat.gather(2, order.expand_as(flat)).view_as(x)


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(x.shape, generator=generator) - 1


def _halves(x: Tensor, generator: torch.Generator) -> Tensor:
    """The upper half of one image over the lower half of another."""
    other = x.roll(1, 0)
    middle = x.shape[2] // 2
    return torch.cat([x[:, :, :middle], other[:, :, middle:]], 2)


KINDS: dict[str, tuple[str, Callable[[Tensor, torch.Generator], Tensor]]] = {
    "turned": ("turned by a quarter", _turned),
    "inverted": ("black for white", _inverted),
    "shuffled": ("with their pixels in another order", _shuffled),
    "halves": ("of two halves of different images", _halves),
    "noise": ("of uniform noise", _noise),
}


def auroc(low: Tensor, high: Tensor) -> float:
    """P(high > low) + P(high = low) / 2, the area under the ROC curve.

    >>> auroc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    0.875
    """
    y = torch.arange(len(low) + len(high)) >= len(low)
    score = torch.cat([low, high]).double().nan_to_num(posinf=1e300, neginf=-1e300)
    return float(roc_auc_score(y.numpy(), score.numpy()))


def outliers(*, outlier_images: int = 500) -> Metric:
    """Metric images.outliers, by -log p(x) of a model of x, or -log p(x, z) and its parts.

    Args:
        outlier_images: images of the split, and as many outliers of each kind
    """
    whole("evaluation.outlier_images", outlier_images, 2, 1_000_000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(ImageDataset, "images.outliers")
        n = min(outlier_images, data.length(evaluation.split))
        x = data.batch(evaluation.split, torch.arange(n)).x
        own = torch.Generator().manual_seed(evaluation.seed)
        try:
            normal = _scores(evaluation, x)
        except UnsupportedEstimate as error:
            refused = Value(None, None, n, evaluation.split, "AUROC", str(error))
            return {"auroc": refused}
        values, areas = {}, []
        for kind, (words, make) in KINDS.items():
            area = auroc(normal, _scores(evaluation, make(x, own)))
            areas.append(area)
            values[f"auroc_{kind}"] = Value(
                area, None, n, evaluation.split, f"area under the ROC curve of the score, images "
                f"{words} as outliers; 1/2 by chance", better="higher",
            )  # fmt: skip
        mean = sum(areas) / len(areas)
        return {
            "auroc": Value(
                mean, None, n, evaluation.split, "mean over the kinds of outliers", better="higher"
            ),
            **values,
        }

    return metric


@torch.no_grad()
def _scores(evaluation: Evaluation, x: Tensor) -> Tensor:
    model = evaluation.model
    parts = [
        model.score(part.to(model.device), generator=evaluation.generator).total.cpu()
        for part in x.split(BATCH)
    ]
    return torch.cat(parts)
