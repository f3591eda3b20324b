"""Checks of what the command line takes: controls, recipes and commands."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lebm_core.contracts.checks import check_message
from lebm_core.contracts.data import check_parameters
from lebm_core.control.base import Control
from lebm_core.errors import UsageError
from lebm_core.registry.registry import registry
from lebm_core.run.config.layers import read_source
from lebm_core.run.config.recipe import dump, load

__all__ = ["check_command", "check_control", "check_recipe"]


def check_control(name: str, value: str = "") -> Control | None:
    """Check a registered control of the command line.

    Args:
        name: registered.
        value: that it accepts after "="; without it only what it refuses is checked.

    Returns:
        The control for that value.
    """
    label = f'controls "{name}"'
    make = registry().get("controls", name)
    check_parameters(make, 3, label)
    assert registry().find("controls", name).summary, f"{label} has no summary"
    found: Control | None = None
    if value:
        found = make("=", value, 2.0)
        assert isinstance(found, Control), f"{label} gives {type(found).__name__}"
        assert found.strength == 2.0, f"{label}: strength is {found.strength}, not 2"
    try:
        make(">", "no value", 2.0)
    except UsageError as error:
        check_message(error, label)
    return found


def check_recipe(name: str) -> None:
    """Check a registered recipe: it loads in every preset, and what is written reads back."""
    label = f'recipes "{name}"'
    source = read_source(name)
    with tempfile.TemporaryDirectory() as folder:
        for preset in ("", *source.presets()):
            recipe = load(name, preset)
            assert recipe.summary, f"{label} has no summary"
            file = Path(folder) / "recipe.toml"
            file.write_text(dump(recipe))
            again = load(file)
            assert again == recipe, (
                f"{label}, preset {preset or 'none'}: written and read it differs"
            )


def check_command(name: str) -> None:
    """Check a registered command: it can be called, and its line in `lebm --help` says what for."""
    label = f'commands "{name}"'
    assert registry().find("commands", name).summary, f"{label} has no summary"
    assert callable(registry().get("commands", name)), f"{label} cannot be called"
