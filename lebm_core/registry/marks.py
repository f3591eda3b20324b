"""Marks on a constructor's parameters: which are registered parts, and which are tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Part", "Table"]


@dataclass(frozen=True)
class Part:
    """Marks a parameter that is a registered part of its own.

    Attributes:
        kind: of the registry, such as "energies".
        default: the name where none is given; "" where one must be.
        options: other defaults than the part's own, such as {"steps": 20}.
        prefix: what registered names begin with, such as "prior.": a recipe leaves it out.
        optional: whether the name "" (or "none") stands for no part.
        filled: parameters that the owner fills, which are no keys of a recipe.
    """

    kind: str
    default: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""
    optional: bool = False
    filled: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash((self.kind, self.default, self.prefix, self.optional))


@dataclass(frozen=True)
class Table:
    """Marks a parameter whose default is a dataclass and whose fields are a table of their own.

    Without the mark the fields of such a parameter stand in the table of its owner.
    """
