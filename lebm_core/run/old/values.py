"""One value against one annotation, more strictly than OmegaConf, and what it must be in words."""

from __future__ import annotations

import re
import types
import typing
from typing import Any, Literal

__all__ = ["WRONG", "describe", "strict", "unquoted"]

WRONG = object()
WORDS = re.compile(r"\[\s*([\w.+-]+(?:\s*,\s*[\w.+-]+)*)\s*,?\s*\]")


def strict(annotation: Any, value: Any, raw: str | None) -> Any:
    """The value for OmegaConf, which would turn "3" into 3 and 1 into true; WRONG for those."""
    parts = typing.get_args(annotation)
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    if value in ("none", None) and (annotation is Any or (union and type(None) in parts)):
        return None
    if union:
        results = [strict(part, value, raw) for part in parts if part is not type(None)]
        return next((result for result in results if result is not WRONG), WRONG)
    if typing.get_origin(annotation) is Literal:
        return value if value in parts else WRONG
    if typing.get_origin(annotation) in (list, tuple):
        value = value if raw is None else unquoted(value)
        if not isinstance(value, (list, tuple)):
            return WRONG
        items = [strict(parts[0] if parts else Any, item, None) for item in value]
        return WRONG if any(item is WRONG for item in items) else items
    if annotation is str and raw is not None and not isinstance(value, (str, list, dict)):
        return raw
    if annotation is str and not isinstance(value, str):
        return WRONG
    if annotation in (int, float) and isinstance(value, (str, bool)):
        return WRONG
    if annotation is int and isinstance(value, float):
        return WRONG
    return WRONG if annotation is bool and not isinstance(value, bool) else value


def unquoted(value: Any) -> Any:
    """The list of words that a key=value argument may give without quotes, else the value itself.

    >>> unquoted("[f0, text.nll]"), unquoted("f0")
    (['f0', 'text.nll'], 'f0')
    """
    found = WORDS.fullmatch(value) if isinstance(value, str) else None
    return re.split(r"\s*,\s*", found[1]) if found else value


def describe(annotation: Any) -> str:
    """What a value must be, in words: 'an integer', 'a list of numbers', '"a" or "b"'."""
    simple = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}
    if annotation in simple:
        return simple[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in inner)
    if origin in (typing.Union, types.UnionType):
        words = ['"none"' if part is type(None) else describe(part) for part in inner]
        return " or ".join(words)
    if origin in (list, tuple):
        plural = {int: "integers", float: "numbers", bool: "booleans", str: "strings"}
        return f"a list of {plural.get(inner[0], 'values') if inner else 'values'}"
    return "a table" if origin is dict else "a value"
