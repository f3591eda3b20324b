"""Parts within parts: parameters that are registered parts, made from tables, described by them.

A constructor marks such a parameter, `sampler: Annotated[Sampler | None, Part("samplers",
"langevin")] = None`, and calls `make` on what it is given: None, a name, a table, or an object.
So the same words work in Python and in a recipe, whose table is [table.parameter].
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.registry.registry import registry

__all__ = ["Part", "Table", "arguments", "describe", "make", "table_of"]

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Part:
    """Marks a parameter that is a registered part of its own.

    Attributes:
        kind: of the registry, such as "energies".
        default: the name where none is given; "" where one must be.
        options: other defaults than the part's own, such as {"steps": 20}.
        prefix: what registered names begin with, such as "prior.": a recipe leaves it out.
        optional: whether the name "" (or "none") stands for no part.
    """

    kind: str
    default: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    optional: bool = False

    def __hash__(self) -> int:
        return hash((self.kind, self.default, self.prefix, self.optional))


@dataclass(frozen=True)
class Table:
    """Marks a parameter whose default is a dataclass and whose fields are a table of their own.

    Without the mark the fields of such a parameter stand in the table of its owner.
    """


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
    if part.optional and name in ("", "none", None):
        return None
    if not name:
        raise UsageError(f"One of the {part.kind} must be named: {_known(part)}.")
    target = registry().get(part.kind, part.prefix + name)
    label = f'{part.kind} "{part.prefix}{name}"'
    taken = _parameters(target)
    table = {**{k: v for k, v in part.options.items() if k in taken}, **table}
    return target(**arguments(target, table, sizes or {}, label))


def arguments(
    target: Callable[..., Any], table: Mapping[str, Any], sizes: Mapping[str, Any], label: str
) -> dict[str, Any]:
    """The arguments of a part's constructor or factory out of its table.

    Fields of a parameter that is a dataclass are gathered into one; `sizes` fill what the table
    leaves open.

    Raises:
        UsageError: for an option that the part does not have, or where one is missing.
    """
    parameters = inspect.signature(target).parameters
    taken = _parameters(target)
    for key in table:
        if key not in taken and not _takes_any(parameters):
            known = ", ".join(taken) or "none"
            raise UsageError(
                f'{label} has no option "{key}".{did_you_mean(key, taken)} Accepted are {known}.'
            )
    given = dict(table)
    for name, parameter in parameters.items():
        if name in sizes and given.get(name, parameter.default) in (None, parameter.default):
            given[name] = sizes[name]
    for name, default in _dataclasses(parameters).items():
        fields = [f.name for f in dataclasses.fields(default)]
        if isinstance(given.get(name), Mapping):  # a table of its own
            given[name] = dataclasses.replace(default, **given[name])
        elif name not in given:
            own = {key: given.pop(key) for key in fields if key in given}
            given[name] = dataclasses.replace(default, **own)
    missing = [
        name
        for name, p in parameters.items()
        if p.default is p.empty and p.kind in NAMED and name not in given
    ]
    if missing:
        raise UsageError(
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


def _dataclasses(parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    return {
        name: p.default
        for name, p in parameters.items()
        if dataclasses.is_dataclass(p.default) and not isinstance(p.default, type)
    }


def _parameters(target: Callable[..., Any]) -> list[str]:
    """The options that a table may hold."""
    parameters = inspect.signature(target).parameters
    names = [name for name, p in parameters.items() if p.kind in NAMED]
    for default in _dataclasses(parameters).values():
        names += [f.name for f in dataclasses.fields(default)]
    return names


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _known(part: Part) -> str:
    names = registry().names(part.kind)
    return ", ".join(_short(part, name) for name in names if name.startswith(part.prefix))


def _short(part: Part, name: str) -> str:
    return name.removeprefix(part.prefix)
