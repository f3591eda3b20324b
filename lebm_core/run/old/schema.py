"""Structured configs from signatures: what a constructor takes is what a recipe may say."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, field, make_dataclass
from typing import Any, Literal

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

__all__ = ["from_signature", "gathered", "help_texts", "leaf_types", "merge_schemas", "option"]


def option(annotation: Any, default: Any, help: str) -> tuple[Any, Any]:
    """The type and the dataclass field of one option; MISSING as default makes it required."""
    if default is MISSING:
        default = "???"  # OmegaConf's mark of a value that must be given
    if isinstance(default, (list, tuple, dict)):
        kept = default
        return annotation, field(default_factory=lambda: type(kept)(kept), metadata={"help": help})
    return annotation, field(default=default, metadata={"help": help})


def from_signature(
    target: Callable[..., Any],
    fixed: dict[str, tuple[Any, Any]] | None = None,
    *,
    skip: Collection[str] = (),
    required: bool = True,
) -> type:
    """A dataclass with one field for each parameter of a class's constructor or of a function.

    A parameter whose default is an instance of a dataclass stands for the fields of that, see
    `gathered`.

    Args:
        target: the class or function; its annotations and defaults become types and defaults, its
            docstring's "Args:" the explanations.
        fixed: fields that come first, by name, as `option` makes them.
        skip: parameters that the program fills.
        required: whether parameters without default are options that must be given; otherwise
            they are left out, being filled by the program.
    """
    fields = dict(fixed or {})
    explained = arguments_of(target)
    hints = _hints(target)
    for parameter in inspect.signature(target).parameters.values():
        name = parameter.name
        if name in skip or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name in spread(target):
            fields |= _spread_fields(parameter.default)
        elif parameter.default is parameter.empty:
            if not required:
                continue
            fields[name] = option(
                _supported(hints.get(name, Any)), MISSING, explained.get(name, "")
            )
        else:
            annotation = _supported(hints.get(name, Any), parameter.default)
            fields[name] = option(annotation, parameter.default, explained.get(name, ""))
    return _dataclass(getattr(target, "__name__", "Options"), fields)


def spread(target: Callable[..., Any]) -> dict[str, Any]:
    """The parameters whose default is an instance of a dataclass, with that instance."""
    parameters = inspect.signature(target).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if dataclasses.is_dataclass(p.default) and not isinstance(p.default, type)
    }


def gathered(target: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `target` for options by name: those of a dataclass are put into one."""
    arguments = dict(options)
    for name, default in spread(target).items():
        own = [f.name for f in dataclasses.fields(default) if f.name in arguments]
        arguments[name] = dataclasses.replace(default, **{key: arguments.pop(key) for key in own})
    return arguments


def _spread_fields(default: Any) -> dict[str, tuple[Any, Any]]:
    explained, hints = arguments_of(type(default), "Attributes"), _hints(type(default))
    found = {}
    for entry in dataclasses.fields(default):
        value = getattr(default, entry.name)
        annotation = _supported(hints.get(entry.name, Any), value)
        found[entry.name] = option(annotation, value, explained.get(entry.name, ""))
    return found


def merge_schemas(name: str, fixed: dict[str, tuple[Any, Any]], parts: Collection[type]) -> type:
    """The union of several schemas; where they disagree about a default, None leaves it to each."""
    fields = dict(fixed)
    for part in parts:
        for entry in dataclasses.fields(part):
            known = fields.get(entry.name)
            kept = dict(entry.metadata)
            help = str(kept.get("help", ""))
            if known is None:
                fields[entry.name] = option(entry.type, default_of(entry), help)
            elif entry.name not in fixed and default_of(known[1]) != default_of(entry):
                both = typing.Optional[known[0]] if known[0] == entry.type else Any  # noqa: UP045
                fields[entry.name] = option(both, None, help)
    return _dataclass(name, fields)


def default_of(entry: Any) -> Any:
    """The default of a dataclass field, whichever way it is given."""
    if entry.default_factory is not MISSING:
        return entry.default_factory()
    return entry.default


def help_texts(schema: type) -> dict[str, str]:
    """The explanation of each field of a schema, '' where it has none."""
    return {f.name: str(f.metadata.get("help", "")) for f in dataclasses.fields(schema)}


def leaf_types(schema: type, prefix: str = "") -> dict[str, Any]:
    """Dotted key to annotation, for every option of a nested schema."""
    found: dict[str, Any] = {}
    hints = typing.get_type_hints(schema)
    for entry in dataclasses.fields(schema):
        annotation = hints[entry.name]
        if dataclasses.is_dataclass(annotation):
            found |= leaf_types(typing.cast(type, annotation), f"{prefix}{entry.name}.")
        else:
            choices = entry.metadata.get("choices")
            found[prefix + entry.name] = Literal[tuple(choices)] if choices else annotation
    return found


def arguments_of(target: Callable[..., Any], section: str = "Args") -> dict[str, str]:
    """The explanations in a section of a docstring (the class's or its constructor's)."""
    found: dict[str, str] = {}
    for owner in (target, getattr(target, "__init__", None)):
        lines = re.search(
            rf"^{section}:\n(.*?)(?:\n\S|\Z)",
            inspect.getdoc(owner) or "",
            re.DOTALL | re.MULTILINE,
        )
        if lines is None:
            continue
        for entry in re.split(r"\n(?=    \S)", lines[1]):
            names, colon, text = entry.strip().partition(":")
            for name in names.split(",") if colon else ():
                found.setdefault(name.split("(")[0].strip(), " ".join(text.split()).rstrip("."))
    return found


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (AttributeError, NameError, TypeError):  # a name imported under TYPE_CHECKING only
        return {}


def _supported(annotation: Any, default: Any = MISSING) -> Any:
    """The annotation where OmegaConf can check it, otherwise Any."""
    if typing.get_origin(annotation) is collections.abc.Sequence:
        annotation = list[typing.get_args(annotation)[0]]  # type: ignore[misc]
    trial = make_dataclass("Trial", [("value", annotation, option(annotation, default, "")[1])])
    try:
        OmegaConf.structured(trial)
    except (OmegaConfBaseException, TypeError, ValueError):
        return Any
    return annotation


def _dataclass(name: str, fields: dict[str, tuple[Any, Any]]) -> type:
    return make_dataclass(name, [(key, type_, default) for key, (type_, default) in fields.items()])
