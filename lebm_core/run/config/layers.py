"""The layers of a recipe: its TOML file, a preset, key=value; each value remembers its place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_core.registry.registry import registry
from lebm_core.run.config.toml import line_of, parse_value

__all__ = ["Layer", "Source", "flatten", "from_overrides", "read_source", "unflatten"]

FREE_KEYS = ("minutes", "published")
DEEPEST = 50  # tables within tables


class Layer(NamedTuple):
    """Values by dotted key.

    Attributes:
        values: as they are written.
        where: the place of a key in words, for errors.
        raw: the strings of values given as key=value: an option that is a string takes it as it is.
    """

    values: dict[str, Any]
    where: Callable[[str], str]
    raw: dict[str, str] = {}

    def under(self, table: str) -> Layer:
        """The values of one table, by their keys in it."""
        start = f"{table}."

        def inside(values: dict[str, Any]) -> dict[str, Any]:
            return {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}

        return Layer(inside(self.values), lambda key: self.where(start + key), inside(self.raw))

    def without(self, table: str) -> Layer:
        """All values but those of one table."""
        kept = {k: v for k, v in self.values.items() if k.partition(".")[0] != table}
        return self._replace(values=kept)


class Source(NamedTuple):
    """A recipe's TOML file.

    Attributes:
        name: of the recipe.
        label: of the file, in errors.
        string: the file's content.
        table: the content as read.
    """

    name: str
    label: str
    string: str
    table: dict[str, Any]

    def presets(self) -> list[str]:
        """The names of the presets, in the order of the file."""
        found = self.table.get("preset")
        return list(found) if isinstance(found, dict) else []

    def base(self) -> Layer:
        """The recipe without its presets and its table [unlabelled]."""
        table = {key: value for key, value in self.table.items() if key != "unlabelled"}
        if isinstance(table.get("preset"), dict):
            del table["preset"]
        return Layer(flatten(table), self._where(""))

    def unlabelled(self) -> Layer:
        """What changes for data without classes; empty where the recipe does not say."""
        values = self.table.get("unlabelled", {})
        if not isinstance(values, dict):
            raise UsageError(f"{self.label}: [unlabelled] must be a table.")
        return Layer(flatten(values), self._where("unlabelled."))

    def preset(self, name: str) -> Layer:
        """One preset; UsageError where the recipe has none of that name."""
        if name not in self.presets():
            raise UsageError(
                f'{self.name} has no preset "{name}".{did_you_mean(name, self.presets())}'
                f" Known: {', '.join(self.presets()) or 'none'}."
            )
        values = self.table["preset"][name]
        if not isinstance(values, dict):
            raise UsageError(f"{self.label}: [preset.{name}] must be a table.")
        return Layer({"preset": name} | flatten(values), self._where(f"preset.{name}."))

    def _where(self, prefix: str) -> Callable[[str], str]:
        def where(key: str) -> str:
            line = line_of(self.string, prefix + key)
            return f"{self.label}, line {line}" if line else self.label

        return where


def read_source(recipe: str | os.PathLike[str]) -> Source:
    """Read a recipe by its registered name, or by the path of a TOML file.

    Raises:
        UsageError: no such recipe or file, or it is empty, not UTF-8 or not TOML.
    """
    given = os.fspath(recipe)
    if given.endswith(".toml") or os.sep in given:
        path = Path(given)
        name, label = path.stem, given
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.toml")])
            raise UsageError(f'There is no recipe file "{given}".{near}') from None
        except OSError as error:
            raise UsageError(
                f"The recipe {shown(given)} cannot be read: {error.strerror}."
            ) from None
        except ValueError:  # a zero byte in the name
            raise UsageError(f"There is no recipe file {shown(given)}.") from None
    else:
        name, label = given, f"{given}.toml"
        data = registry().recipe_file(given).read_bytes()
    try:
        string = data.decode()
        table = tomllib.loads(string)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{label}, line {line}: the recipe is not valid UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{label} is not valid TOML: {error}.") from None
    except RecursionError:
        raise UsageError(f"{label} is not valid TOML: it is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits
        raise UsageError(f"{label} is not valid TOML: a number has too many digits.") from error
    if not table:
        raise UsageError(f"{label}: the recipe is empty.")
    return Source(str(table.get("name", name)), label, string, table)


def from_overrides(overrides: Iterable[str]) -> Layer:
    """The layer of key=value arguments; UsageError where one has no "="."""
    values: dict[str, Any] = {}
    raw: dict[str, str] = {}
    for given in overrides:
        key, equals, string = given.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                f"{shown(given)} is not of the form key=value, such as training.epochs=2."
            )
        raw[key] = string.strip()
        values |= flatten({key: parse_value(raw[key])})

    def where(key: str) -> str:
        given = next((k for k in raw if f"{key}.".startswith(f"{k}.")), "")
        given = given or next((k for k in raw if k.startswith(f"{key}.")), "")
        return shown(f"{given}={raw[given]}") if given else "the overrides"

    return Layer(values, where, raw)


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys; the tables whose keys are free are left whole.

    >>> flatten({"prior": {"sampler": {"steps": 60}}, "training.epochs": 2})
    {'prior.sampler.steps': 60, 'training.epochs': 2}
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        if (prefix + key).count(".") > DEEPEST:
            raise UsageError(f"The recipe is nested too deeply, in {shown(prefix + key)}.")
        if isinstance(value, Mapping) and value and prefix + key not in FREE_KEYS:
            found |= flatten(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def unflatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as nested tables; the later of a value and a table of the same key stays.

    >>> unflatten({"prior.sampler.steps": 60})
    {'prior': {'sampler': {'steps': 60}}}
    """
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        table = nested
        for part in path:
            if not isinstance(table.get(part), dict):
                table[part] = {}
            table = table[part]
        table[last] = dict(value) if isinstance(value, dict) else value
    return nested
