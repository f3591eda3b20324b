"""What a registered part takes: its options, read from its source or, failing that, from itself."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from lebm_core.registry.marks import Part, Table
from lebm_core.registry.option import Option, arguments_in, supported
from lebm_core.registry.registry import registry
from lebm_core.registry.source import Unreadable
from lebm_core.registry.static import read_source

__all__ = ["Option", "fields_of", "options_of", "read_object"]


def options_of(kind: str, name: str) -> dict[str, Option]:
    """The options of a registered part by name, in the order of its constructor.

    Its source is read, so that nothing heavy is imported; where that does not say them, the part is
    imported and asked.

    Args:
        kind: of the registry, such as "priors".
        name: registered.

    Raises:
        UsageError: no such name, or it cannot be imported.
    """
    try:
        return read_source(registry().find(kind, name).target)
    except Unreadable:
        return read_object(registry().get(kind, name))


@functools.cache
def read_object(target: Callable[..., Any]) -> dict[str, Option]:
    """The options of a class or a function, from the object itself."""
    if inspect.isclass(target) and dataclasses.is_dataclass(target):
        return fields_of(target)
    function = inspect.unwrap(target.__init__ if inspect.isclass(target) else target)
    help = _help(target)
    options: dict[str, Option] = {}
    for parameter in inspect.signature(target).parameters.values():
        annotation = _resolved(parameter.annotation, function)
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            options |= _unpacked(annotation, target, help)
            continue
        default = MISSING if parameter.default is parameter.empty else parameter.default
        made = _option(parameter.name, annotation, default, help)
        options |= {each.name: each for each in made}
    return options


def fields_of(of: Any) -> dict[str, Option]:
    """The options that a dataclass has, or an instance of one: its values are the defaults."""
    owner = of if isinstance(of, type) else type(of)
    help = _help(owner, "Attributes")
    hints: dict[str, Any] = {}
    for above in reversed(owner.__mro__):
        hints |= {k: _resolved(v, above) for k, v in vars(above).get("__annotations__", {}).items()}
    options: dict[str, Option] = {}
    for entry in dataclasses.fields(owner):
        if not entry.init:
            continue
        default = entry.default
        if of is not owner:
            default = getattr(of, entry.name)
        elif entry.default_factory is not MISSING:
            default = entry.default_factory()
        made = _option(entry.name, hints[entry.name], default, help)
        options |= {each.name: each for each in made}
    return options


def _option(name: str, annotation: Any, default: Any, help: Mapping[str, str]) -> Iterator[Option]:
    marks = typing.get_args(annotation)[1:] if _is(annotation, typing.Annotated) else ()
    part = next((mark for mark in marks if isinstance(mark, Part)), None)
    explained = help.get(name, "")
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        fields = fields_of(default)
        if any(isinstance(mark, Table) or mark is Table for mark in marks):
            yield Option(name, Any, None, explained, table=fields)
        else:
            yield from (option._replace(within=name) for option in fields.values())
        return
    inner = typing.get_args(annotation)
    if _is(annotation, dict) and len(inner) == 2 and dataclasses.is_dataclass(inner[1]):
        yield Option(name, Any, default, explained, table=fields_of(inner[1]), many=True)
        return
    yield Option(name, Any if part else supported(annotation), default, explained, part)


def _is(annotation: Any, origin: Any) -> bool:
    return typing.get_origin(annotation) is origin


class _Namespace(dict[str, Any]):
    """Names of a module; one imported for type checkers alone stands for any type."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _resolved(annotation: Any, owner: Any) -> Any:
    """An annotation as a type, where it is written as a string too."""
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    names = vars(sys.modules.get(owner.__module__, builtins))
    names = getattr(owner, "__globals__", names)
    try:
        return _resolved(eval(annotation, {}, _Namespace(names)), owner)
    except (AttributeError, TypeError):
        return Any


def _help(target: Any, section: str = "Args") -> dict[str, str]:
    found: dict[str, str] = {}
    known = ("lebm_core", target.__module__.partition(".")[0])
    for owner in target.__mro__ if isinstance(target, type) else (target,):
        if owner.__module__.partition(".")[0] in known:
            for explained in (owner, vars(owner).get("__init__")):
                string = inspect.cleandoc(getattr(explained, "__doc__", None) or "")
                found = {**arguments_in(string, section), **found}
    return found


def _unpacked(annotation: Any, target: Any, help: Mapping[str, str]) -> dict[str, Option]:
    """The options of `**options: Unpack[SomeTypedDict]`, with the defaults of the base class."""
    if not _is(annotation, typing.Unpack) or not isinstance(target, type):
        return {}
    above = read_object(target.__mro__[1])
    keys = typing.get_type_hints(typing.get_args(annotation)[0])
    return {key: above[key]._replace(help=help.get(key) or above[key].help) for key in keys}
