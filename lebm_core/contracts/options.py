"""Options of registered parts: read from the source as from the object, typed and explained."""

from __future__ import annotations

from typing import Any

from lebm_core.registry.option import Option
from lebm_core.registry.registry import registry
from lebm_core.registry.signatures import read_object
from lebm_core.registry.source import Unreadable
from lebm_core.registry.static import read_source

__all__ = ["OPTIONLESS", "check_options"]

FILLED = {"datasets": ("files", "seed")}  # parameters that the program fills
OPTIONLESS = ("figures", "controls", "recipes", "commands")  # kinds without a table of options


def check_options(kind: str, name: str) -> bool:
    """Check the options of a part: the same in its source as at run time, each with its help.

    Args:
        kind: of the registry, such as "priors".
        name: registered.

    Returns:
        Whether the source says them; where it does not, `lebm recipe --show` imports the part.
    """
    label = f'{kind} "{name}"'
    imported = read_object(registry().get(kind, name))
    for option in imported.values():
        if option.name not in FILLED.get(kind, ()) and not option.name.startswith("_"):
            _check_help(option, label)
    try:
        found = read_source(registry().find(kind, name).target)
    except Unreadable:
        return False
    assert list(found) == list(imported), (
        f"{label}: its source has the options {list(found)}, the object {list(imported)}"
    )
    for key, option in imported.items():
        for field, static, real in zip(Option._fields, found[key], option, strict=True):
            assert _plain(static) == _plain(real), (
                f"{label}: {field} of the option {key} is {static!r} in the source and {real!r} in "
                "the object"
            )
    return True


def _check_help(option: Option, label: str) -> None:
    assert option.help, f'{label}: the option {option.name} is not explained in "Args:"'
    for inner in (option.table or {}).values():
        _check_help(inner, f"{label}, table {option.name}")


def _plain(value: Any) -> Any:
    """A value with lists for tuples, as a recipe has it."""
    if isinstance(value, Option):
        return tuple(_plain(each) for each in value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
