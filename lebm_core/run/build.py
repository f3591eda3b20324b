"""From a recipe's tables to objects: data set, model, learning rule, metrics, baselines."""

from __future__ import annotations

import os
from typing import Any

from lebm_core.base.checks import at_least
from lebm_core.data.dataset import Dataset
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError, shown
from lebm_core.evaluation.evaluation import Metric
from lebm_core.learning.rules import Rule
from lebm_core.models.base import Model, build
from lebm_core.registry.parts import Part, arguments, make
from lebm_core.registry.registry import registry
from lebm_core.run.artifacts import baseline_names
from lebm_core.run.config.layers import flatten
from lebm_core.run.config.recipe import Recipe, metric_options, options
from lebm_core.run.config.schema import measured
from lebm_core.run.training.optimizers import check_options
from lebm_core.run.training.trackers import check_trackers

__all__ = [
    "build_baselines",
    "build_dataset",
    "build_learning",
    "build_metrics",
    "build_model",
    "check_recipe",
]


def build_dataset(recipe: Recipe, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """The data set of a recipe, its files found and read."""
    name = recipe.data["name"]
    factory = registry().get("datasets", name)
    given = {"files": DataFiles(data_dir), "seed": recipe.seed, **options(recipe.data)}
    built: Dataset = factory(**arguments(factory, given, {}, f'datasets "{name}"'))
    built.name = name
    return built


def build_model(recipe: Recipe, dataset: Dataset) -> Model:
    """The untrained model of a recipe; its weights depend on the recipe's seed alone."""
    own = dict(recipe.model)
    family: Any = registry().get("models", own.pop("name"))
    built: Model = build(family, recipe.parts, own, dataset, recipe.seed)
    return built


def build_learning(recipe: Recipe) -> Rule:
    """The learning rule of a recipe."""
    rule: Rule = make(Part("learning_rules", "two-part"), recipe.learning)
    return rule


def build_metrics(recipe: Recipe) -> dict[str, Metric]:
    """The metrics of a recipe by name."""
    return {name: _measure(recipe, "metrics", name) for name in measured(recipe.evaluation)}


def build_baselines(recipe: Recipe) -> dict[str, Metric]:
    """The registered baselines of a recipe by name."""
    return {name: _measure(recipe, "baselines", name) for name in baseline_names(recipe)}


def _measure(recipe: Recipe, kind: str, name: str) -> Metric:
    factory = registry().get(kind, name)
    given = metric_options(recipe, name, kind)
    metric: Metric = factory(**arguments(factory, given, {}, f'{kind} "{name}"'))
    return metric


def check_recipe(recipe: Recipe, where: str = "") -> None:
    """Refuse what cannot work before anything is written.

    Args:
        recipe: resolved.
        where: "" or the name of the baseline that it is, for the message.

    Raises:
        UsageError: naming the keys that contradict each other.
    """
    place = f" (baseline {where})" if where else ""
    check_options(recipe.training)
    for key, value in flatten(recipe.tables()).items():
        several = value if isinstance(value, list) else [value]
        if any(isinstance(each, int) and not -(2**62) < each < 2**62 for each in several):
            raise UsageError(f"{key} = {shown(value)}{place} is out of range; use fewer digits.")
    at_least(f"data.batch_size{place}", int(recipe.data.get("batch_size", 1)), 1)
    at_least(f"evaluation.samples{place}", int(recipe.evaluation["samples"]), 0)
    check_trackers(recipe.training.trackers)
