"""A recipe: typed, merged from its TOML file, a preset and key=value, and written back in full."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.learning.options import InferenceOptions, LearningOptions, PriorOptions
from lebm_core.run.old.layers import Layer, flatten, from_overrides, read_source
from lebm_core.run.old.merge import check_controls, merge
from lebm_core.run.old.schema import help_texts
from lebm_core.run.old.tables import component_help, metric_schema
from lebm_core.run.old.toml import emit_table, quoted
from lebm_core.run.training.options import TrainingOptions

__all__ = ["Recipe", "apply", "default_preset", "dump", "load", "metric_options", "options"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # of a control: it is a folder's and a row's
# Rows of the results that are no control's.
ROWS = (
    "model", "real", "aggregate", "reference",
    "logistic", "self_training", "spreading", "codes_spreading", "random", "k_means",
)  # fmt: skip


@dataclass
class Recipe:
    """All that a run is made from, every option filled.

    Attributes:
        data: name, batch_size and the options of the data set.
        decoder: name and the constructor's options; what depends on the data is filled later.
        encoder: likewise; the name "" stands for no encoder.
        evaluation: metrics, samples, controls and the options of the metrics.
        controls: name to overrides by dotted key, those that `evaluation.controls` selects.
        minutes: preset to minutes, as text for the table of recipes.
        published: source to metric to published figure, for the table of results.
        download: whether its data must be fetched first.
        preset: the preset that was applied, or ''.
    """

    name: str
    data: dict[str, Any]
    decoder: dict[str, Any]
    summary: str = ""
    expected: str = ""
    download: bool = True
    preset: str = ""
    seed: int = 0
    minutes: dict[str, str] = field(default_factory=dict)
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    prior: PriorOptions = field(default_factory=PriorOptions)
    encoder: dict[str, Any] = field(default_factory=lambda: {"name": ""})
    inference: InferenceOptions = field(default_factory=InferenceOptions)
    learning: LearningOptions = field(default_factory=LearningOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    evaluation: dict[str, Any] = field(default_factory=dict)
    controls: dict[str, dict[str, Any]] = field(default_factory=dict)


def load(
    recipe: str | os.PathLike[str], preset: str | None = None, overrides: Iterable[str] = ()
) -> Recipe:
    """The recipe of that name or file with a preset and key=value overrides applied.

    Args:
        recipe: a registered name, or the path of a TOML file (the recipe.toml of a run too).
        preset: name of a preset; None for the recipe as it stands.
        overrides: such as "training.epochs=2".

    Raises:
        UsageError: an unknown recipe, preset, component or key, or a value of the wrong type; the
            sentence names the place and the nearest match.
    """
    source = read_source(recipe)
    layers = [source.base()]
    layers[0].values.setdefault("name", source.name)
    if preset:
        layers.append(source.preset(preset))
    layers.append(from_overrides(overrides))
    return _build(layers)


def apply(recipe: Recipe, overrides: Mapping[str, Any], where: str = "the overrides") -> Recipe:
    """A copy of the recipe with other values, by dotted key; a control of it, for instance.

    A new name of a component starts that component's table anew. The original is left as it is.
    """
    return _build([_layer(recipe), Layer(flatten(overrides), lambda key: where)])


def options(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a component's factory takes: its table without name and batch_size."""
    return {key: value for key, value in table.items() if key not in ("name", "batch_size")}


def metric_options(recipe: Recipe, metric: str) -> dict[str, Any]:
    """What the factory of that metric takes out of the recipe's evaluation table.

    None stands for the metric's own default where the metrics of a recipe disagree about it.
    """
    names = [entry.name for entry in dataclasses.fields(metric_schema(metric))]
    given = {name: recipe.evaluation.get(name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def default_preset(recipe: str | os.PathLike[str]) -> str:
    """`paper` where a GPU is found, else `cpu`; '' for a recipe that has no such preset."""
    presets = read_source(recipe).presets()
    if "paper" in presets:
        import torch

        if torch.cuda.is_available():
            return "paper"
    return "cpu" if "cpu" in presets else ""


def dump(recipe: Recipe) -> str:
    """The whole recipe as TOML with a comment for each key; `load` reads it back as it is."""
    keys = ("name", "summary", "expected", "download", "preset", "seed")
    top = {key: getattr(recipe, key) for key in keys}
    comments = {
        "expected": "the figure to expect",
        "download": "whether the data must be fetched first",
        "preset": "the preset that is applied",
        "seed": "of every random draw",
    }
    if not top["preset"]:
        del top["preset"]
    parts = [emit_table(top, comments)]
    if recipe.minutes:
        parts.append(emit_table(recipe.minutes, {}, "minutes"))
    for name in ("data", "prior", "decoder", "encoder", "inference", "learning", "training"):
        value = getattr(recipe, name)
        if isinstance(value, dict):
            parts.append(emit_table(value, component_help(name, value["name"]), name))
        else:
            parts.append(emit_table(dataclasses.asdict(value), help_texts(type(value)), name))
    for source, figures in recipe.published.items():
        parts.append(emit_table(figures, {}, f"published.{quoted(source)}"))
    names = tuple(recipe.evaluation["metrics"])
    parts.append(emit_table(recipe.evaluation, component_help("evaluation", names), "evaluation"))
    parts += [
        emit_table(values, {}, f"control.{quoted(key)}") for key, values in recipe.controls.items()
    ]
    return "\n".join(parts)


def _build(layers: list[Layer]) -> Recipe:
    controls: dict[str, dict[str, Any]] = {}
    places: dict[str, Layer] = {}
    plain = []
    for layer in layers:
        values = {}
        for key, value in layer.values.items():
            table, _, rest = key.partition(".")
            if table != "control":
                values[key] = value
                continue
            name, _, option = rest.partition(".")
            if not name or (not option and value != {}):
                raise UsageError(f"{layer.where(key)}: a control is a table, [control.NAME].")
            if not NAME.fullmatch(name) or name in ROWS:
                raise UsageError(
                    f'{layer.where(key)}: a control cannot be called "{name}"; accepted are '
                    f"letters, digits, _ and -, and none of {', '.join(ROWS)}."
                )
            places[name] = layer
            controls.setdefault(name, {}).update({option: value} if option else {})
        plain.append(layer._replace(values=values))
    merged, state = merge(plain)
    check_controls(state, controls, places)
    chosen = merged["evaluation"]["controls"]
    if "evaluation.controls" not in state:
        chosen = list(controls)
    for name in chosen:
        if name not in controls:
            raise UsageError(
                f'evaluation.controls names "{name}", which is no control of this recipe.'
                f"{did_you_mean(name, controls)} Known: {', '.join(controls) or 'none'}."
            )
    for name in controls:
        if name not in chosen and places[name] is not layers[0] and not _defined(layers[0], name):
            raise UsageError(
                f'{places[name].where(f"control.{name}")}: there is no control "{name}" in '
                f"evaluation.controls.{did_you_mean(name, chosen)} Known: "
                f"{', '.join(chosen) or 'none'}."
            )
    merged["evaluation"]["controls"] = list(chosen)
    return Recipe(**merged, controls={name: controls[name] for name in chosen})


def _defined(layer: Layer, control: str) -> bool:
    return any(key.startswith(f"control.{control}") for key in layer.values)


def _layer(recipe: Recipe) -> Layer:
    table = dataclasses.asdict(recipe)
    controls = table.pop("controls")
    if controls:
        table["control"] = controls
    return Layer(flatten(table), lambda key: "the recipe")
