"""The merge of a recipe's layers through OmegaConf, with one sentence for each mistake."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.run.old.layers import Layer, unflatten
from lebm_core.run.old.schema import leaf_types
from lebm_core.run.old.tables import COMPONENTS, component_schema, evaluation_schema, recipe_schema
from lebm_core.run.old.values import WRONG, describe, strict, unquoted

__all__ = ["check_controls", "merge"]


def merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Merges layers, later ones over earlier ones.

    Returns:
        The values of the recipe's tables, filled and typed (components as dicts, options as their
        dataclasses); and, by dotted key, those that a layer has set.

    Raises:
        UsageError: an unknown key or component, a wrong type, or an option that must be given.
    """
    state: dict[str, Any] = {}
    schema: type = object
    for layer in layers:
        state = _without_stale(state, layer.values)
        schema = _schema_at(state | layer.values, layer)
        known = leaf_types(schema)
        state = {key: value for key, value in state.items() if _leaf(key, known)}
        state |= _checked(layer, known, schema)
    config = OmegaConf.merge(OmegaConf.structured(schema), unflatten(state))
    try:
        merged = dict(vars(OmegaConf.to_object(config)))
    except MissingMandatoryValue as error:
        raise UsageError(f'The recipe must set "{error.full_key or error.key}".') from None
    except OmegaConfBaseException as error:
        raise UsageError(f"The recipe cannot be resolved: {_first_line(error)}.") from None
    for name in (*COMPONENTS, "evaluation"):
        merged[name] = dict(vars(merged[name]))
    return merged, state


def check_controls(
    state: Mapping[str, Any],
    controls: Mapping[str, Mapping[str, Any]],
    places: Mapping[str, Layer],
) -> None:
    """Merges each control with the recipe, so that a mistake in one is found before any work."""
    base = Layer(dict(state), lambda key: "the recipe")
    for name, values in controls.items():
        merge([base, Layer(dict(values), _within(places[name], f"control.{name}."))])


def _within(layer: Layer, prefix: str) -> Callable[[str], str]:
    return lambda key: layer.where(prefix + key)


def _schema_at(state: Mapping[str, Any], layer: Layer) -> type:
    """The schema that the component names of `state` ask for; errors name the layer's place."""
    for table in ("data", "decoder"):
        if not isinstance(state.get(f"{table}.name"), str):
            raise UsageError(
                f"{layer.where(table)}: the recipe must name its {table}, [{table}] name."
            )
    encoder = state.get("encoder.name", "")
    metrics = unquoted(state.get("evaluation.metrics", []))
    if not isinstance(encoder, str):
        raise UsageError(f"{layer.where('encoder.name')}: encoder.name must be a string.")
    if not isinstance(metrics, list) or not all(isinstance(metric, str) for metric in metrics):
        raise UsageError(
            f"{layer.where('evaluation.metrics')}: evaluation.metrics must be a list of strings."
        )
    asked = [(f"{t}.name", t, str(state.get(f"{t}.name", ""))) for t in COMPONENTS]
    for key, table, name in asked:
        with _placed(layer, key):
            component_schema(table, name)
    with _placed(layer, "evaluation.metrics"):
        evaluation_schema(tuple(metrics))
    return recipe_schema(*(name for _, _, name in asked), tuple(metrics))


class _placed:
    """Puts the place of a key before a usage error raised within, where the layer sets the key."""

    def __init__(self, layer: Layer, key: str) -> None:
        self.layer, self.key = layer, key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if type(error) is UsageError and self.key in self.layer.values:
            raise UsageError(f"{self.layer.where(self.key)}: {error}") from None


def _without_stale(state: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Drops the options of components that `values` replaces: they were another component's."""
    for table in COMPONENTS:
        name = values.get(f"{table}.name")
        if name is not None and state.get(f"{table}.name", name) != name:
            kept = ("data.batch_size",)
            state = {k: v for k, v in state.items() if not k.startswith(f"{table}.") or k in kept}
    return state


def _leaf(key: str, known: Mapping[str, Any]) -> str:
    """The option that a dotted key sets: itself, or the table-valued option it is within."""
    while key and key not in known:
        key = key.rpartition(".")[0]
    return key


def _checked(layer: Layer, known: Mapping[str, Any], schema: type) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for key, value in layer.values.items():
        leaf = _leaf(key, known)
        if not leaf:
            raise UsageError(_unknown(key, layer, known))
        if leaf != key and typing.get_origin(known[leaf]) is not dict and known[leaf] is not Any:
            raise UsageError(_unknown(key, layer, known))
        checked[key] = value if leaf != key else strict(known[key], value, layer.raw.get(key))
        if checked[key] is WRONG:
            raise UsageError(_wrong(key, value, layer, known[key]))
    try:
        OmegaConf.merge(OmegaConf.structured(schema), unflatten(checked))
    except OmegaConfBaseException as error:
        key = re.sub(r"\[.*", "", str(error.full_key or error.key))
        if _leaf(key, known):
            value = layer.values.get(key)
            raise UsageError(_wrong(key, value, layer, known[_leaf(key, known)])) from None
        raise UsageError(f"{layer.where(key)}: {_first_line(error)}.") from None
    return checked


def _unknown(key: str, layer: Layer, known: Mapping[str, Any]) -> str:
    inside = sorted(option for option in known if option.startswith(f"{key}."))
    if inside:
        return (
            f'{layer.where(key)}: "{key}" is a table; set one of its keys, such as "{inside[0]}".'
        )
    table, _, last = key.rpartition(".")
    accepted = [option.rpartition(".")[2] for option in known if option.rpartition(".")[0] == table]
    # Within its table a key is compared alone: the table's name would make all of them alike.
    if table and accepted:
        near = did_you_mean(last, accepted).replace('"', f'"{table}.', 1)
        near = near or f" [{table}] accepts {', '.join(accepted)}."
    else:
        near = did_you_mean(key, known)
    return f'{layer.where(key)}: there is no option "{key}".{near}'


def _wrong(key: str, value: Any, layer: Layer, annotation: Any) -> str:
    choices = typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()
    near = did_you_mean(value, map(str, choices)) if isinstance(value, str) else ""
    return f"{layer.where(key)}: {key} must be {describe(annotation)}, not {value!r}.{near}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
