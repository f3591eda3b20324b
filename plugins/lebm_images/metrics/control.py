"""images.control: do samples of a class belong to it, and are they as good as the model's others?

A separate classifier decides of which class a sample is, so that the accuracy is not earned by
good images of another class; Frechet distances to real images of the class, in the features of
another network, measure quality and diversity, so that repeating one good image is not rewarded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.control.controls import ClassIs, Not
from lebm_core.errors import DivergenceError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.models.latent_ebm import LatentEBM
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.class_classifier import NO_CLASSES
from lebm_images.evaluators.feature_space import BATCH
from lebm_images.evaluators.options import FeatureOptions
from lebm_images.figures.grids import grid
from lebm_images.metrics.class_scores import ClassScores

__all__ = ["build", "of_classes", "thinned"]

SHOWN = 10  # samples of a class in the figure
FEATURES = FeatureOptions()
NAMES = ("class_accuracy", "class_frechet", "pooled_frechet")


def build(
    *,
    control_images: int = 0,
    strengths: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    curve_images: int = 2500,
    plain_chain: bool = True,
    negated_samples: int = 50,
    features: FeatureOptions = FEATURES,
    judge_epochs: int = 5,
) -> Metric:
    """Metric images.control, of samples of each class and of the uncontrolled `evaluation.samples`.

    Args:
        control_images: images of the split, and samples of their classes; 0 for all
        strengths: of a control, for the curves
        curve_images: samples at each strength of a class
        plain_chain: also the plain chain on F_y, in addition to the annealed sampler
        negated_samples: samples controlled not to be of a class, for each class
        judge_epochs: epochs of the classifier of classes
    """
    swept = checked_strengths(strengths)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, model = evaluation.need(ImageDataset, "images.control"), evaluation.model
        scores = ClassScores.of(evaluation, data, control_images, features, judge_epochs)
        free: Tensor = evaluation.samples
        n = min(len(free), len(scores.y))
        y, free = thinned(scores.y, n), free[:n]
        predicted = scores.predict(free)
        counts = _common(y, predicted, len(data.classes))
        uncontrolled = scores.distances(free, predicted, counts)
        values = {f"uncontrolled_{name}": value for name, value in uncontrolled.items()}
        is_model = evaluation.name == "model"  # a baseline has no curves and no negation
        if model.prior.n_classes:
            samples = of_classes(model, y, data.sample_options, evaluation.generator)
            values = scores.values(samples, y, counts) | values
            if plain_chain:
                values |= _plain(evaluation, scores, y, counts)
            if is_model and negated_samples:
                values["not_accuracy"] = _negated(evaluation, scores, data, negated_samples)
            if is_model and len(swept) > 1:
                values |= _curve(evaluation, scores, data, swept, curve_images, free)
            evaluation.figure(*_figure(evaluation, data, samples, y))
        else:
            for name in NAMES:
                values[name] = Value(None, split="samples", refused=NO_CLASSES)
        if is_model:
            values |= scores.bounds(evaluation, data, counts)
        return values

    return metric


def of_classes(
    model: LatentEBM,
    y: Tensor,
    decoding: Mapping[str, Any],
    generator: torch.Generator,
    strength: float = 1.0,
) -> Tensor:
    """Draw a sample of each class of y (n,), which is sorted: (n, C, H, W) on the CPU."""
    parts = []
    for c, n in zip(*(part.tolist() for part in y.unique(return_counts=True)), strict=True):
        control = ClassIs(c, strength=strength)
        parts.append(model.sample(n, control=control, generator=generator, **decoding).cpu())
    return torch.cat(parts)


def thinned(y: Tensor, n: int) -> Tensor:
    """Thin the sorted classes y (N,) to n, in the same shares; N is at least n."""
    return y.sort().values[torch.arange(n) * len(y) // n]


def _common(y: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Count what both have of each class, (classes,)."""
    counts = torch.bincount(y, minlength=classes)
    return counts.minimum(torch.bincount(predicted, minlength=classes))


def _plain(
    evaluation: Evaluation, scores: ClassScores, y: Tensor, counts: Tensor
) -> dict[str, Value]:
    """Score the plain chain on F_y, which starts from p0."""
    model = evaluation.model
    parts = [
        model.prior.sample(len(ids), y=ids.to(model.device), generator=evaluation.generator)
        for ids in y.split(BATCH)
    ]
    x = torch.cat([model.decode_mode(z).cpu() for z in parts])
    return {f"plain_{name}": value for name, value in scores.values(x, y, counts).items()}


def _negated(evaluation: Evaluation, scores: ClassScores, data: ImageDataset, n: int) -> Value:
    """Score n samples for each class that are controlled not to be of it."""
    avoided = []
    for c in range(len(data.classes)):
        x = evaluation.model.sample(
            n, control=Not(c), generator=evaluation.generator, **data.sample_options
        )
        avoided.append(scores.predict(x.cpu()) != c)
    return Value.share(
        torch.cat(avoided), "samples",
        "Share of samples controlled not to be of a class, each class in turn, that the classifier "
        "assigns to another; without control it is 1 less the share of the class.",
        better="higher",
    )  # fmt: skip


def _curve(
    evaluation: Evaluation,
    scores: ClassScores,
    data: ImageDataset,
    strengths: Sequence[float],
    n: int,
    free: Tensor,
) -> dict[str, Value]:
    """Score samples of a class at each strength, and draw the figure."""
    model, y = evaluation.model, thinned(scores.y, min(n, len(free)))
    free = free[: len(y)]
    predicted = scores.predict(free)
    counts = _common(y, predicted, len(data.classes))
    uncontrolled = scores.distances(free, predicted, counts)
    levels = {name: value.value for name, value in uncontrolled.items() if value.value is not None}
    swept: dict[float, dict[str, Value]] = {}
    for strength in strengths:
        try:
            x = of_classes(model, y, data.sample_options, evaluation.generator, strength)
            values = scores.values(x, y, counts)
        except DivergenceError as error:
            values = {k: Value(None, split="samples", refused=str(error)) for k in NAMES}
        for name, value in values.items():
            if name in levels:
                value.extra["uncontrolled"] = levels[name]
        swept[strength] = values
    file = evaluation.folder / "figures" / "strength.png"
    levels |= {"class_accuracy": scores.real_accuracy}
    curve_figure(swept, list(swept[strengths[0]]), file, levels)
    evaluation.figure(
        file, f"Samples of a class, {len(y)} at each strength. Dashed: the accuracy on real "
        "images, and distances of as many uncontrolled samples.",
    )  # fmt: skip
    return curve_values(swept)


def _figure(
    evaluation: Evaluation, data: ImageDataset, samples: Tensor, y: Tensor
) -> tuple[Path, str]:
    rows = [(name, samples[y == c][:SHOWN]) for c, name in enumerate(data.classes)]
    file = evaluation.folder / "figures" / "classes.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    shown = [(name, x) for name, x in rows if len(x)]
    return grid(shown, file), "Samples of each class, not chosen: the mean of p(x|z)."
