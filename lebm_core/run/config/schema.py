"""The tables of a recipe: which options each of them has, by the parts that are named."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_core.registry.option import Option
from lebm_core.registry.parts import Part
from lebm_core.registry.registry import Registry, registry
from lebm_core.registry.signatures import fields_of, options_of
from lebm_core.run.training.options import TrainingOptions

__all__ = [
    "MODEL",
    "check_name",
    "family",
    "measured",
    "options_in",
    "part_options",
    "registered_baselines",
]

DATA = Part("datasets")
MODEL = Part("models", "latent-ebm")
LEARNING = Part("learning_rules", "two-part")
ALWAYS = "chain"  # the metric that every run has
FILLED = ("files", "seed")  # parameters of a data set that the program fills
TOP = {
    "name": Option("name", str),
    "summary": Option("summary", str, ""),
    "expected": Option("expected", str, "", "the figure to expect"),
    "download": Option("download", bool, True, "whether the data must be fetched first"),
    "preset": Option("preset", str, "", "the preset that is applied"),
    "seed": Option("seed", int, 0, "of every random draw"),
    "weights": Option("weights", str, "", "of a baseline: the row whose trained weights it takes"),
    "minutes": Option("minutes", dict[str, str | int | float], {}),
    "published": Option("published", dict[str, dict[str, float]], {}),
}


def measured(evaluation: Mapping[str, Any]) -> list[str]:
    """The metrics that are run: those that are named, and the diagnostics of the prior's chain."""
    names = list(evaluation.get("metrics", ()))
    return names if ALWAYS in names else [*names, ALWAYS]


def options_in(model: str, evaluation: Mapping[str, Any]) -> dict[str, Option]:
    """The tables and keys of a recipe.

    Args:
        model: the model family, whose parts are tables of the recipe.
        evaluation: the table that names metrics and baselines.
    """
    baselines = evaluation.get("baselines", ())
    options = _evaluation(registry(), tuple(measured(evaluation)), tuple(baselines))
    tables = {
        "data": Option("data", part=DATA),
        "model": Option("model", part=MODEL),
        **family(model),
        "learning": Option("learning", part=LEARNING),
        "training": Option("training", table=_training()),
        "evaluation": Option("evaluation", table=options),
    }
    return TOP | tables


def family(model: str) -> dict[str, Option]:
    """The parts of a model family: its constructor's parameters that are registered parts."""
    options = options_of(MODEL.kind, model)
    return {name: option for name, option in options.items() if option.part is not None}


def part_options(part: Part, name: str) -> dict[str, Option]:
    """The options that a part's table has, its name left out.

    Raises:
        UsageError: there is no such part, or it cannot be imported.
    """
    check_name(part, name)
    options = options_of(part.kind, part.prefix + name)
    hidden = [key for key in options if key.startswith("_") or key in part.filled]
    options = {key: option for key, option in options.items() if key not in hidden}
    if part == MODEL:
        return {key: option for key, option in options.items() if option.part is None}
    if part == DATA:
        batch_size = Option("batch_size", int, 128, "examples in a batch")
        options = {key: option for key, option in options.items() if key not in FILLED}
        return {"batch_size": batch_size, **options}
    return options


def check_name(part: Part, name: str) -> None:
    """Refuse a name that is not registered, in a recipe's words: without the prefix."""
    if not part.prefix:
        registry().find(part.kind, name)
        return
    known = [n for n in registry().names(part.kind) if n.startswith(part.prefix)]
    if part.prefix + name not in known:
        short = [each.removeprefix(part.prefix) for each in known]
        raise UsageError(
            f'There is no {shown(name)} among the {part.kind} "{part.prefix}...".'
            f"{did_you_mean(name, short)} Known: {', '.join(short) or 'none'}."
        )


def registered_baselines(names: Iterable[str]) -> list[str]:
    """Those of the names that are registered baselines, not tables of the recipe."""
    known = registry().names("baselines")
    return [name for name in names if name in known]


@functools.cache
def _training() -> dict[str, Option]:
    return fields_of(TrainingOptions)


@functools.cache
def _evaluation(
    known: Registry, metrics: tuple[str, ...], baselines: tuple[str, ...]
) -> dict[str, Option]:
    """The options of the table, for the parts that a registry knows by these names."""
    fixed = {
        "metrics": Option("metrics", list[str], [], "what is measured, in this order"),
        "samples": Option("samples", int, 1000, "examples drawn from the model"),
        "baselines": Option(
            "baselines", list[str], [], "which baselines are trained or fitted, and measured too"
        ),
    }
    parts = [options_of("metrics", name) for name in metrics]
    parts += [
        options_of("baselines", name) for name in baselines if name in known.names("baselines")
    ]
    return {**fixed, **_union(parts), **fixed}


def _union(parts: Iterable[Mapping[str, Option]]) -> dict[str, Option]:
    """The options of several parts; None leaves to each what they have different defaults of."""
    union: dict[str, Option] = {}
    for options in parts:
        for name, option in options.items():
            known = union.get(name)
            if known is None:
                union[name] = option
            elif known.table is not None and option.table is not None:
                union[name] = known._replace(table=_union([known.table, option.table]))
            elif known.default != option.default:
                same = known.annotation == option.annotation
                both = Optional[known.annotation] if same else Any  # noqa: UP045
                union[name] = known._replace(annotation=both, default=None)
    return union
