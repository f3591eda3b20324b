"""Which data sets are known, and whether their files are here: what `lebm data` shows."""

from __future__ import annotations

import ast
import functools
import importlib
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import LebmError, MissingData
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import options_of
from lebm_core.registry.source import Definition, Unreadable, module, value
from lebm_core.run.config.catalogue import catalogue

__all__ = ["Known", "advice", "declared", "inventory"]


class Known(NamedTuple):
    """A data set; `status` is found, missing, "no file needed" or failed."""

    name: str
    status: str
    detail: str


def inventory(data_dir: str | Path | None = None) -> list[Known]:
    """Look for the files that each registered data set declares; none is imported."""
    files = DataFiles(data_dir)
    return [_look(name, files) for name in registry().names("datasets")]


def advice(error: MissingData) -> str:
    """The error with the recipe of the same family that needs no download."""
    free = _without_download().get(error.dataset.partition(".")[0])
    return f"{error} lebm recipe {free} needs no download." if free else str(error)


@functools.cache
def _without_download() -> dict[str, str]:
    """Family of data ("mine" of "mine.rings") to its first recipe that needs no download."""
    free = [entry for entry in catalogue() if not entry.download]
    return {entry.dataset.partition(".")[0]: entry.name for entry in reversed(free)}


def declared(dataset: str, target: str) -> Needs | None:
    """What a data set declares in its factory's module; None where it needs nothing.

    The source is read; where that does not say it, the module is imported.

    Args:
        dataset: the registered name.
        target: of the registration, "module:factory".

    Raises:
        ImportError: there is no such module.
    """
    name = target.partition(":")[0]
    try:
        needs = _in_source(name)
    except Unreadable:
        values = vars(importlib.import_module(name)).values()
        needs = [each for each in values if isinstance(each, Needs)]
    return next((each for each in needs if each.dataset == dataset), None)


@functools.cache
def _in_source(name: str) -> list[Needs]:
    """The declarations of a module."""
    where = module(name)
    calls = [node for node in where.names.values() if isinstance(node, ast.Call)]
    named = [node for node in calls if getattr(node.func, "id", "") == Needs.__name__]
    return [value(node, where, _needs) for node in named]


def _needs(made: Definition, arguments: list[Any], named: dict[str, Any]) -> Needs:
    if made.module.name != Needs.__module__:
        raise Unreadable(made.module.name)
    return Needs(*arguments, **named)


def _look(name: str, files: DataFiles) -> Known:
    try:
        needs = declared(name, registry().find("datasets", name).target)
        if needs is not None:
            return _found(needs, files)
        required = [o.name for o in options_of("datasets", name).values() if o.required]
    except (LebmError, ImportError) as error:
        return Known(name, "failed", f"{type(error).__name__}: {error}")
    asked = [option for option in required if option not in ("files", "seed")]
    if asked:
        return Known(name, "missing", f"give data.{asked[0]}=...")
    return Known(name, "no file needed", "")


def _found(needs: Needs, files: DataFiles) -> Known:
    try:
        paths = needs.find(files)
        if not paths:
            needs.check("")
    except MissingData as error:
        return Known(needs.dataset, "missing", advice(error))
    return Known(needs.dataset, "found", ", ".join(map(str, paths)))
