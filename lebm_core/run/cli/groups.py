"""What plugins add to the command line: commands, and controls in the help of `lebm sample`."""

from __future__ import annotations

import functools
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from lebm_core.registry.registry import Registration, discover

__all__ = ["ControlCommand", "PluginGroup"]


class PluginGroup(TyperGroup):
    """The group of lebm's own commands and of those that plugins register."""

    @functools.cached_property
    def registered(self) -> dict[str, Registration]:
        """The plugins' commands by name; lebm's own cannot be replaced."""
        found = discover()
        names = [name for name in found.names("commands") if name not in self.commands]
        return {name: found.find("commands", name) for name in names}

    def list_commands(self, ctx: Any) -> list[str]:
        """lebm's commands in their order, then those of plugins."""
        return [*self.commands, *self.registered]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; of a plugin's only name and summary, which is all that --help needs."""
        if cmd_name in self.commands or cmd_name not in self.registered:
            return super().get_command(ctx, cmd_name)
        return TyperCommand(name=cmd_name, help=self.registered[cmd_name].summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command to run, importing it where it is a plugin's."""
        if args and args[0] not in self.commands and args[0] in self.registered:
            target = discover().get("commands", args[0])
            self.commands[args[0]] = typer.main.get_command(target)
        return super().resolve_command(ctx, args)


class ControlCommand(TyperCommand):
    """A command whose help of --control names the registered controls."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with what is registered now."""
        found = discover()
        known = [(name, found.find("controls", name).summary) for name in found.names("controls")]
        listed = ", ".join(f"{name} ({summary})" if summary else name for name, summary in known)
        option: Any = next(each for each in self.params if each.name == "control")
        plain = option.help
        try:
            option.help = f"{plain} Names with a meaning of their own: {listed}."
            super().format_help(ctx, formatter)
        finally:
            option.help = plain
