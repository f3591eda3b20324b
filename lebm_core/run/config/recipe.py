"""A recipe: resolved once from its TOML file, a preset and key=value, and written back in full."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lebm_core.base.checks import at_least
from lebm_core.registry.signatures import options_of
from lebm_core.run.config.fill import changes
from lebm_core.run.config.gpu import gpu_found
from lebm_core.run.config.layers import Layer, flatten, from_overrides, read_source
from lebm_core.run.config.resolve import resolve
from lebm_core.run.config.schema import family, registered_baselines
from lebm_core.run.config.write import write
from lebm_core.run.training.options import PartOptions, TrainingOptions

__all__ = ["Recipe", "apply", "default_preset", "dump", "load", "metric_options", "options"]

SCALARS = (
    "name", "summary", "expected", "download", "preset", "seed", "weights", "minutes", "published",
)  # fmt: skip


@dataclass
class Recipe:
    """All that a run is made from, every option filled in.

    Tables are nested dicts of plain values: the table of a part has its `name` and its options.

    Attributes:
        name: of the recipe.
        summary: what it does, in a line.
        expected: the figure to expect, as a phrase.
        download: whether its data must be fetched first.
        preset: the preset that was applied, or ''.
        seed: of every random draw.
        weights: of a baseline, the row whose trained weights it takes in place of a training of its
            own, "model" or a baseline; '' for none.
        minutes: preset to minutes, as a phrase for the table of recipes.
        published: source to metric to published figure, for the table of results.
        data: name, batch_size and the options of the data set.
        model: name of the model family, and those of its options that are no parts.
        parts: the parts of the family by name, such as "prior"; None for one that is left out.
        learning: the learning rule, its own rules within.
        training: how parameters are optimised.
        evaluation: metrics, samples, baselines, and the options of metrics and baselines.
        baselines: the recipes of the chosen [baseline.NAME] tables; they have none of their own.
    """

    name: str
    data: dict[str, Any]
    model: dict[str, Any]
    parts: dict[str, dict[str, Any] | None]
    learning: dict[str, Any]
    training: TrainingOptions
    evaluation: dict[str, Any]
    summary: str = ""
    expected: str = ""
    download: bool = True
    preset: str = ""
    seed: int = 0
    weights: str = ""
    minutes: dict[str, str] = field(default_factory=dict)
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    baselines: dict[str, Recipe] = field(default_factory=dict)

    def tables(self) -> dict[str, Any]:
        """The recipe as nested tables, as its file has them; those of baselines left out."""
        tables = {key: getattr(self, key) for key in (*SCALARS, "data", "model")}
        rest = {"learning": self.learning, "training": dataclasses.asdict(self.training)}
        return {**tables, **self.parts, **rest, "evaluation": self.evaluation}


def load(
    recipe: str | os.PathLike[str],
    preset: str | None = None,
    overrides: Iterable[str] = (),
    *,
    classes: bool = True,
) -> Recipe:
    """The recipe of that name or file with a preset and key=value overrides applied.

    Over other data than the recipe's own, what it says of its data is left out: its summary, the
    figures to expect and those that were published, its minutes.

    Args:
        recipe: a registered name, or the path of a TOML file (the recipe.toml of a run too).
        preset: name of a preset; None for the recipe as it stands.
        overrides: such as "training.epochs=2".
        classes: whether the data have classes; where not, [unlabelled] comes before the preset.

    Raises:
        UsageError: an unknown recipe, preset, part or key, or a value of the wrong type; the
            message names the place and the nearest match.
    """
    source = read_source(recipe)
    layers = [source.base()]
    layers[0].values.setdefault("name", source.name)
    if not classes:
        layers.append(source.unlabelled())
    if preset:
        layers.append(source.preset(preset))
    layers.append(from_overrides(overrides))
    return _of_its_data(_recipe(*resolve(layers)), layers[0])


def _of_its_data(recipe: Recipe, base: Layer) -> Recipe:
    """The recipe without what its file says of other data than those that it is now about."""
    name, source = recipe.data["name"], str(recipe.data.get("source") or "")
    same = name == base.values.get("data.name")
    about = bool(recipe.expected or recipe.published)  # else it was written for a user's own file
    if same and (not about or source == str(base.values.get("data.source") or "")):
        return recipe
    summary = f"The settings of {recipe.name} on {os.path.basename(source) or name}"
    plain: dict[str, Any] = {"expected": "", "minutes": {}, "published": {}}
    own = {
        k: dataclasses.replace(
            each, **plain, summary=summary if each.summary == recipe.summary else each.summary
        )
        for k, each in recipe.baselines.items()
    }
    return dataclasses.replace(recipe, **plain, summary=summary, baselines=own)


def apply(recipe: Recipe, overrides: Mapping[str, Any], where: str = "the overrides") -> Recipe:
    """A copy of the recipe with other values, by dotted key; the original is left as it is.

    A new name of a part resets that part's table. Baselines change with the recipe.
    """
    known = flatten(recipe.tables())
    for name, values in _baseline_changes(recipe).items():
        known |= {f"baseline.{name}.{key}": value for key, value in values.items()}
        known |= {} if values else {f"baseline.{name}": {}}
    base = Layer(known, lambda key: "the recipe")
    return _recipe(*resolve([base, Layer(flatten(overrides), lambda key: where)]))


def dump(recipe: Recipe) -> str:
    """The whole recipe as TOML with a comment for each key; `load` reads it back as it is."""
    return write(recipe.tables(), _baseline_changes(recipe))


def default_preset(recipe: str | os.PathLike[str]) -> str:
    """`paper` where a GPU is found, else `cpu`; '' for a recipe that has no such preset."""
    presets = read_source(recipe).presets()
    if "paper" in presets and gpu_found():
        return "paper"
    return "cpu" if "cpu" in presets else ""


def options(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a data set's factory takes: its table without name and batch_size."""
    return {key: value for key, value in table.items() if key not in ("name", "batch_size")}


def metric_options(recipe: Recipe, name: str, kind: str = "metrics") -> dict[str, Any]:
    """What a metric takes out of the recipe's evaluation table, or a registered baseline.

    None stands for the metric's own default where those of a recipe disagree about it.
    """
    names = options_of(kind, name)
    return _given({key: recipe.evaluation.get(key) for key in names})


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    plain = {k: _given(v) if isinstance(v, Mapping) else v for k, v in table.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _recipe(tables: dict[str, Any], baselines: Mapping[str, dict[str, Any]]) -> Recipe:
    tables = dict(tables)
    at_least("seed", tables["seed"], 0)
    parts = {name: tables.pop(name) for name in family(tables["model"]["name"])}
    training = dict(tables.pop("training"))
    training["parts"] = {k: PartOptions(**v) for k, v in training["parts"].items()}
    minutes = {preset: str(value) for preset, value in tables.pop("minutes").items()}
    return Recipe(
        **tables,
        parts=parts,
        training=TrainingOptions(**training),
        minutes=minutes,
        baselines={name: _recipe(own, {}) for name, own in baselines.items()},
    )


def _baseline_changes(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """What each baseline changes of the recipe, by dotted key."""
    tables = recipe.tables()
    fitted = registered_baselines(recipe.evaluation["baselines"])
    tables["evaluation"] = {**recipe.evaluation, "baselines": fitted}
    found = {}
    for name, baseline in recipe.baselines.items():
        same = baseline.model["name"] == recipe.model["name"]
        old = {k: v for k, v in tables.items() if same or k not in recipe.parts}
        found[name] = changes(old, baseline.tables())
    return found
