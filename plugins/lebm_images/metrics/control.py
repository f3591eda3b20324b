"""images.control: are samples of a class of that class, and as good as the model's others?

A judge trained apart says of which class a sample is, so that a good likeness of nothing cannot
win; Frechet distances to real images of the class, in the features of another network, say how
good the samples are, so that one good image a class, again and again, cannot win either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.control.controls import ClassIs, Not
from lebm_core.errors import DivergenceError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.models.latent_ebm import LatentEBM
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.class_classifier import NO_CLASSES
from lebm_images.evaluators.features import ClassifierOptions
from lebm_images.figures.grids import grid
from lebm_images.metrics.class_scores import Yardstick
from lebm_images.metrics.frechet import BATCH
from lebm_images.metrics.reconstruction import images_of

__all__ = ["build", "of_classes", "thinned"]

SHOWN = 10  # samples of a class in the picture


def build(
    *,
    control_images: int = 0,
    strengths: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    curve_images: int = 2500,
    plain_chain: bool = True,
    negated_samples: int = 50,
    feature_width: int = 32,
    feature_epochs: int = 3,
    judge_epochs: int = 5,
) -> Callable[[Evaluation], Mapping[str, Value]]:
    """The metric images.control; it looks at `evaluation.samples` too, which no control moved.

    Args:
        control_images: images of the split, and samples of their classes; 0 for all
        strengths: of a control, for the curves
        curve_images: samples at each strength of a class
        plain_chain: also the plain chain on F_y, beside the annealed sampler
        negated_samples: samples that shall not be of a class, for each class
        feature_width: width of the classifier whose features are compared
        feature_epochs: epochs of its training
        judge_epochs: epochs of the judge of classes
    """
    swept = checked_strengths(strengths)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, model = images_of(evaluation, "images.control"), evaluation.model
        options = ClassifierOptions(feature_width, epochs=feature_epochs)
        yard = Yardstick.of(evaluation, data, control_images, options, judge_epochs)
        free: Tensor = evaluation.samples
        n = min(len(free), len(yard.y))
        asked, free = thinned(yard.y, n), free[:n]
        judged = yard.verdict(free)
        counts = torch.bincount(asked, minlength=len(data.classes))
        each = counts.minimum(torch.bincount(judged, minlength=len(counts)))
        alone = yard.distances(free, judged, each)
        values = {f"uncontrolled_{name}": value for name, value in alone.items()}
        whole = evaluation.name == "model"  # curves and negation are of no control
        if model.prior.n_classes:
            samples = of_classes(model, asked, data.sample_options, evaluation.generator)
            values = yard.values(samples, asked, each) | values
            if plain_chain:
                values |= _plain(evaluation, yard, asked, each)
            if whole and negated_samples:
                values["not_accuracy"] = _negated(evaluation, yard, data, negated_samples)
            if whole and len(swept) > 1:
                values |= _curve(evaluation, yard, data, swept, curve_images, free)
            evaluation.figure(*_picture(evaluation, data, samples, asked))
        else:
            for name in ("class_accuracy", "class_frechet", "pooled_frechet"):
                values[name] = Value(None, split="samples", refused=NO_CLASSES)
        if whole:
            values |= yard.ceilings(evaluation, data, each)
        return values

    return metric


def of_classes(
    model: LatentEBM,
    y: Tensor,
    decoding: Mapping[str, Any],
    generator: torch.Generator,
    strength: float = 1.0,
) -> Tensor:
    """A sample of each class of y (n,), which is sorted: (n, C, H, W) on the CPU."""
    parts = []
    for c, n in zip(*(found.tolist() for found in y.unique(return_counts=True)), strict=True):
        control = ClassIs(c, strength=strength)
        parts.append(model.sample(n, control=control, generator=generator, **decoding).cpu())
    return torch.cat(parts)


def thinned(y: Tensor, n: int) -> Tensor:
    """n classes in order, in the shares that they have in y (N,), N at least n."""
    return y.sort().values[torch.arange(n) * len(y) // n]


def _plain(
    evaluation: Evaluation, yard: Yardstick, asked: Tensor, each: Tensor
) -> dict[str, Value]:
    """The same figures of the plain chain on F_y, which starts from p0."""
    model = evaluation.model
    parts = [
        model.prior.sample(len(y), y=y.to(model.device), generator=evaluation.generator)
        for y in asked.split(BATCH)
    ]
    x = torch.cat([model.decode_mode(z).cpu() for z in parts])
    return {f"plain_{name}": value for name, value in yard.values(x, asked, each).items()}


def _negated(evaluation: Evaluation, yard: Yardstick, data: ImageDataset, n: int) -> Value:
    """n samples for each class that shall not be of it."""
    other = []
    for c in range(len(data.classes)):
        x = evaluation.model.sample(
            n, control=Not(c), generator=evaluation.generator, **data.sample_options
        )
        other.append((yard.verdict(x.cpu()) != c).double())
    share, total = float(torch.cat(other).mean()), n * len(other)
    return Value(
        share, (share * (1 - share) / total) ** 0.5, total, "samples",
        "Share of samples that shall not be of a class, each class in turn, that the judge takes "
        "for another; without control it is 1 less the share of the class.",
    )  # fmt: skip


def _curve(
    evaluation: Evaluation,
    yard: Yardstick,
    data: ImageDataset,
    strengths: Sequence[float],
    n: int,
    free: Tensor,
) -> dict[str, Value]:
    """Accuracy and distances of samples of a class at each strength, and their figure."""
    model, asked = evaluation.model, thinned(yard.y, min(n, len(free)))
    free, counts = free[: len(asked)], torch.bincount(asked, minlength=len(data.classes))
    judged = yard.verdict(free)
    each = counts.minimum(torch.bincount(judged, minlength=len(counts)))
    still = yard.distances(free, judged, each)
    levels = {name: value.value for name, value in still.items() if value.value is not None}
    swept: dict[float, dict[str, Value]] = {}
    for strength in strengths:
        try:
            x = of_classes(model, asked, data.sample_options, evaluation.generator, strength)
            found = yard.values(x, asked, each)
        except DivergenceError as error:
            names = ("class_accuracy", "class_frechet", "pooled_frechet")
            found = {k: Value(None, split="samples", refused=str(error)) for k in names}
        for name, value in found.items():
            if name in levels:
                value.extra["uncontrolled"] = levels[name]
        swept[strength] = found
    file = evaluation.folder / "figures" / "strength.png"
    curve_figure(swept, list(swept[strengths[0]]), file, levels | {"class_accuracy": yard.right})
    evaluation.figure(
        file, f"Samples of a class, {len(asked)} at each strength. Dashed: the judge on real "
        "images, and distances of as many uncontrolled samples.",
    )  # fmt: skip
    return curve_values(swept)


def _picture(
    evaluation: Evaluation, data: ImageDataset, samples: Tensor, asked: Tensor
) -> tuple[Path, str]:
    rows: Iterable[tuple[str, Tensor]] = (
        (name, samples[asked == c][:SHOWN]) for c, name in enumerate(data.classes)
    )
    file = evaluation.folder / "figures" / "classes.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = [(name, x) for name, x in rows if len(x)]
    return grid(kept, file), "Samples of each class, not chosen: the mean of p(x|z)."
