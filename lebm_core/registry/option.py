"""One option of a registered part: a parameter of its constructor, as a recipe sees it."""

from __future__ import annotations

import collections.abc
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, NamedTuple

from lebm_core.registry.marks import Part

__all__ = ["Option", "arguments_in", "choices", "supported"]

SIMPLE = (int, float, str, bool, type(None))
SEQUENCES = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
TABLES = (dict, collections.abc.Mapping)


class Option(NamedTuple):
    """One option of a part.

    Attributes:
        name: the key.
        annotation: its type where a recipe can check it, otherwise Any.
        default: MISSING where it has none.
        help: its line in the docstring.
        part: the mark of a parameter that is a registered part of its own.
        table: the options of a nested table, by name.
        many: the keys of the table are free names, each of a table with the options of `table`.
        within: the parameter whose dataclass has this option as a field.
    """

    name: str
    annotation: Any = Any
    default: Any = MISSING
    help: str = ""
    part: Part | None = None
    table: Mapping[str, Option] | None = None
    many: bool = False
    within: str = ""

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    @property
    def explained(self) -> str:
        """Its help, with the values that it may have where the help leaves one of them out."""
        words = [f'"{each}"' for each in choices(self.annotation) if str(each)]
        if all(re.search(rf"\b{re.escape(word[1:-1])}\b", self.help) for word in words):
            return self.help
        return f"{self.help}: {', '.join(words)}" if self.help else ", ".join(words)


def choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a type that has a few, within a list or beside None too; () for others.

    >>> choices(typing.Literal["a", "b"] | None), choices(list[str])
    (('a', 'b'), ())
    """
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return inner
    return tuple(each for part in inner for each in choices(part))


def supported(annotation: Any) -> Any:
    """An annotation made of plain types, which a recipe's values can have; Any for all others.

    >>> supported(collections.abc.Sequence[int]), supported(int | None), supported(object)
    (list[int], int | None, typing.Any)
    """
    if annotation is None or annotation in SIMPLE:
        return annotation
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.Final):
        return supported(inner[0])
    if origin is typing.Literal:
        return annotation
    if origin in (typing.Union, types.UnionType):
        each = [supported(part) for part in inner]
        if Any in each:
            return Any
        joined = each[0]
        for part in each[1:]:
            joined = joined | part
        return joined
    if origin in SEQUENCES or annotation in SEQUENCES:
        return list[supported(inner[0]) if inner else Any]  # type: ignore[misc]
    if origin is tuple:
        return tuple[tuple(p if p is Ellipsis else supported(p) for p in inner)]  # type: ignore[misc]
    if annotation is tuple:
        return tuple[Any, ...]
    if origin in TABLES or annotation in TABLES:
        return dict[str, supported(inner[1]) if inner else Any]  # type: ignore[misc]
    return Any


def arguments_in(docstring: str | None, section: str = "Args") -> dict[str, str]:
    """The explanation of each name in a section of a docstring.

    >>> arguments_in("Rows.\\n\\nArgs:\\n    width, height: of the ring.\\n")
    {'width': 'of the ring', 'height': 'of the ring'}
    """
    lines = re.search(rf"^{section}:\n(.*?)(?:\n\S|\Z)", docstring or "", re.DOTALL | re.MULTILINE)
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \S)", lines[1]) if lines else ():
        names, colon, string = entry.strip().partition(":")
        for name in names.split(",") if colon else ():
            found.setdefault(name.split("(")[0].strip(), " ".join(string.split()).rstrip("."))
    return found
