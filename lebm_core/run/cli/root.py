"""The root of the command line: what is registered as a command, imported when it is called."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_core.registry.registry import discover

__all__ = ["app"]


class Registered(TyperGroup):
    """The commands that lebm and plugins register, in that order."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The registered names."""
        return [entry.name for entry in discover().entries("commands")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; of one that was not called name and summary, which are all --help needs."""
        if cmd_name in self.commands or cmd_name not in self.list_commands(ctx):
            return super().get_command(ctx, cmd_name)
        return TyperCommand(name=cmd_name, help=discover().find("commands", cmd_name).summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command to run and import it."""
        if args and not ctx.resilient_parsing:  # which a shell's completion sets
            known = self.list_commands(ctx)
            if args[0] not in known:
                near = did_you_mean(args[0], known)
                raise UsageError(f"There is no command {shown(args[0])}.{near} Use lebm --help.")
        if args and args[0] in self.list_commands(ctx):
            self.commands[args[0]] = imported(args[0])
        return super().resolve_command(ctx, args)


def imported(name: str) -> Any:
    """Import a registered command, a typer application or a function of its own."""
    found = discover().get("commands", name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(found)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="lebm",
    cls=Registered,
    help="Latent-space energy-based models: train them, sample from them, and measure them.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from lebm_core import __version__

        typer.echo(f"lebm {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
