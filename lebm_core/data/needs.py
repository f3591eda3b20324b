"""The files that a data set needs, declared once: a factory finds them, `lebm data` lists them."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lebm_core.data.files import DataFiles
from lebm_core.errors import MissingData
from lebm_core.registry.registry import registry
from lebm_core.registry.source import Definition, Unreadable, module, value

__all__ = ["Needs", "declared", "needs_of"]


@dataclass(frozen=True)
class Needs:
    """The files of one registered data set.

    A constant of the module of the data set's factory. All arguments are literals, so that they
    are read from the source: listing data sets imports none of them.

    Attributes:
        dataset: the registered name.
        files: one entry for each file: its path below the data folder, or several paths of which
            any one will do.
        how: a message on what the files hold and where they come from.
        source: of a data set that the user brings, what `data.source` must be, such as
            "FILE.csv or FILE.npz".
        address: where a public data set is to be had; with a path in a repository behind a comma.
        licence: of a public data set, as it is stated there.

    >>> Needs("mine.rings", source="a .csv file").check("")
    Traceback (most recent call last):
    lebm_core.errors.MissingData: The data set mine.rings needs data.source = a .csv file.
    """

    dataset: str
    files: Sequence[str | Sequence[str]] = ()
    how: str = ""
    source: str = ""
    address: str = ""
    licence: str = ""

    @property
    def own(self) -> bool:
        """Whether the examples are the user's own, and not a public data set."""
        return bool(self.source) and not self.address

    @property
    def origin(self) -> str:
        """Where a public data set is to be had and under which licence, as far as it is known."""
        return f"{self.address} ({self.licence})" if self.licence else self.address

    def wanted(self) -> list[list[str]]:
        """For each file the paths of which any one will do."""
        return [[each] if isinstance(each, str) else list(each) for each in self.files]

    def find(self, files: DataFiles) -> list[Path]:
        """The path of each file, in the order of the declaration.

        Raises:
            MissingData: no place has one of them; the message names the places.
        """
        how = f"{self.how} To be had at {self.origin}." if self.address else self.how
        return [files.find(self.dataset, names, how.strip()) for names in self.wanted()]

    def check(self, source: str) -> None:
        """Refuse an empty `data.source`.

        Raises:
            MissingData: saying what it must be.
        """
        if not source:
            message = f"The data set {self.dataset} needs data.source = {self.source}."
            if self.address:
                message += f" To be had at {self.origin}."
            raise MissingData(self.dataset, message)


def declared(dataset: str, target: str) -> Needs | None:
    """What a data set declares in its factory's module, from the source: nothing is imported.

    Args:
        dataset: the registered name.
        target: of the registration, "module:factory".

    Returns:
        the declaration; None where the module has none of that name.

    Raises:
        Unreadable: where the source does not say it.
    """
    found = _in_source(target.partition(":")[0])
    return next((each for each in found if each.dataset == dataset), None)


def needs_of(name: str) -> Needs | None:
    """What a registered data set declares; where the source does not say it, it is imported."""
    target = registry().find("datasets", name).target
    try:
        return declared(name, target)
    except Unreadable:
        values = vars(importlib.import_module(target.partition(":")[0])).values()
        found = [each for each in values if isinstance(each, Needs)]
        return next((each for each in found if each.dataset == name), None)


@functools.cache
def _in_source(name: str) -> list[Needs]:
    where = module(name)
    calls = [node for node in where.names.values() if isinstance(node, ast.Call)]
    named = [node for node in calls if getattr(node.func, "id", "") == Needs.__name__]
    return [value(node, where, _made) for node in named]


def _made(found: Definition, arguments: list[Any], named: dict[str, Any]) -> Needs:
    if found.module.name != Needs.__module__:
        raise Unreadable(found.module.name)
    return Needs(*arguments, **named)
