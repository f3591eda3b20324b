"""`Evaluation`, the argument of every metric, and the cache of what metrics returned."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lebm_core.base.files import read_json, write_atomically
from lebm_core.errors import RunError, UsageError, shown
from lebm_core.evaluation.values import Value

if TYPE_CHECKING:
    import torch

    from lebm_core.data.dataset import Dataset
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["Evaluation", "Metric", "MetricResult", "evaluate"]

Metric = Callable[["Evaluation"], Mapping[str, Value]]
D = TypeVar("D", bound="Dataset")


@dataclass
class Evaluation:
    """One trained model under evaluation.

    Attributes:
        model: in evaluation mode.
        dataset: the data.
        split: the split to evaluate on.
        generator: source of all randomness, of this metric alone.
        seed: the run's seed.
        cache: folder shared by a run's model and baselines, for what is expensive to compute.
        folder: this model's folder; figures go to folder/figures.
        recipe: the resolved recipe; None where the model was not trained by one.
        log: takes a line of progress.
        name: the row of the results table: "model" or the baseline's name.
        draw: draws `samples`.
        figures: (file, caption) of each figure, see `figure`.
        processes: how many the metric may start for work of its own; 1 for none.
    """

    model: LatentEBM
    dataset: Dataset
    split: str
    generator: torch.Generator
    seed: int
    cache: Path
    folder: Path
    recipe: Any
    log: Callable[[str], None]
    name: str = "model"
    draw: Callable[[], Any] | None = None
    figures: list[tuple[Path, str]] = field(default_factory=list)
    processes: int = 1

    @functools.cached_property
    def samples(self) -> Any:
        """x drawn from the model, `evaluation.samples` of them, on the CPU."""
        if self.draw is None:
            raise RunError("This evaluation has no samples to draw.")
        return self.draw()

    @property
    def labels(self) -> int:
        """How many training examples the model saw the label of (learning.symbols.labels); 0: all.

        A baseline that learns from labels has to see the same ones, see `choose_labelled`.
        """
        learning: Mapping[str, Any] = getattr(self.recipe, "learning", None) or {}
        return int(learning.get("symbols", {}).get("labels", 0))

    def need(self, kind: type[D], metric: str) -> D:
        """The data set, for a metric that works on data sets of one class.

        Args:
            kind: the class of the data set.
            metric: registered name, for the message.

        Raises:
            UsageError: where the data set is not of that class.
        """
        if not isinstance(self.dataset, kind):
            raise UsageError(
                f"{metric} needs a data set of the class {kind.__name__}, and this one is a "
                f"{type(self.dataset).__name__}; use other data, or leave it out of "
                "evaluation.metrics."
            )
        return self.dataset

    def figure(self, path: Path, caption: str) -> None:
        """Put a figure, written by the metric, into the report."""
        self.figures.append((Path(path), caption))


@dataclass
class MetricResult:
    """What one metric returned for one model; cached as JSON, so that no metric runs twice."""

    values: dict[str, Value]
    figures: list[tuple[str, str]]  # (path relative to the model's folder, caption)
    seconds: float

    @classmethod
    def read(cls, path: Path) -> MetricResult | None:
        """Read the cached result; None where there is none.

        Raises:
            UsageError: the file is damaged.
        """
        if not path.exists():
            return None
        try:
            return TypeAdapter(cls).validate_python(read_json(path))
        except ValidationError as error:
            wrong = error.errors()[0]
            key = ".".join(map(str, wrong["loc"]))
            raise UsageError(
                f"{path} is damaged: {shown(key)}, {wrong['msg'].lower()}. Without the file, "
                "--resume measures it again."
            ) from None

    def write(self, path: Path) -> None:
        """Cache the result."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def evaluate(metric: Metric, name: str, evaluation: Evaluation, path: Path) -> MetricResult:
    """Run one metric, or read its cached result.

    Args:
        metric: the metric.
        name: its registered name, for messages.
        evaluation: its argument.
        path: file of its cached result.

    Raises:
        UsageError: where the metric returns something else than values by name.
    """
    known = MetricResult.read(path)
    if known is not None:
        return known
    evaluation.log(f"{evaluation.name}: {name}")
    began = time.monotonic()
    values = dict(metric(evaluation))
    for key, value in values.items():
        if not isinstance(value, Value):
            kind = type(value).__name__
            raise UsageError(f'Metric "{name}" gives a {kind} for "{key}", not a Value.')
        values[key] = _plain(value)
    figures = [
        (str(Path(file).relative_to(evaluation.folder)), caption)
        for file, caption in evaluation.figures
    ]
    result = MetricResult(values, figures, round(time.monotonic() - began, 3))
    result.write(path)
    return result


def _plain(value: Value) -> Value:
    """Convert numbers to Python's own, which JSON can hold."""

    def number(x: Any) -> float | None:
        return None if x is None or not math.isfinite(x) else float(x)

    if value.value is not None and not math.isfinite(value.value):
        value = dataclasses.replace(value, refused=value.refused or "it is not finite")
    extra = {k: v.item() if hasattr(v, "item") else v for k, v in value.extra.items()}
    return dataclasses.replace(
        value,
        value=number(value.value),
        standard_error=number(value.standard_error),
        n=int(value.n),
        extra=extra,
    )
