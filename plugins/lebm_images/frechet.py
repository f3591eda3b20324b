"""images.frechet: the Frechet distance of samples to real images, and what explains it.

Sources: Heusel et al., NeurIPS 2017, arXiv 1706.08500 (the distance); Kynkaanniemi et al., NeurIPS
2019, arXiv 1904.06991 (precision and recall of the manifold).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from lebm_core.learning import aggregate_codes
from lebm_core.model import LatentEBM
from lebm_core.run.evaluation import Evaluation, Value
from lebm_images.dataset import ImageDataset, to_uint8, to_unit
from lebm_images.features import Classifier, ClassifierOptions, classifier, features_of
from lebm_images.pictures import neighbours
from lebm_images.reconstruction import images_of

__all__ = ["build", "frechet_distance", "manifold"]


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) of the Gaussians fitted to features (N, F)."""
    means, covariances = [x.mean(0) for x in (a, b)], [torch.cov(x.T) for x in (a, b)]
    gap = (means[0] - means[1]).square().sum()
    # tr (A B)^(1/2) = tr (A^(1/2) B A^(1/2))^(1/2), whose argument is symmetric
    values, vectors = torch.linalg.eigh(covariances[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    product = root @ covariances[1] @ root
    cross = torch.linalg.eigvalsh(0.5 * (product + product.T)).clamp(min=0).sqrt().sum()
    return float(gap + covariances[0].trace() + covariances[1].trace() - 2 * cross)


def manifold(real: Tensor, drawn: Tensor, k: int = 3) -> tuple[float, float]:
    """Precision and recall: the share of each set that lies within the k-th neighbours' balls.

    Args:
        real, drawn: features (N, F), of the same N.
        k: which neighbour's distance is the radius of a ball.
    """

    def radii(x: Tensor) -> Tensor:
        return torch.cdist(x, x).kthvalue(k + 1, dim=1).values  # a point is its own neighbour

    def covered(x: Tensor, centres: Tensor, radius: Tensor) -> float:
        return float((torch.cdist(x, centres) <= radius).any(1).double().mean())

    return covered(drawn, real, radii(real)), covered(real, drawn, radii(drawn))


def build(
    *,
    frechet_reference: int = 0,
    manifold_images: int = 2000,
    feature_width: int = 32,
    feature_epochs: int = 3,
    neighbour_samples: int = 10,
) -> Callable[[Evaluation], Mapping[str, Value]]:
    """The metric images.frechet; the samples are those of `evaluation.samples`.

    Args:
        frechet_reference: real images of the split that samples are compared with; 0 for all
        manifold_images: images of each side for precision and recall; 0 leaves them out
        feature_width: width of the classifier whose features are compared
        feature_epochs: epochs of its training
        neighbour_samples: samples shown beside their nearest training image; 0 for none
    """
    options = ClassifierOptions(width=feature_width, epochs=feature_epochs)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = images_of(evaluation, "images.frechet")
        model, split = evaluation.model, evaluation.split
        net, accuracy = classifier(data, options, evaluation.cache, model.device, evaluation.log)
        real = features_of(net, _real(data, split, frechet_reference))
        samples: Tensor = evaluation.samples
        drawn = features_of(net, iter(samples.split(500)))
        said: dict[str, Any] = {
            "features": f"{real.shape[1]} of a classifier of the training split, "
            f"{accuracy:.3f} accurate on the validation split",
            "reference": f"{len(real)} images of {split}",
        }
        definition = (
            "Frechet distance of the features of samples, the means of p(x|z), to those of real "
            "images; not FID, whose features are Inception's."
        )
        values = {
            "frechet_distance": Value(
                frechet_distance(drawn, real), None, len(drawn), "samples", definition, extra=said
            )
        }
        if manifold_images:
            n = min(manifold_images, len(real), len(drawn))
            precision, recall = manifold(real[:n], drawn[:n])
            ball = f"ball of a third neighbour, {n} images of each"
            values["precision"] = Value(
                precision, (precision * (1 - precision) / n) ** 0.5, n, split,
                f"Share of samples within a real image's {ball}.", extra=said,
            )  # fmt: skip
            values["recall"] = Value(
                recall, (recall * (1 - recall) / n) ** 0.5, n, split,
                f"Share of real images within a sample's {ball}.", extra=said,
            )  # fmt: skip
        if evaluation.name == "model":
            values |= _ceiling(evaluation, data, model, net, real, len(drawn), definition, said)
        if neighbour_samples:
            _show_neighbours(evaluation, data, net, samples[:neighbour_samples])
        return values

    return metric


def _real(data: ImageDataset, split: str, limit: int) -> Iterator[Tensor]:
    for batch in data.batches(split, 500, limit=limit or None):
        yield batch.x


def _ceiling(
    evaluation: Evaluation,
    data: ImageDataset,
    model: LatentEBM,
    net: Classifier,
    real: Tensor,
    n: int,
    definition: str,
    said: dict[str, Any],
) -> dict[str, Value]:
    """The rows that no prior can better: decoded posterior codes, and the training split itself."""
    z = aggregate_codes(model, data, n, evaluation.generator)
    decoded = features_of(net, (model.decode_mode(part) for part in z.split(500)))
    codes = said | {"z": "posterior codes of training images"}
    train = features_of(net, _real(data, "train", n))
    return {
        "aggregate/frechet_distance": Value(
            frechet_distance(decoded, real), None, len(decoded), "train", definition, extra=codes
        ),
        "real/frechet_distance": Value(
            frechet_distance(train, real), None, len(train), "train",
            "The same of training images.", extra=said,
        ),
    }  # fmt: skip


def _show_neighbours(
    evaluation: Evaluation, data: ImageDataset, net: Classifier, samples: Tensor
) -> None:
    wanted = features_of(net, iter([samples]))
    best = torch.full((len(samples),), torch.inf, dtype=torch.float64)
    rows = torch.zeros(len(samples), dtype=torch.long)
    for batch in data.batches("train", 1000):
        assert batch.rows is not None
        distance, at = torch.cdist(wanted, features_of(net, iter([batch.x]))).min(1)
        nearer = distance < best
        best[nearer], rows[nearer] = distance[nearer], batch.rows[at[nearer]]
    nearest = data.batch("train", rows).x
    again = to_unit(torch.from_numpy(to_uint8(samples)))  # as a grid shows them
    file = evaluation.folder / "figures" / "neighbours.png"
    evaluation.figure(*neighbours(again, nearest, file))
