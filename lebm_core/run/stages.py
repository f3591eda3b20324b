"""The stages of a run for each of its parts, the model and its baselines: train, then evaluate.

A stage that is complete leaves a JSON file behind, and is not done again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from lebm_core.base.files import replace_folder, workplace, write_atomically
from lebm_core.base.randomness import stream
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.saved import save_dataset
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric, MetricResult, evaluate
from lebm_core.evaluation.values import Value, in_row
from lebm_core.models.base import Model
from lebm_core.registry.registry import registry
from lebm_core.run.artifacts import TRAINING, load_model, read_training
from lebm_core.run.build import build_baselines, build_learning, build_metrics, build_model
from lebm_core.run.config.recipe import Recipe, dump
from lebm_core.run.draw import draw_samples, write_samples
from lebm_core.run.folder.leftovers import written
from lebm_core.run.training.callbacks import run_callbacks
from lebm_core.run.training.loop import train
from lebm_core.run.weights import take_weights

__all__ = ["Part", "evaluate_part", "train_part"]


@dataclass
class Part:
    """The model of a run or one of its baselines.

    Attributes:
        name: of the row.
        folder: its own.
        recipe: its own.
        dataset: its data.
        source: the folder of the row whose weights it takes; None where it is trained.
    """

    name: str
    folder: Path
    recipe: Recipe
    dataset: Dataset
    source: Path | None = None

    def trained(self) -> dict[str, Any] | None:
        """The facts of the training, None where it is not complete; UsageError for damaged ones."""
        return read_training(self.folder)


def train_part(part: Part, *, resume: bool, main: bool, log: Callable[[str], None]) -> None:
    """Train a part and save its model, unless that is done."""
    if part.trained() is not None:
        log(f"{part.name}: trained already.")
        return
    recipe, folder = part.recipe, part.folder
    if main:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "recipe.toml", dump(recipe))
        save_dataset(part.dataset, folder)
    model = build_model(recipe, part.dataset)
    if part.source is not None:
        if main:
            take_weights(model, part.source)
            log(f"{part.name}: takes the weights of {recipe.weights}.")
            _save(model, part, read_training(part.source) or {})
        return
    log(f"{part.name}: {_count(model)} parameters, {part.dataset.length('train')} examples.")
    result = train(
        cast(Any, model),  # an `nn.Module` too, which a Protocol cannot say
        part.dataset,
        build_learning(recipe),
        recipe.training,
        batch_size=int(recipe.data["batch_size"]),
        seed=recipe.seed,
        callbacks=run_callbacks(folder, recipe.training, resume=resume),
        log=log,
        name=part.name,
    )
    if main:
        _save(model, part, dataclasses.asdict(result) | {"parameters": _sizes(model)})


def evaluate_part(
    part: Part,
    *,
    cache: Path,
    log: Callable[[str], None],
    split: str = "",
    out: str = "evaluation",
    processes: int = 1,
    after: Callable[[str], None] | None = None,
) -> dict[str, MetricResult]:
    """Run every metric and registered baseline of a part's recipe on its saved model.

    Args:
        part: trained.
        cache: folder shared by all parts of a run.
        log: takes lines of progress.
        split: "" for test where there is one, else valid, else train.
        out: name of the folder of results, each cached there.
        processes: that a metric may start.
        after: called with the name of each metric once it is measured; the first is "figures".
    """
    recipe, folder, dataset = part.recipe, part.folder, part.dataset
    split = split or next(s for s in reversed(SPLITS) if dataset.length(s))
    if dataset.length(split) == 0:
        raise UsageError(f'The data set has no examples in the split "{split}".')
    model: Any = load_model(folder)  # what a metric asks of it is between the two
    device = "cuda" if recipe.training.device != "cpu" and torch.cuda.is_available() else "cpu"
    model.to(device)
    place = folder if out == "evaluation" else folder / out  # the run's own figures stay
    (place / "figures").mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Any] = {}

    def samples() -> Any:
        if "x" not in drawn:
            n = int(recipe.evaluation["samples"])
            log(f"{part.name}: draws {n} samples")
            drawn["x"] = draw_samples(model, dataset, n, seed=recipe.seed, split=split)
        return drawn["x"]

    if recipe.evaluation["samples"] and not any(folder.glob("samples.*")):
        write_samples(dataset, samples(), folder / "samples")

    results = {}
    for name, metric in _metrics(part).items():
        torch.manual_seed(stream(recipe.seed, name))
        generator = torch.Generator(device).manual_seed(stream(recipe.seed, name))
        evaluation = Evaluation(
            model, dataset, split, generator, recipe.seed, cache, place, recipe, log, part.name,
            samples, processes=processes,
        )  # fmt: skip
        results[name] = evaluate(metric, name, evaluation, folder / out / f"{name}.json")
        if after is not None:
            after(name)
    return results


def _metrics(part: Part) -> dict[str, Metric]:
    """What is run on a part, by the name of its result file: see `artifacts.result_files`.

    Figures come first: a metric may take an hour.
    """
    found = build_metrics(part.recipe)
    if part.name == "model":
        for name, baseline in build_baselines(part.recipe).items():
            found[f"baseline.{name}"] = _in_its_row(name, baseline)
    figures: Callable[[Evaluation], Iterable[tuple[Path, str]]] | None = None
    if part.dataset.figures:
        figures = registry().get("figures", part.dataset.figures)

    def draw(evaluation: Evaluation) -> dict[str, Value]:
        for file, caption in figures(evaluation) if figures is not None else ():
            evaluation.figure(file, caption)
        return {}

    return {"figures": draw, **found}


def _in_its_row(name: str, baseline: Metric) -> Metric:
    """A registered baseline, whose values are a row of their own."""

    def measure(evaluation: Evaluation) -> Mapping[str, Value]:
        return in_row(name, baseline(evaluation))

    return measure


def _save(model: Model, part: Part, facts: Mapping[str, Any]) -> None:
    """The trained model of a part, and the facts of its training."""
    with written(f"The model {part.folder / 'model'}"):
        _save_model(model, part.dataset, part.folder / "model")
    write_atomically(part.folder / TRAINING, json.dumps(facts, indent=1) + "\n")


def _save_model(model: Model, dataset: Dataset, folder: Path) -> None:
    """The model, and beside it what turns a user's examples into its x."""
    with workplace(folder.parent) as place:
        model.save_pretrained(place / folder.name)
        save_dataset(dataset, place / folder.name)
        replace_folder(place / folder.name, folder)


def _sizes(model: Model) -> dict[str, int]:
    return {k: sum(p.numel() for p in m.parameters()) for k, m in model.parts().items()}


def _count(model: Model) -> str:
    sizes = _sizes(model)
    inner = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    return f"{sum(sizes.values()):,} ({inner})"
