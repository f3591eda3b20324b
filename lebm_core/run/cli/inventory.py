"""Which data sets are known, and whether their files are here: what `lebm data` shows."""

from __future__ import annotations

import functools
import os
import textwrap
from pathlib import Path
from typing import NamedTuple

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs, needs_of
from lebm_core.errors import LebmError, MissingData
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import options_of
from lebm_core.run.config.catalogue import catalogue, kind_of

__all__ = ["Known", "advice", "inventory", "listed"]

WIDTH = 96
NO_FILE = "no file needed"


class Known(NamedTuple):
    """A data set.

    Attributes:
        name: as it is registered.
        status: found, missing, "no file needed", yours (given by data.source) or failed.
        detail: the files that are found or missing, what data.source must be, or the error.
        how: what the files of a public data set hold.
        origin: where a public data set is to be had.
    """

    name: str
    status: str
    detail: str
    how: str = ""
    origin: str = ""


def inventory(data_dir: str | Path | None = None) -> list[Known]:
    """Look for the files that each registered data set declares; none is imported."""
    files = DataFiles(data_dir)
    return [_look(name, files) for name in registry().names("datasets")]


def listed(data_dir: str | Path | None = None) -> str:
    """The data sets for a terminal: where was looked, the user's own, then the public ones."""
    known = inventory(data_dir)
    places = [f"{name} ({at or 'not given'})" for name, at in DataFiles(data_dir).places()]
    own = [each for each in known if each.status == "yours"]
    lines = [f"Looked for in {', '.join(places)}.", ""]
    if own:
        lines += ["Your own data:", *(_line(each) for each in own), "", "Data sets:"]
    for each in known:
        if each not in own:
            lines.append(_line(each))
            beside = f"{each.how} {each.origin}" if each.status == "missing" else each.origin
            lines += textwrap.wrap(
                beside.strip(), WIDTH, initial_indent="    ", subsequent_indent="    ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    return "\n".join(lines)


def _line(known: Known) -> str:
    return f"{known.name}: {known.status}" + (f": {known.detail}" if known.detail else "")


def advice(error: MissingData) -> str:
    """The error with the recipe of the same family that needs no download."""
    free = _without_download().get(kind_of(error.dataset))
    return f"{error} lebm recipe {free} needs no download." if free else str(error)


@functools.cache
def _without_download() -> dict[str, str]:
    """Family of data ("mine" of "mine.rings") to its first recipe that needs no download."""
    free = [entry for entry in catalogue() if not entry.download and not entry.own]
    return {kind_of(entry.dataset): entry.name for entry in reversed(free)}


@functools.cache
def _for_own_data() -> dict[str, tuple[str, str]]:
    """Family of data to the name and the data set of its recipe for the user's own."""
    own = [entry for entry in catalogue() if entry.own]
    return {kind_of(entry.dataset): (entry.name, entry.dataset) for entry in reversed(own)}


def _look(name: str, files: DataFiles) -> Known:
    try:
        needs = needs_of(name)
        if needs is not None:
            return _found(needs, files)
        required = [o.name for o in options_of("datasets", name).values() if o.required]
    except (LebmError, ImportError) as error:
        return Known(name, "failed", f"{type(error).__name__}: {error}")
    asked = [option for option in required if option not in ("files", "seed")]
    if asked:
        return Known(name, "yours", f"data.{asked[0]} = ...{_by_recipe(name)}")
    return Known(name, NO_FILE, "")


def _found(needs: Needs, files: DataFiles) -> Known:
    name = needs.dataset
    if needs.source:
        given = f"data.source = {needs.source}"
        if needs.own:
            return Known(name, "yours", given + _by_recipe(name))
        return Known(name, "missing", given, needs.how, needs.origin)
    paths, missing = [], []
    for names in needs.wanted():
        try:
            paths.append(files.find(name, names, ""))
        except MissingData:
            missing.append(" or ".join(names))
    if missing:
        detail = f"{'; '.join(missing)} (plain or .gz)"
        return Known(name, "missing", detail, needs.how, needs.origin)
    return Known(name, "found", _together(paths), needs.how, needs.origin)


def _together(paths: list[Path]) -> str:
    """The paths in short: several in one folder are counted."""
    if len(paths) < 2:
        return ", ".join(map(str, paths))
    folders = {path.parent for path in paths}
    folder = folders.pop() if len(folders) == 1 else os.path.commonpath(paths)
    return f"{len(paths)} files in {folder}"


def _by_recipe(name: str) -> str:
    """How a recipe takes the user's data, where there is one for its family."""
    recipe, dataset = _for_own_data().get(kind_of(name), ("", ""))
    if not recipe:
        return ""
    other = "" if name == dataset else f" data.name={name}"
    return f" (lebm recipe {recipe}{other} data.source=...)"
