"""images.frechet: the Frechet distance of samples to real images, and what explains it.

Sources: Heusel et al., NeurIPS 2017, arXiv 1706.08500 (the distance); Kynkaanniemi et al., NeurIPS
2019, arXiv 1904.06991 (precision and recall of the manifold).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.statistics import frechet
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_core.latent.codes import aggregate_codes
from lebm_images.data.dataset import ImageDataset, to_uint8, to_unit
from lebm_images.evaluators.feature_space import BATCH, FeatureSpace
from lebm_images.evaluators.options import FeatureOptions
from lebm_images.figures.grids import neighbours

__all__ = ["build", "manifold"]

FEATURES = FeatureOptions()


def manifold(real: Tensor, samples: Tensor, k: int = 3) -> tuple[Tensor, Tensor]:
    """Find which members of each set lie within the k-th neighbours' balls of the other, (N,) each.

    The means are precision (of the samples) and recall (of the real images).

    Args:
        real, samples: features (N, F), of the same N.
        k: which neighbour's distance is the radius of a ball.
    """

    def radii(x: Tensor) -> Tensor:
        return torch.cdist(x, x).kthvalue(k + 1, dim=1).values  # a point is its own neighbour

    def covered(x: Tensor, centres: Tensor, radius: Tensor) -> Tensor:
        return (torch.cdist(x, centres) <= radius).any(1)

    return covered(samples, real, radii(real)), covered(real, samples, radii(samples))


def build(
    *,
    frechet_reference: int = 0,
    manifold_images: int = 2000,
    features: FeatureOptions = FEATURES,
    neighbour_samples: int = 10,
    inception: str = "",
) -> Metric:
    """Metric images.frechet, of `evaluation.samples`.

    Args:
        frechet_reference: real images of the split that samples are compared with; 0 for all
        manifold_images: images of each side for precision and recall; 0 leaves them out
        neighbour_samples: samples shown over their nearest training image; 0 for none
        inception: file of Inception v3 weights whose features are used instead; empty for none
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(ImageDataset, "images.frechet")
        model, split = evaluation.model, evaluation.split
        if inception:
            space = FeatureSpace.of_inception(Path(inception), model.device)
        else:
            space = FeatureSpace.of_classifier(evaluation, data, features)
        real = space(_images(data, split, frechet_reference))
        samples: Tensor = evaluation.samples
        drawn = space(samples.split(BATCH))
        facts = space.facts | {"reference": f"{len(real)} images of {split}"}
        values = {
            space.name: Value(
                frechet(drawn, real),
                None,
                len(drawn),
                "samples",
                space.definition,
                extra=facts,
                better="lower",
            )
        }
        if manifold_images:
            n = min(manifold_images, len(real), len(drawn))
            precision, recall = manifold(real[:n], drawn[:n])
            ball = f"ball of a third neighbour, {n} images of each"
            values["precision"] = Value.share(
                precision,
                split,
                f"Share of samples within a real image's {ball}.",
                facts,
                better="higher",
            )
            values["recall"] = Value.share(
                recall,
                split,
                f"Share of real images within a sample's {ball}.",
                facts,
                better="higher",
            )
        if evaluation.name == "model":
            values |= _bounds(evaluation, data, space, real, len(drawn), facts)
        if neighbour_samples:
            _show_neighbours(evaluation, data, space, samples[:neighbour_samples])
        return values

    return metric


def _images(data: ImageDataset, split: str, limit: int) -> Iterator[Tensor]:
    for batch in data.batches(split, BATCH, limit=limit or None):
        yield batch.x


def _bounds(
    evaluation: Evaluation,
    data: ImageDataset,
    space: FeatureSpace,
    real: Tensor,
    n: int,
    facts: dict[str, Any],
) -> dict[str, Value]:
    """Measure what no prior improves on: decoded posterior codes, and the training images."""
    model = evaluation.model
    train = space(_images(data, "train", n))
    training = Value(
        frechet(train, real), None, len(train), "train", "The same of training images.",
        extra=facts, better="lower",
    )  # fmt: skip
    bounds = in_row("real", {space.name: training})
    if model.observed or not model.latent_dim:
        return bounds
    z = aggregate_codes(model, data, n, evaluation.generator)
    decoded = space(model.decode_mode(part) for part in z.split(BATCH))
    of_codes = facts | {"z": "posterior codes of training images"}
    aggregate = Value(
        frechet(decoded, real), None, len(decoded), "train", space.definition, extra=of_codes,
        better="lower",
    )  # fmt: skip
    return {**in_row("aggregate", {space.name: aggregate}), **bounds}


def _show_neighbours(
    evaluation: Evaluation, data: ImageDataset, space: FeatureSpace, samples: Tensor
) -> None:
    """Put samples over the training image nearest to each into the report."""
    wanted = space([samples])
    best = torch.full((len(samples),), torch.inf, dtype=torch.float64)
    rows = torch.zeros(len(samples), dtype=torch.long)
    for batch in data.batches("train", BATCH):
        assert batch.rows is not None
        distance, index = torch.cdist(wanted, space([batch.x])).min(1)
        nearer = distance < best
        best[nearer], rows[nearer] = distance[nearer], batch.rows[index[nearer]]
    nearest = data.batch("train", rows).x
    rounded = to_unit(torch.from_numpy(to_uint8(samples)))  # as a grid shows them
    file = evaluation.folder / "figures" / "neighbours.png"
    evaluation.figure(*neighbours(rounded, nearest, file))
