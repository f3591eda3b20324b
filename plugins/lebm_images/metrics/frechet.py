"""images.frechet: the Frechet distance of samples to real images, and what explains it.

Sources: Heusel et al., NeurIPS 2017, arXiv 1706.08500 (the distance); Kynkaanniemi et al., NeurIPS
2019, arXiv 1904.06991 (precision and recall of the manifold).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.latent.codes import aggregate_codes
from lebm_images.data.dataset import ImageDataset, to_uint8, to_unit
from lebm_images.evaluators.features import ClassifierOptions, Features, classifier, features_of
from lebm_images.evaluators.inception import STANDARD, Inception
from lebm_images.figures.grids import neighbours
from lebm_images.metrics.reconstruction import images_of

__all__ = ["Ruler", "build", "class_ruler", "frechet_distance", "manifold"]

BATCH = 500


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
    inception: str = "",
) -> Callable[[Evaluation], Mapping[str, Value]]:
    """The metric images.frechet; the samples are those of `evaluation.samples`.

    Args:
        frechet_reference: real images of the split that samples are compared with; 0 for all
        manifold_images: images of each side for precision and recall; 0 leaves them out
        feature_width: width of the classifier whose features are compared
        feature_epochs: epochs of its training
        neighbour_samples: samples shown beside their nearest training image; 0 for none
        inception: file of Inception v3 weights whose features are used instead; empty for none
    """
    options = ClassifierOptions(width=feature_width, epochs=feature_epochs)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = images_of(evaluation, "images.frechet")
        model, split = evaluation.model, evaluation.split
        if inception:
            ruler = _inception(Path(inception), model.device)
        else:
            ruler = class_ruler(evaluation, data, options)
        real = ruler.of(_real(data, split, frechet_reference))
        samples: Tensor = evaluation.samples
        drawn = ruler.of(samples.split(BATCH))
        said = ruler.said | {"reference": f"{len(real)} images of {split}"}
        values = {
            ruler.name: Value(
                frechet_distance(drawn, real), None, len(drawn), "samples", ruler.definition,
                extra=said,
            )
        }  # fmt: skip
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
            values |= _ceiling(evaluation, data, ruler, real, len(drawn), said)
        if neighbour_samples:
            _show_neighbours(evaluation, data, ruler, samples[:neighbour_samples])
        return values

    return metric


@dataclass
class Ruler:
    """What distances are measured in, and what is said about it.

    Attributes:
        net: gives the features.
        device: where it is.
        name: of the distance.
        definition: of the distance, a sentence.
        said: facts for the results.
    """

    net: Features
    device: torch.device
    name: str
    definition: str
    said: dict[str, Any]

    def of(self, batches: Iterable[Tensor]) -> Tensor:
        """The features of images, (N, F)."""
        return features_of(self.net, batches, self.device)


def class_ruler(evaluation: Evaluation, data: ImageDataset, options: ClassifierOptions) -> Ruler:
    """The features of a small classifier of the training split, trained once for a run."""
    device = evaluation.model.device
    net, accuracy = classifier(data, options, evaluation.cache, device, evaluation.log)
    task = "classes" if data.classes else "four rotations"
    said = {
        "features": f"{options.features} of a classifier of the training split, {accuracy:.3f} "
        f"accurate on the {task} of the validation split"
    }
    definition = (
        "Frechet distance of the features of samples, the means of p(x|z), to those of real "
        "images; not FID, whose features are Inception's."
    )
    return Ruler(net, device, "frechet_distance", definition, said)


def _inception(weights: Path, device: torch.device) -> Ruler:
    net = Inception(weights).to(device)
    definition = (
        "Frechet distance of the 2,048 Inception v3 features of samples, the means of p(x|z), to "
        "those of real images, resized as in TensorFlow"
    )
    if net.standard:
        said = {"features": f"Inception v3, the standard weights {STANDARD}"}
        return Ruler(net, device, "fid", definition + ".", said)
    said = {"features": f"Inception v3, weights of {weights.name}"}
    definition += "; not FID, for the weights are not the standard ones."
    return Ruler(net, device, "frechet_distance", definition, said)


def _real(data: ImageDataset, split: str, limit: int) -> Iterator[Tensor]:
    for batch in data.batches(split, BATCH, limit=limit or None):
        yield batch.x


def _ceiling(
    evaluation: Evaluation,
    data: ImageDataset,
    ruler: Ruler,
    real: Tensor,
    n: int,
    said: dict[str, Any],
) -> dict[str, Value]:
    """The rows that no prior can better: decoded posterior codes, and the training split itself."""
    model = evaluation.model
    z = aggregate_codes(model, data, n, evaluation.generator)
    decoded = ruler.of(model.decode_mode(part) for part in z.split(BATCH))
    codes = said | {"z": "posterior codes of training images"}
    train = ruler.of(_real(data, "train", n))
    return {
        f"aggregate/{ruler.name}": Value(
            frechet_distance(decoded, real), None, len(decoded), "train", ruler.definition,
            extra=codes,
        ),
        f"real/{ruler.name}": Value(
            frechet_distance(train, real), None, len(train), "train",
            "The same of training images.", extra=said,
        ),
    }  # fmt: skip


def _show_neighbours(
    evaluation: Evaluation, data: ImageDataset, ruler: Ruler, samples: Tensor
) -> None:
    wanted = ruler.of([samples])
    best = torch.full((len(samples),), torch.inf, dtype=torch.float64)
    rows = torch.zeros(len(samples), dtype=torch.long)
    for batch in data.batches("train", BATCH):
        assert batch.rows is not None
        distance, at = torch.cdist(wanted, ruler.of([batch.x])).min(1)
        nearer = distance < best
        best[nearer], rows[nearer] = distance[nearer], batch.rows[at[nearer]]
    nearest = data.batch("train", rows).x
    again = to_unit(torch.from_numpy(to_uint8(samples)))  # as a grid shows them
    file = evaluation.folder / "figures" / "neighbours.png"
    evaluation.figure(*neighbours(again, nearest, file))
