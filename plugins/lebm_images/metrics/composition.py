"""images.composition: a property imposed on samples, with a class or without: are both obeyed?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lebm_core.control.controls import ClassIs, Property
from lebm_core.data.dataset import subset
from lebm_core.errors import DivergenceError, UnsupportedEstimate, UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_images.data.dataset import ImageDataset
from lebm_images.data.properties import properties_of
from lebm_images.evaluators.class_classifier import AT_ONCE, judge_of, verdict
from lebm_images.figures.grids import grid
from lebm_images.metrics.property_scores import Obeyed
from lebm_images.metrics.reconstruction import images_of

__all__ = ["Asked", "build"]

MEASURED = 20_000  # training images that say which values of a property are asked for
CODES = 2000  # images whose decoded codes are the ceiling
COLUMNS, SHOWN = 7, 3  # of the pictures


def build(
    *,
    strengths: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    composed_samples: int = 50,
    composed_targets: Sequence[float] = (0.1, 0.5, 0.9),
    composed_curve: bool = True,
    shown_class: int = 0,
    judge_epochs: int = 5,
) -> Callable[[Evaluation], Mapping[str, Value]]:
    """The metric images.composition, of a model with property heads.

    Args:
        strengths: of the first property, for a curve
        composed_samples: samples of a class with a property, for each target
        composed_targets: which values are asked for, as quantiles of the training images' own
        composed_curve: also at each of the strengths
        shown_class: the class that is shown with all values of the properties
        judge_epochs: epochs of the judge of classes
    """
    swept = checked_strengths(strengths) if composed_curve else []
    if not composed_targets or not all(0 < q < 1 for q in composed_targets):
        raise UsageError(
            f"evaluation.composed_targets = {list(composed_targets)} must be quantiles, above 0 "
            "and below 1."
        )

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, model = images_of(evaluation, "images.composition"), evaluation.model
        heads = model.heads.known
        if not heads:
            raise UsageError(
                "The metric images.composition needs a model with properties: learning.properties."
            )
        judge, _ = judge_of(evaluation, data, judge_epochs, "images.composition")
        if not 0 <= shown_class < len(data.classes):
            raise UsageError(
                f"evaluation.shown_class = {shown_class} must be from 0 to {len(data.classes) - 1}."
            )
        values: dict[str, Value] = {}
        trials = [
            Trial(evaluation, Asked.of(data, name, composed_targets), partial(verdict, judge))
            for name in heads
        ]
        for trial in trials:
            values |= trial.alone(2 * composed_samples)
        if model.prior.n_classes and evaluation.name == "model":
            for trial in trials:
                values |= trial.with_class(composed_samples, swept if trial is trials[0] else [])
                values |= trial.ceiling(data)
            if shown_class in trials[0].asked.targets:
                evaluation.figure(*_grid(evaluation, data, list(heads)[:2], shown_class))
        return values

    return metric


@dataclass
class Asked:
    """Values of a property to ask for.

    Attributes:
        name: of the property.
        quantiles: of the training images' own values.
        targets: class, or -1 for any, to the values.
        spread: the same to the standard deviation among training images.
    """

    name: str
    quantiles: list[float]
    targets: dict[int, list[float]]
    spread: dict[int, float]

    @classmethod
    def of(cls, data: ImageDataset, name: str, quantiles: Sequence[float]) -> Asked:
        """Quantiles of the training images: of those of each class, and of all."""
        rows = subset(data.length("train"), MEASURED, 0)
        value = torch.cat([data.properties("train", some)[name] for some in rows.split(1000)])
        y, at = data.labels["train"][rows], torch.tensor(list(quantiles), dtype=value.dtype)
        found = cls(name, list(quantiles), {}, {})
        for c in range(-1, len(data.classes)):
            mine = value[~value.isnan() & ((y == c) | (c < 0))]
            if len(mine) > 1:
                found.targets[c] = mine.quantile(at).tolist()
                found.spread[c] = float(mine.std())
        return found


@dataclass
class Trial:
    """A property imposed on the samples of a model.

    Attributes:
        evaluation: of the model.
        asked: the values.
        verdict: the judge of classes, images (n, C, H, W) to ids (n,).
    """

    evaluation: Evaluation
    asked: Asked
    verdict: Callable[[Tensor], Tensor]

    @property
    def sigma(self) -> float:
        """Of the property's head."""
        return self.evaluation.model.heads.known[self.asked.name].sigma

    def alone(self, n: int) -> dict[str, Value]:
        """Figures of n samples for each target, of any class."""
        try:
            drawn = self.drawn(n, [-1])
        except (DivergenceError, UnsupportedEstimate) as error:
            refused = Value(None, split="samples", refused=str(error))
            return {f"{self.asked.name}_alone_error": refused}
        return self.measured(drawn).values(self.asked.name, self.sigma)

    def with_class(self, n: int, strengths: Sequence[float]) -> dict[str, Value]:
        """Figures of n samples of each class for each of its targets, and of the class alone."""
        name, sigma, model = self.asked.name, self.sigma, self.evaluation.model
        options, generator = self.evaluation.dataset.sample_options, self.evaluation.generator
        classes = [c for c in self.asked.targets if c >= 0]
        drawn = self.drawn(n, classes)
        values = both = self.measured(drawn).values(name, sigma)
        free = {
            c: model.sample(n, control=ClassIs(c), generator=generator, **options).cpu()
            for c in classes
        }
        without = self.measured({(c, t): free[c] for c, t in drawn}).values(name, sigma)
        for key in ("error", "near", "both"):
            of = without[f"{name}_{key}"]
            text = f"{of.definition} Here they were not asked for a {name}: samples of the class."
            values = {**values, f"{name}_{key}_of_class_alone": replace(of, definition=text)}
        self._picture(drawn)
        if len(strengths) > 1:
            values |= self._curve(n, classes, strengths, {1.0: both}, without)
        return values

    def ceiling(self, data: ImageDataset) -> dict[str, Value]:
        """The same of decoded posterior codes, each beside its image: what the decoder can do."""
        name, model, split = self.asked.name, self.evaluation.model, self.evaluation.split
        batch = data.batch(split, subset(data.length(split), CODES, 0))
        assert batch.y is not None
        known = torch.tensor([c in self.asked.targets for c in batch.y.tolist()])
        x, y = batch.x[known], batch.y[known]
        codes = [
            model.posterior(part.to(model.device), generator=self.evaluation.generator)
            for part in x.split(AT_ONCE)
        ]
        decoded = torch.cat([model.decode_mode(z).cpu() for z in codes])
        found = Obeyed(
            y, self.verdict(decoded), properties_of(x)[name], properties_of(decoded)[name],
            torch.tensor([self.asked.spread[c] for c in y.tolist()]),
        ).values(name, self.sigma)  # fmt: skip
        text = "Here the samples are decoded draws of q(z|x), and what was asked for is x itself."
        return {
            f"aggregate/{key}": replace(value, split=split, definition=f"{value.definition} {text}")
            for key, value in found.items()
        }

    def drawn(
        self, n: int, classes: Sequence[int], strength: float = 1.0
    ) -> dict[tuple[int, float], Tensor]:
        """n samples of each of the classes (-1 for any) with each of its targets."""
        images = {}
        for c in classes:
            for target in self.asked.targets[c]:
                wanted = Property(self.asked.name, target=target, strength=strength)
                controls = [wanted] if c < 0 else [ClassIs(c), wanted]
                images[c, target] = self.evaluation.model.sample(
                    n, control=controls, generator=self.evaluation.generator,
                    **self.evaluation.dataset.sample_options,
                ).cpu()  # fmt: skip
        return images

    def measured(self, images: Mapping[tuple[int, float], Tensor]) -> Obeyed:
        """What came of samples that were asked to be of a class (or -1), with a target."""
        y, target, spread, found, judged = [], [], [], [], []
        for (c, value), x in images.items():
            y += [c] * len(x)
            target += [value] * len(x)
            spread += [self.asked.spread[c]] * len(x)
            found.append(properties_of(x)[self.asked.name])
            judged.append(self.verdict(x))
        return Obeyed(
            torch.tensor(y), torch.cat(judged), torch.tensor(target), torch.cat(found),
            torch.tensor(spread),
        )  # fmt: skip

    def _curve(
        self,
        n: int,
        classes: Sequence[int],
        strengths: Sequence[float],
        known: Mapping[float, Mapping[str, Value]],
        without: Mapping[str, Value],
    ) -> dict[str, Value]:
        """The figures at each strength of the property, that of the class at 1; some are known."""
        name = self.asked.name
        names = [f"{name}_{key}" for key in ("error", "class_accuracy", "both")]
        swept: dict[float, dict[str, Value]] = {}
        for strength in strengths:
            try:
                found = known.get(strength)
                if found is None:
                    drawn = self.drawn(n, classes, strength)
                    found = self.measured(drawn).values(name, self.sigma)
                swept[strength] = {key: found[key] for key in names}
            except DivergenceError as error:
                refused = Value(None, split="samples", refused=str(error))
                swept[strength] = dict.fromkeys(names, refused)
        file = self.evaluation.folder / "figures" / f"strength-{name}.png"
        levels = {key: without[key].value for key in names}
        curve_figure(swept, names, file, {k: v for k, v in levels.items() if v is not None})
        self.evaluation.figure(
            file, f"A class with a {name}, the strength of the {name} varied. Dashed: samples of "
            "the class alone.",
        )  # fmt: skip
        return curve_values(swept)

    def _picture(self, drawn: Mapping[tuple[int, float], Tensor]) -> None:
        rows: dict[int, list[Tensor]] = {}
        for (c, _), x in drawn.items():
            rows.setdefault(c, []).append(x[:SHOWN])
        name, classes = self.asked.name, self.evaluation.dataset.classes
        columns = [
            f"{name}\n{q:.0%}" if i == 0 else "" for q in self.asked.quantiles for i in range(SHOWN)
        ]
        file = self.evaluation.folder / "figures" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        grid([(classes[c], torch.cat(x)) for c, x in rows.items()], file, columns)
        self.evaluation.figure(
            file, f"A class with a {name}, not chosen: three samples for each quantile of the "
            "class's training images.",
        )  # fmt: skip


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
