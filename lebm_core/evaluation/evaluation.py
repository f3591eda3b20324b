"""What a metric is given, `Evaluation`, and what it gives back, `Value`s by name."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lebm_core.base.files import write_atomically
from lebm_core.errors import RunError, UsageError
from lebm_core.evaluation.values import Value

if TYPE_CHECKING:
    import torch

    from lebm_core.data.dataset import Dataset
    from lebm_core.models.latent_ebm import LatentEBM
    from lebm_core.run.old.recipe import Recipe

__all__ = ["Evaluation", "Metric", "MetricResult", "evaluate"]


Metric = Callable[["Evaluation"], Mapping[str, Value]]


@dataclass
class Evaluation:
    """One trained model under evaluation.

    Attributes:
        model: in evaluation mode.
        dataset: the data.
        split: the split to evaluate on.
        generator: source of all randomness, of this metric alone.
        seed: the run's seed.
        cache: folder that the run and its controls share, for parts that are dear.
        folder: this model's folder; pictures go to folder/figures.
        recipe: resolved.
        log: takes a line of progress.
        name: the row of the results table: "model" or the control's name.
        processes: that the metric may start for work of its own; 1 for none.
    """

    model: LatentEBM
    dataset: Dataset
    split: str
    generator: torch.Generator
    seed: int
    cache: Path
    folder: Path
    recipe: Recipe
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

    def figure(self, path: Path, caption: str) -> None:
        """Puts a picture, written by the metric, into the report."""
        self.figures.append((Path(path), caption))


@dataclass
class MetricResult:
    """What one metric gave for one model; cached as JSON, so that no metric runs twice."""

    values: dict[str, Value]
    figures: list[tuple[str, str]]  # (path relative to the model's folder, caption)
    seconds: float

    @classmethod
    def read(cls, path: Path) -> MetricResult | None:
        """The cached result, or None where there is none that can be read."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            values = {name: Value(**value) for name, value in stored["values"].items()}
            figures = [(str(file), str(caption)) for file, caption in stored["figures"]]
            return cls(values, figures, float(stored["seconds"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Caches the result."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def evaluate(metric: Metric, name: str, evaluation: Evaluation, path: Path) -> MetricResult:
    """Runs one metric, or reads what it gave before.

    Args:
        metric: the metric.
        name: its registered name, for messages.
        evaluation: what it looks at.
        path: its cache.

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
    """The same with Python's own numbers, which JSON knows."""

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
