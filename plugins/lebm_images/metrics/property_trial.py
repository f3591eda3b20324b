"""Samples of a model with a requested property, with a class or without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lebm_core.control.controls import ClassIs, Property
from lebm_core.data.dataset import subset
from lebm_core.errors import DivergenceError, UnsupportedEstimate
from lebm_core.evaluation.curves import curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_images.data.dataset import ImageDataset, properties_of
from lebm_images.figures.grids import grid
from lebm_images.metrics.property_scores import PropertyScores

__all__ = ["Targets", "Trial"]

MEASURED = 20_000  # training images whose quantiles are the targets
CODES = 2000  # images whose decoded codes are the bound
BATCH = 500  # images encoded at once
SHOWN = 3  # samples of each target in the figure
Drawn = Mapping[tuple[int, float], Tensor]  # samples by class (or -1) and target


@dataclass
class Targets:
    """Requested values of a property.

    Attributes:
        name: of the property.
        quantiles: of the training images' own values.
        values: by class, or -1 for any.
        spread: standard deviation among training images, by class as well.
    """

    name: str
    quantiles: list[float]
    values: dict[int, list[float]]
    spread: dict[int, float]

    @classmethod
    def of(cls, data: ImageDataset, name: str, quantiles: Sequence[float]) -> Targets:
        """Compute quantiles of the training images: of those of each class, and of all."""
        rows = subset(data.length("train"), MEASURED, 0)
        value = torch.cat([data.properties("train", part)[name] for part in rows.split(1000)])
        y, at = data.labels["train"][rows], torch.tensor(list(quantiles), dtype=value.dtype)
        targets = cls(name, list(quantiles), {}, {})
        for c in range(-1, len(data.classes)):
            members = value[~value.isnan() & ((y == c) | (c < 0))]
            if len(members) > 1:
                targets.values[c] = members.quantile(at).tolist()
                targets.spread[c] = float(members.std())
        return targets


@dataclass
class Trial:
    """A property imposed on the samples of a model.

    Attributes:
        evaluation: of the model.
        targets: the requested values.
        predict: the classifier of classes, images (n, C, H, W) to ids (n,).
    """

    evaluation: Evaluation
    targets: Targets
    predict: Callable[[Tensor], Tensor]

    @property
    def sigma(self) -> float:
        """Of the property's head."""
        return self.evaluation.model.heads.known[self.targets.name].sigma

    def alone(self, n: int) -> dict[str, Value]:
        """Score n samples for each target, of any class."""
        try:
            drawn = self.draw(n, [-1])
        except (DivergenceError, UnsupportedEstimate) as error:
            refused = Value(None, split="samples", refused=str(error), better="lower")
            return {f"{self.targets.name}_alone_error": refused}
        return self.scores(drawn).values(self.targets.name, self.sigma)

    def with_class(self, n: int, strengths: Sequence[float]) -> dict[str, Value]:
        """Score n samples of each class for each of its targets, and of the class alone."""
        name, sigma, model = self.targets.name, self.sigma, self.evaluation.model
        decoding, generator = self.evaluation.dataset.sample_options, self.evaluation.generator
        classes = [c for c in self.targets.values if c >= 0]
        drawn = self.draw(n, classes)
        values = both = self.scores(drawn).values(name, sigma)
        free = {
            c: model.sample(n, control=ClassIs(c), generator=generator, **decoding).cpu()
            for c in classes
        }
        without = self.scores({(c, t): free[c] for c, t in drawn}).values(name, sigma)
        for key in ("error", "near", "both"):
            value = without[f"{name}_{key}"]
            text = f"{value.definition} Here no {name} was requested: samples of the class alone."
            values = {
                **values,
                f"{name}_{key}_of_class_alone": replace(value, definition=text, better=""),
            }
        self._figure(drawn)
        if len(strengths) > 1:
            values |= self._curve(n, classes, strengths, {1.0: both}, without)
        return values

    def bound(self, data: ImageDataset) -> dict[str, Value]:
        """Score decoded posterior codes against their images, which no prior improves on."""
        name, model, split = self.targets.name, self.evaluation.model, self.evaluation.split
        batch = data.batch(split, subset(data.length(split), CODES, 0))
        assert batch.y is not None
        known = torch.tensor([c in self.targets.values for c in batch.y.tolist()])
        x, y = batch.x[known], batch.y[known]
        codes = [
            model.posterior(part.to(model.device), generator=self.evaluation.generator)
            for part in x.split(BATCH)
        ]
        decoded = torch.cat([model.decode_mode(z).cpu() for z in codes])
        values = PropertyScores(
            y, self.predict(decoded), properties_of(x)[name], properties_of(decoded)[name],
            torch.tensor([self.targets.spread[c] for c in y.tolist()]),
        ).values(name, self.sigma)  # fmt: skip
        text = "Here the samples are decoded draws of q(z|x), and the request is x itself."
        described = {
            key: replace(value, split=split, definition=f"{value.definition} {text}")
            for key, value in values.items()
        }
        return in_row("aggregate", described)

    def draw(self, n: int, classes: Sequence[int], strength: float = 1.0) -> Drawn:
        """Draw n samples of each of the classes (-1 for any) with each of its targets."""
        images = {}
        for c in classes:
            for target in self.targets.values[c]:
                wanted = Property(self.targets.name, target=target, strength=strength)
                controls = [wanted] if c < 0 else [ClassIs(c), wanted]
                images[c, target] = self.evaluation.model.sample(
                    n, control=controls, generator=self.evaluation.generator,
                    **self.evaluation.dataset.sample_options,
                ).cpu()  # fmt: skip
        return images

    def scores(self, images: Drawn) -> PropertyScores:
        """Measure samples by requested class (or -1) and target."""
        y, target, spread, measured, predicted = [], [], [], [], []
        for (c, value), x in images.items():
            y += [c] * len(x)
            target += [value] * len(x)
            spread += [self.targets.spread[c]] * len(x)
            measured.append(properties_of(x)[self.targets.name])
            predicted.append(self.predict(x))
        return PropertyScores(
            torch.tensor(y), torch.cat(predicted), torch.tensor(target), torch.cat(measured),
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
        """Score each strength of the property, the class at strength 1; some are `known`."""
        name = self.targets.name
        names = [f"{name}_{key}" for key in ("error", "class_accuracy", "both")]
        swept: dict[float, dict[str, Value]] = {}
        for strength in strengths:
            try:
                values = known.get(strength)
                if values is None:
                    drawn = self.draw(n, classes, strength)
                    values = self.scores(drawn).values(name, self.sigma)
                swept[strength] = {key: values[key] for key in names}
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

    def _figure(self, drawn: Drawn) -> None:
        rows: dict[int, list[Tensor]] = {}
        for (c, _), x in drawn.items():
            rows.setdefault(c, []).append(x[:SHOWN])
        name, classes = self.targets.name, self.evaluation.dataset.classes
        columns = [
            f"{name}\n{q:.0%}" if i == 0 else ""
            for q in self.targets.quantiles
            for i in range(SHOWN)
        ]
        file = self.evaluation.folder / "figures" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        grid([(classes[c], torch.cat(x)) for c, x in rows.items()], file, columns)
        self.evaluation.figure(
            file, f"A class with a {name}, not chosen: three samples for each quantile of the "
            "class's training images.",
        )  # fmt: skip
