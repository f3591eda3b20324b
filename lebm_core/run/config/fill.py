"""Tables with every option filled in, and what differs between two of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from lebm_core.errors import UsageError
from lebm_core.registry.option import Option
from lebm_core.registry.parts import Part
from lebm_core.run.config.schema import MODEL, family, options_in, part_options
from lebm_core.run.config.values import fit

__all__ = ["changes", "fill"]


def fill(state: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a recipe: those that are set, and the defaults of all others.

    Options of the model's parts that have neither are left out: the data set gives them.

    Args:
        state: nested tables of the values that are set, as `merge` returns them.

    Raises:
        UsageError: where the recipe must set an option, or name a part.
    """
    model = state.get("model", {}).get("name", MODEL.default)
    options = options_in(model, state.get("evaluation", {}))
    return _table(options, state, "", {*family(model), "model"})


def _table(
    options: Mapping[str, Option],
    given: Mapping[str, Any],
    path: str,
    sized: Mapping[str, Any] | set[str] | None = None,
) -> dict[str, Any]:
    """One table filled; in the tables of `sized` (None: in this one) options may be missing."""
    filled: dict[str, Any] = {}
    for key, option in options.items():
        inner, known = f"{path}.{key}" if path else key, given.get(key, {})
        deeper = None if sized is None or key in sized else set[str]()
        if option.part is not None:
            filled[key] = _part(option.part, known, inner, deeper)
        elif option.table is not None and option.many:
            filled[key] = {
                name: _table(option.table, known[name], f"{inner}.{name}", deeper) for name in known
            }
        elif option.table is not None:
            filled[key] = _table(option.table, known, inner, deeper)
        elif key in given:
            filled[key] = given[key]
        elif not option.required:
            filled[key] = _default(option)
        elif sized is not None:
            raise UsageError(f'The recipe must set "{inner}".')
    return filled


def _part(
    part: Part, given: Mapping[str, Any], path: str, sized: set[str] | None
) -> dict[str, Any] | None:
    name = given.get("name", part.default)
    if not name and part.optional:
        return None
    if not name:
        raise UsageError(f"The recipe must name its {path}, [{path}] name.")
    options = part_options(part, name)
    defaults = {key: value for key, value in part.options.items() if key in options}
    return {"name": name, **_table(options, {**defaults, **given}, path, sized)}


def _default(option: Option) -> Any:
    with contextlib.suppress(ValueError):
        return fit(option.annotation, option.default)
    return option.default


def changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """What makes `new` of `old`, by dotted key, where another name drops a part's options.

    >>> changes({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": 3}})
    {'a.y': 3}
    >>> changes({"a": {"name": "b", "x": 1}}, {"a": {"name": "c", "x": 1}})
    {'a.name': 'c', 'a.x': 1}
    """
    found: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping):
            same = isinstance(before, Mapping) and before.get("name") == value.get("name")
            found |= changes(before if same and before else {}, value, f"{prefix}{key}.")
        elif value is None and isinstance(before, Mapping):  # a part that is left out
            found[f"{prefix}{key}.name"] = ""
        elif key not in old or before != value or type(before) is not type(value):
            found[prefix + key] = value
    return found
