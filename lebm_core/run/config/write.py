"""A resolved recipe as TOML, with a comment for each key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lebm_core.registry.option import Option
from lebm_core.registry.parts import Part
from lebm_core.run.config.schema import options_in, part_options
from lebm_core.run.config.toml import emit_table, quoted

__all__ = ["write"]

NAMES = {"datasets": "data sets", "inference": "ways of inference"}  # kinds in other words


def write(tables: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> str:
    """The TOML of a recipe.

    Args:
        tables: all tables, every option filled in.
        baselines: what each baseline changes, by dotted key.
    """
    options = options_in(tables["model"]["name"], tables["evaluation"])
    plain = {key: tables[key] for key in options if not _nested(options[key], tables[key])}
    if not plain["preset"]:
        del plain["preset"]
    comments = {key: option.explained for key, option in options.items()}
    strings = [emit_table(plain, comments)]
    if tables["minutes"]:
        strings.append(emit_table(tables["minutes"], {}, "minutes"))
    for key, option in options.items():
        if _nested(option, tables[key]) and key not in ("minutes", "published"):
            strings += _one(key, option, tables[key])
    for source, figures in tables["published"].items():
        strings.append(emit_table(figures, {}, f"published.{quoted(source)}"))
    for name, values in baselines.items():
        strings.append(emit_table(values, {}, f"baseline.{quoted(name)}"))
    return "\n".join(strings)


def _nested(option: Option, value: Any) -> bool:
    return option.part is not None or option.table is not None or isinstance(value, Mapping)


def _one(path: str, option: Option, table: Mapping[str, Any] | None) -> Iterator[str]:
    """The TOML of one table, and of those within it."""
    if option.part is not None:
        name = "" if table is None else table["name"]
        inner = part_options(option.part, name) if name else {}
        yield from _table(path, {"name": _name(option.part), **inner}, table or {"name": ""})
    elif option.many:
        for name, each in (table or {}).items():
            yield from _table(f"{path}.{quoted(name)}", option.table or {}, each)
    else:
        yield from _table(path, option.table or {}, table or {})


def _table(path: str, options: Mapping[str, Option], table: Mapping[str, Any]) -> Iterator[str]:
    tables = [k for k, o in options.items() if o.part is not None or o.table is not None]
    plain = {key: value for key, value in table.items() if key not in tables}
    yield emit_table(plain, {key: option.explained for key, option in options.items()}, path)
    for key in tables:
        if key in table:
            yield from _one(f"{path}.{key}", options[key], table[key])


def _name(part: Part) -> Option:
    """The option that names a part."""
    kind = NAMES.get(part.kind, part.kind.replace("_", " "))
    empty = "; empty for none" if part.optional else ""
    return Option("name", str, help=f"which of the {kind}{empty}")
