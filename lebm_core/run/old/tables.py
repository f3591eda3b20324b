"""The schema of a recipe: its tables, typed by the components that it names."""

from __future__ import annotations

import functools
from dataclasses import MISSING, field, make_dataclass
from typing import Any

from lebm_core.learning.options import InferenceOptions, LearningOptions, PriorOptions
from lebm_core.registry.registry import registry
from lebm_core.run.old.schema import from_signature, help_texts, merge_schemas, option
from lebm_core.run.training.options import TrainingOptions

__all__ = [
    "COMPONENTS",
    "component_help",
    "component_schema",
    "evaluation_schema",
    "metric_schema",
    "recipe_schema",
]

COMPONENTS = {"data": "datasets", "decoder": "decoders", "encoder": "encoders"}


def component_help(table: str, name: str | tuple[str, ...]) -> dict[str, str]:
    """The explanation of each key of [data], [decoder], [encoder] or [evaluation]."""
    schema = evaluation_schema(name) if isinstance(name, tuple) else component_schema(table, name)
    return help_texts(schema)


@functools.cache
def metric_schema(name: str) -> type:
    """The options of a registered metric."""
    return from_signature(registry().get("metrics", name))


@functools.cache
def component_schema(table: str, name: str) -> type:
    kind = COMPONENTS[table]
    which = f"which of the {'data sets' if table == 'data' else kind}"
    fixed = {"name": option(str, "", which)}
    if table == "encoder":
        fixed["name"] = option(str, "", f"{which}; empty for none")
        if not name:
            return make_dataclass("encoder", [("name", *fixed["name"])])
    target = registry().get(kind, name)
    if table == "data":
        fixed["batch_size"] = option(int, 128, "examples in a batch")
        return from_signature(target, fixed, skip=("files", "seed"))
    return from_signature(target, fixed, required=False)


@functools.cache
def evaluation_schema(metrics: tuple[str, ...]) -> type:
    fixed = {
        "metrics": option(list[str], [], "what is measured, in this order"),
        "samples": option(int, 1000, "examples drawn from the model"),
        "controls": option(list[str], [], "which of the controls are trained and measured too"),
    }
    return merge_schemas("evaluation", fixed, [metric_schema(metric) for metric in metrics])


@functools.cache
def recipe_schema(data: str, decoder: str, encoder: str, metrics: tuple[str, ...]) -> type:
    def default(kind: Any) -> Any:
        return field(default_factory=kind)

    tables = {
        "data": component_schema("data", data),
        "prior": PriorOptions,
        "decoder": component_schema("decoder", decoder),
        "encoder": component_schema("encoder", encoder),
        "inference": InferenceOptions,
        "learning": LearningOptions,
        "training": TrainingOptions,
        "evaluation": evaluation_schema(metrics),
    }
    scalars = {
        "name": option(str, MISSING, ""),
        "summary": option(str, "", ""),
        "expected": option(str, "", ""),
        "download": option(bool, True, ""),
        "preset": option(str, "", ""),
        "seed": option(int, 0, ""),
        "minutes": option(dict[str, str], {}, ""),
        "published": option(dict[str, dict[str, float]], {}, ""),
    }
    return make_dataclass(
        "recipe",
        [(key, *value) for key, value in scalars.items()]
        + [(key, kind, default(kind)) for key, kind in tables.items()],
    )
