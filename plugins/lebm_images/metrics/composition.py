"""images.composition: a property imposed on samples, with a class or without: are both obeyed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from lebm_core.control.controls import ClassIs, Property
from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_images.data.dataset import ImageDataset
from lebm_images.evaluators.class_classifier import class_classifier, predict
from lebm_images.figures.grids import grid
from lebm_images.metrics.property_trial import SHOWN, Targets, Trial

__all__ = ["build"]

COLUMNS = 7  # of the figure


def build(
    *,
    strengths: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    composed_samples: int = 50,
    composed_targets: Sequence[float] = (0.1, 0.5, 0.9),
    composed_curve: bool = True,
    shown_class: int = 0,
    judge_epochs: int = 5,
) -> Metric:
    """Metric images.composition, of a model with property heads.

    Args:
        strengths: of the first property, for a curve
        composed_samples: samples of a class with a property, for each target
        composed_targets: requested values, as quantiles of the training images' own
        composed_curve: also at each of the strengths
        shown_class: the class that is shown with all values of the properties
        judge_epochs: epochs of the classifier of classes
    """
    swept = checked_strengths(strengths) if composed_curve else []
    if not composed_targets or not all(0 < q < 1 for q in composed_targets):
        raise UsageError(
            f"evaluation.composed_targets = {list(composed_targets)} must be quantiles, above 0 "
            "and below 1."
        )

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(ImageDataset, "images.composition")
        model = evaluation.model
        heads = model.heads.known
        if not heads:
            raise UsageError(
                "The metric images.composition needs a model with properties: learning.properties."
            )
        classifier, _ = class_classifier(evaluation, data, judge_epochs, "images.composition")
        if not 0 <= shown_class < len(data.classes):
            raise UsageError(
                f"evaluation.shown_class = {shown_class} must be from 0 to {len(data.classes) - 1}."
            )
        values: dict[str, Value] = {}
        trials = [
            Trial(
                evaluation, Targets.of(data, name, composed_targets), partial(predict, classifier)
            )
            for name in heads
        ]
        for trial in trials:
            values |= trial.alone(2 * composed_samples)
        if model.prior.n_classes and evaluation.name == "model":
            for trial in trials:
                values |= trial.with_class(composed_samples, swept if trial is trials[0] else [])
                values |= trial.bound(data)
            if shown_class in trials[0].targets.values:
                evaluation.figure(*_figure(evaluation, data, list(heads)[:2], shown_class))
        return values

    return metric


def _figure(
    evaluation: Evaluation, data: ImageDataset, names: Sequence[str], shown: int
) -> tuple[Path, str]:
    """Draw one class over the values of one property, and where there are two, over both."""
    spaced = torch.linspace(0.04, 0.96, COLUMNS, dtype=torch.float64).tolist()
    across = Targets.of(data, names[0], spaced).values[shown]
    down: list[float | None] = [None] * SHOWN
    if len(names) > 1:
        down = [*Targets.of(data, names[1], (0.1, 0.5, 0.9)).values[shown]]
    rows = []
    for other in down:
        images = []
        for value in across:
            controls = [ClassIs(shown), Property(names[0], target=value)]
            if other is not None:
                controls.append(Property(names[1], target=other))
            x = evaluation.model.sample(
                1, control=controls, generator=evaluation.generator, **data.sample_options
            )
            images.append(x.cpu())
        rows.append(("" if other is None else f"{names[1]} {other:.2f}", torch.cat(images)))
    file = evaluation.folder / "figures" / "composed.png"
    grid(rows, file, [f"{names[0]}\n{value:.2f}" for value in across])
    return file, (
        f"{data.classes[shown]} with {' and '.join(names)}, not chosen: one sample for each target."
    )
