"""One value of a recipe against the type of its option, and what it must be in words."""

from __future__ import annotations

import functools
import re
import types
import typing
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

__all__ = ["describe", "fit", "unquoted"]

WORDS = re.compile(r"\[\s*([\w.+-]+(?:\s*,\s*[\w.+-]+)*)\s*,?\s*\]")
UNIONS = (typing.Union, types.UnionType)
SIMPLE = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}
PLURAL = {int: "integers", float: "numbers", bool: "booleans", str: "strings"}


def fit(annotation: Any, value: Any, raw: str | None = None) -> Any:
    """The value as the option's type has it: nothing is converted but integers to numbers.

    Args:
        annotation: the type.
        value: as TOML has it; "none" stands for None.
        raw: the string that it was read from, where it was given as key=value.

    Raises:
        ValueError: where it does not fit.
    """
    value = _prepared(annotation, value, raw)
    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError as error:
        raise ValueError(str(error)) from None


@functools.cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


def _prepared(annotation: Any, value: Any, raw: str | None) -> Any:
    """The value with "none", words without quotes and tuples as Python has them."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if value in ("none", None) and (annotation is Any or (origin in UNIONS and _none_in(inner))):
        return None
    if origin in UNIONS:
        others = [part for part in inner if part is not type(None)]
        if len(others) > 1 and isinstance(value if raw is None else unquoted(value), list):
            others = [part for part in others if typing.get_origin(part) is list]
        return _prepared(others[0], value, raw) if len(others) == 1 else value
    if origin in (list, tuple) and raw is not None:
        value = unquoted(value)
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        return origin(_prepared(inner[0], item, None) for item in value)
    if annotation is str and raw is not None and not isinstance(value, (str, list, dict)):
        return raw
    return value


def _none_in(parts: tuple[Any, ...]) -> bool:
    return type(None) in parts


def unquoted(value: Any) -> Any:
    """The list of words that a key=value argument may give without quotes, else the value itself.

    >>> unquoted("[f0, mine.nll]"), unquoted("f0")
    (['f0', 'mine.nll'], 'f0')
    """
    found = WORDS.fullmatch(value) if isinstance(value, str) else None
    return re.split(r"\s*,\s*", found[1]) if found else value


def describe(annotation: Any) -> str:
    """What a value must be, in words: 'an integer', 'a list of numbers', '"a" or "b"'."""
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in inner)
    if origin in UNIONS:
        words = ['"none"' if part is type(None) else describe(part) for part in inner]
        return " or ".join(words)
    if origin in (list, tuple):
        return f"a list of {PLURAL.get(inner[0], 'values') if inner else 'values'}"
    return "a table" if origin is dict else "a value"
