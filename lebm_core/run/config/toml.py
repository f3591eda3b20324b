"""TOML with a comment for each key, and the line on which a key of a TOML file stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

__all__ = ["emit_table", "emit_value", "line_of", "parse_value", "quoted"]

BARE_POINT = re.compile(r"[+-]?(\.\d+|\d+\.)(e[+-]?\d+)?", re.IGNORECASE)  # which TOML has not


def emit_value(value: Any) -> str:
    """A value as TOML writes it; None, which TOML lacks, as "none".

    >>> emit_value([1, 0.5, True, "a", None])
    '[1, 0.5, true, "a", "none"]'
    """
    import tomlkit

    return str(tomlkit.item(_inline(value)).as_string())


def _inline(value: Any) -> Any:
    import tomlkit

    if value is None:
        return "none"
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, inner in value.items():
            table.append(str(key), _inline(inner))
        return table
    return [_inline(item) for item in value] if isinstance(value, (list, tuple)) else value


def emit_table(
    values: Mapping[str, Any], comments: Mapping[str, str] | None = None, header: str = ""
) -> str:
    """The lines of one table, each key with its comment where it has one.

    >>> print(emit_table({"steps": 60}, {"steps": "of a chain"}, "prior.sampler"), end="")
    [prior.sampler]
    steps = 60  # of a chain
    """
    lines = [f"[{header}]"] if header else []
    for key, value in values.items():
        comment = (comments or {}).get(key, "")
        lines.append(f"{quoted(key)} = {emit_value(value)}" + (f"  # {comment}" if comment else ""))
    return "\n".join(lines) + "\n"


def quoted(key: str) -> str:
    """A key as TOML writes it: bare where that is allowed."""
    import tomlkit

    return str(tomlkit.key(key).as_string())


def parse_value(string: str) -> Any:
    """The value on the right of key=value: TOML, a number such as .5, or else the string itself.

    >>> parse_value("[200, 200]"), parse_value("1e-4"), parse_value(".5"), parse_value("gaussian")
    ([200, 200], 0.0001, 0.5, 'gaussian')
    """
    try:
        read = tomllib.loads(f"value = {string}")
    except (ValueError, RecursionError):  # also a number of thousands of digits, or deep nesting
        return float(string) if BARE_POINT.fullmatch(string) else string
    value = read.get("value")
    plain = isinstance(value, (bool, int, float, str, list, dict))
    return value if plain and len(read) == 1 else string


def line_of(string: str, key: str) -> int | None:
    """The line (from 1) of a TOML file on which the dotted key is set; None where not found.

    >>> line_of('[prior]\\nbound = 3', "prior.bound")
    2
    """
    header = ""
    nearest = None
    for number, line in enumerate(string.splitlines(), 1):
        table = re.match(r"\s*\[([^\[\]]+)\]", line)
        if table:
            header = _plain(table[1]) + "."
            if key == header[:-1] or (key.startswith(header) and nearest is None):
                nearest = number
            continue
        entry = re.match(r"\s*([^=#]+?)\s*=", line)
        if entry:
            full = header + _plain(entry[1])
            if full == key:
                return number
            if key.startswith(full + "."):
                nearest = number
    return nearest


def _plain(dotted: str) -> str:
    return re.sub(r"\s*\.\s*", ".", dotted.replace('"', "").replace("'", "")).strip()
