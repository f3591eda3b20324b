"""Parts within parts: parameters that are registered parts, made from tables, described by them.

A constructor marks such a parameter, `sampler: Annotated[Sampler | None, Part("samplers",
"langevin")] = None`, and calls `make` on what it is given: None, a name, a table, or an object.
So the same words work in Python and in a recipe, whose table is [table.parameter].
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lebm_core.errors import MissingSize, UsageError, did_you_mean
from lebm_core.registry.marks import Part, Table
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import read_object

__all__ = ["Part", "Table", "arguments", "describe", "make", "table_of"]


def make(part: Part, given: Any = None, sizes: Mapping[str, Any] | None = None) -> Any:
    """The part that is given as an object, a table of options, a name, or None for the default.

    Args:
        part: what kind of part.
        given: an object is returned as it is.
        sizes: values for parameters of these names that the table leaves at their default.

    Raises:
        UsageError: for an unknown name or option, or where an option is missing.
    """
    if given is None or isinstance(given, str):
        given = {} if given is None else {"name": given}
    if not isinstance(given, Mapping):
        return given
    table = dict(given)
    name = table.pop("name", part.default)
    if name is None and "class" in table:
        raise UsageError(
            f"The class {table['class']} is registered by no plugin as one of the {part.kind}, so "
            "it cannot be made from its table; register it, or pass the object."
        )
    if part.optional and name in ("", "none", None):
        return None
    if not name:
        raise UsageError(f"One of the {part.kind} must be named: {_known(part)}.")
    target = registry().get(part.kind, part.prefix + name)
    label = f'{part.kind} "{part.prefix}{name}"'
    taken = read_object(target)
    table = {**{k: v for k, v in part.options.items() if k in taken}, **table}
    return target(**arguments(target, table, sizes or {}, label))


def arguments(
    target: Callable[..., Any], table: Mapping[str, Any], sizes: Mapping[str, Any], label: str
) -> dict[str, Any]:
    """The arguments of a part's constructor or factory out of its table.

    Fields of a parameter that is a dataclass are gathered into one; `sizes` fill what the table
    leaves open, and what the tables of parts within the part do.

    Raises:
        UsageError: for an option that the part does not have, or where one is missing.
    """
    options = read_object(target)
    gathered = {option.within for option in options.values() if option.within}
    taken = [*options, *gathered]
    for key in table:
        if key not in taken and not _takes_any(target):
            known = ", ".join(options) or "none"
            raise UsageError(
                f'{label} has no option "{key}".{did_you_mean(key, taken)} Accepted are {known}.'
            )
    given = dict(table)
    for key, option in options.items():
        if key in sizes and not option.within and given.get(key) in (None, option.default):
            given[key] = sizes[key]
        elif option.part is not None and sizes:
            sized = _sized(option.part, given.get(key), sizes)
            if sized is not None:
                given[key] = sized
    parameters = inspect.signature(target).parameters
    for name in gathered - {*given}:
        own = {k: given.pop(k) for k, o in options.items() if o.within == name and k in given}
        given[name] = dataclasses.replace(parameters[name].default, **own)
    for key, option in options.items():
        if option.table is not None and not option.many and isinstance(given.get(key), Mapping):
            given[key] = dataclasses.replace(parameters[key].default, **given[key])
    missing = [key for key, option in options.items() if option.required and key not in given]
    if missing:
        raise MissingSize(
            f"The {label} needs {' and '.join(missing)}, which this data set does not give: it "
            f"gives {', '.join(sizes) or 'none'}. Choose other data, or another part."
        )
    return given


def table_of(mark: Part, part: Any) -> Any:
    """The full table of a part, to be remembered among the options of its owner.

    A part whose class no plugin registers has no table: it is remembered as it is.
    """
    table = describe(part, mark.kind)
    return part if table["name"] is None else {**table, "name": _short(mark, table["name"])}


def describe(part: Any, kind: str = "") -> dict[str, Any]:
    """The table that makes a part again: its registered name and its options.

    Args:
        part: made by a class that remembers its arguments.
        kind: where its class is registered; '' to look in all kinds.

    Returns:
        {"name": ..., options}; {"name": None, "class": ...} where no plugin registers the class.
    """
    target = f"{type(part).__module__}:{type(part).__qualname__}"
    found = registry()
    kinds = [kind] if kind else found.kinds()
    for each in kinds:
        for name in found.names(each):
            if found.find(each, name).target == target:
                options = {k: _plain(v) for k, v in part.options.items()}
                return {"name": name, **options}
    return {"name": None, "class": target}


def _plain(value: Any) -> Any:
    if hasattr(value, "options") and not isinstance(value, (Mapping, type)):
        return describe(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _sized(part: Part, given: Any, sizes: Mapping[str, Any]) -> Any:
    """The table of a part within a part, its open sizes filled; an object as it is."""
    table = {"name": given} if isinstance(given, str) else given or {}
    if not isinstance(table, Mapping):
        return given
    name = table.get("name", part.default)
    if not name or (part.optional and name == "none"):
        return given
    options = read_object(registry().get(part.kind, part.prefix + name))
    filled = {
        key: sizes[key]
        for key, option in options.items()
        if key in sizes and key not in part.filled and table.get(key) in (None, option.default)
    }
    return {"name": name, **table, **filled} if filled else given


def _takes_any(target: Callable[..., Any]) -> bool:
    """Whether it takes arguments that its signature does not name."""
    parameters = inspect.signature(target).parameters.values()
    return any(p.kind is p.VAR_KEYWORD and "Unpack" not in str(p.annotation) for p in parameters)


def _known(part: Part) -> str:
    names = registry().names(part.kind)
    return ", ".join(_short(part, name) for name in names if name.startswith(part.prefix))


def _short(part: Part, name: str) -> str:
    return name.removeprefix(part.prefix)
