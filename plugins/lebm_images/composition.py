"""A property of the samples imposed, with a class or without: is it obeyed, are both?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lebm_core.controls import ClassIs, Property
from lebm_core.data import subset
from lebm_core.errors import DivergenceError, UnsupportedEstimate
from lebm_core.run.curves import curve_figure, curve_values
from lebm_core.run.evaluation import Evaluation, Value
from lebm_images.dataset import ImageDataset
from lebm_images.moments import properties_of
from lebm_images.obeyed import Obeyed
from lebm_images.pictures import grid

__all__ = ["composition"]

MEASURED = 20_000  # training images that say which values of a property are asked for
COLUMNS, SHOWN = 7, 3  # of the pictures

Verdict = Callable[[Tensor], Tensor]


@dataclass
class Asked:
    """Values of a property to ask for.

    Attributes:
        name: of the property.
        targets: class, or -1 for any, to the values.
        spread: the same to the standard deviation among training images.
    """

    name: str
    targets: dict[int, list[float]]
    spread: dict[int, float]

    @classmethod
    def of(cls, data: ImageDataset, name: str, quantiles: Sequence[float]) -> Asked:
        """Quantiles of the training images: of those of each class, and of all."""
        rows = subset(data.length("train"), MEASURED, 0)
        value = torch.cat([data.properties("train", some)[name] for some in rows.split(1000)])
        y, at = data.labels["train"][rows], torch.tensor(list(quantiles), dtype=value.dtype)
        found = cls(name, {}, {})
        for c in range(-1, len(data.classes)):
            mine = value[~value.isnan() & ((y == c) | (c < 0))]
            if len(mine) > 1:
                found.targets[c] = mine.quantile(at).tolist()
                found.spread[c] = float(mine.std())
        return found

    def drawn(
        self,
        evaluation: Evaluation,
        verdict: Verdict,
        n: int,
        classes: Sequence[int],
        strength: float = 1.0,
    ) -> tuple[Obeyed, dict[tuple[int, float], Tensor]]:
        """n samples of each of the classes (-1 for any) with each of its targets."""
        images = {}
        for c in classes:
            for target in self.targets[c]:
                wanted = Property(self.name, target=target, strength=strength)
                controls = [wanted] if c < 0 else [ClassIs(c), wanted]
                images[c, target] = evaluation.model.sample(
                    n, control=controls, generator=evaluation.generator,
                    **evaluation.dataset.sample_options,
                ).cpu()  # fmt: skip
        return self.measured(images, verdict), images

    def measured(self, images: Mapping[tuple[int, float], Tensor], verdict: Verdict) -> Obeyed:
        """What came of samples that were asked to be of a class, with a target."""
        y, target, spread, found, judged = [], [], [], [], []
        for (c, value), x in images.items():
            y += [c] * len(x)
            target += [value] * len(x)
            spread += [self.spread[c]] * len(x)
            found.append(properties_of(x)[self.name])
            judged.append(verdict(x))
        return Obeyed(
            torch.tensor(y), torch.cat(judged), torch.tensor(target), torch.cat(found),
            torch.tensor(spread),
        )  # fmt: skip


def composition(
    evaluation: Evaluation,
    data: ImageDataset,
    verdict: Verdict,
    samples: Tensor | None,
    y: Tensor,
    n: int,
    quantiles: Sequence[float],
    strengths: Sequence[float],
    shown: int,
) -> dict[str, Value]:
    """Figures and pictures of each property that the model has a head for.

    Args:
        evaluation: of a model, with classes or without.
        data: says which values are asked for.
        verdict: the judge of classes.
        samples: (m, C, H, W) of the classes y without a property, to compare with; or None.
        y: (m,) their classes, sorted.
        n: samples for each class and target.
        quantiles: of the training images' own values.
        strengths: of the first property, for a curve; none where there are no classes.
        shown: the class in the picture of all values.
    """
    values: dict[str, Value] = {}
    asked = [Asked.of(data, name, quantiles) for name in evaluation.model.heads.known]
    for k, each in enumerate(asked):
        name, sigma = each.name, evaluation.model.heads.known[each.name].sigma
        try:
            alone, _ = each.drawn(evaluation, verdict, 2 * n, [-1])
        except (DivergenceError, UnsupportedEstimate) as error:
            values[f"{name}_alone_error"] = Value(None, split="samples", refused=str(error))
            continue
        values |= alone.values(name, sigma)
        if samples is None:
            continue
        classes = [c for c in range(len(data.classes)) if c in each.targets]
        both, images = each.drawn(evaluation, verdict, n, classes)
        values |= both.values(name, sigma)
        free = {(c, t): samples[y == c][:n] for c, t in images}
        without = each.measured(free, verdict).values(name, sigma)
        for key in ("error", "near", "both"):
            of = without[f"{name}_{key}"]
            text = f"{of.definition} Here they were not asked for a {name}: samples of the class."
            values[f"{name}_{key}_of_class_alone"] = replace(of, definition=text)
        evaluation.figure(*_by_class(evaluation, data, name, images, quantiles))
        if k == 0 and len(strengths) > 1:
            known = {1.0: both.values(name, sigma)}
            values |= _curve(evaluation, each, verdict, n, classes, strengths, known, without)
    if samples is not None and asked and shown in asked[0].targets:
        evaluation.figure(*_grid(evaluation, data, [each.name for each in asked[:2]], shown))
    return values


def _curve(
    evaluation: Evaluation,
    asked: Asked,
    verdict: Verdict,
    n: int,
    classes: Sequence[int],
    strengths: Sequence[float],
    known: Mapping[float, Mapping[str, Value]],
    without: Mapping[str, Value],
) -> dict[str, Value]:
    """A property's figures at each strength of it, that of the class at 1; some are known."""
    sigma = evaluation.model.heads.known[asked.name].sigma
    names = [f"{asked.name}_{key}" for key in ("error", "class_accuracy", "both")]
    swept: dict[float, dict[str, Value]] = {}
    for strength in strengths:
        try:
            found = known.get(strength)
            if found is None:
                drawn, _ = asked.drawn(evaluation, verdict, n, classes, strength)
                found = drawn.values(asked.name, sigma)
            swept[strength] = {name: found[name] for name in names}
        except DivergenceError as error:
            swept[strength] = {k: Value(None, split="samples", refused=str(error)) for k in names}
    file = evaluation.folder / "figures" / f"strength-{asked.name}.png"
    levels = {name: without[name].value for name in names}
    curve_figure(swept, names, file, {k: v for k, v in levels.items() if v is not None})
    evaluation.figure(
        file, f"A class with a {asked.name}, the strength of the {asked.name} varied. Dashed: "
        "samples of the class alone.",
    )  # fmt: skip
    return curve_values(swept)


def _by_class(
    evaluation: Evaluation,
    data: ImageDataset,
    name: str,
    images: Mapping[tuple[int, float], Tensor],
    quantiles: Sequence[float],
) -> tuple[Path, str]:
    rows: dict[int, list[Tensor]] = {}
    for (c, _), x in images.items():
        rows.setdefault(c, []).append(x[:SHOWN])
    columns = [f"{name}\n{q:.0%}" if i == 0 else "" for q in quantiles for i in range(SHOWN)]
    file = evaluation.folder / "figures" / f"{name}.png"
    grid([(data.classes[c], torch.cat(x)) for c, x in rows.items()], file, columns)
    return file, (
        f"A class with a {name}, not chosen: three samples for each of the quantiles of the "
        "class's training images that are asked for."
    )


def _grid(
    evaluation: Evaluation, data: ImageDataset, names: Sequence[str], shown: int
) -> tuple[Path, str]:
    """One class over the values of one property, and where there are two, over those of both."""
    spaced = torch.linspace(0.04, 0.96, COLUMNS, dtype=torch.float64).tolist()
    across = Asked.of(data, names[0], spaced).targets[shown]
    down: list[float | None] = [None] * SHOWN
    if len(names) > 1:
        down = [*Asked.of(data, names[1], (0.1, 0.5, 0.9)).targets[shown]]
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
