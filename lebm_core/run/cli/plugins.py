"""`lebm plugins`: what is registered and by whom, and a plugin to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lebm_core.errors import UsageError
from lebm_core.run.cli.completion import complete_template
from lebm_core.run.cli.templates import DEFAULT, kinds

__all__ = ["plugins_app"]

plugins_app = typer.Typer(add_completion=False, rich_markup_mode=None)


@plugins_app.callback(invoke_without_command=True)
def plugins(context: typer.Context) -> None:
    """List the plugins with what failed and why; `new NAME` writes a plugin to start from."""
    if context.invoked_subcommand is not None:
        return
    from lebm_core.registry.registry import discover

    found = discover()
    for plugin in found.plugins():
        line = f"{plugin.name} ({plugin.distribution} {plugin.version}): {plugin.status}"
        typer.echo(f"{line}: {plugin.error}" if plugin.error else line)
    for kind in found.kinds():
        typer.echo(f"{kind}: {', '.join(found.names(kind)) or 'none'}")
    if found.clash:
        raise UsageError(found.clash)


@plugins_app.command()
def new(
    name: Annotated[
        str, typer.Argument(help="Lower-case letters, digits and _; lebm_NAME is made.")
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The folder to write; by default lebm-NAME."),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="|".join(kinds()),
            help="Of its data: what the decoder and the encoder are for.",
            autocompletion=complete_template,
        ),
    ] = DEFAULT,
) -> None:
    """Write a working plugin: networks, data, a metric, a recipe, and tests that pass."""
    import shlex

    from lebm_core.run.cli.skeleton import write_skeleton

    folder = write_skeleton(name, out, kind)
    recipe = f"{name.replace('_', '-')}-demo"
    quoted = shlex.quote(str(folder))
    typer.echo(f"{folder} is written, a plugin for {kind}. README.md says what is where. Next:")
    typer.echo(f"  pip install -e {shlex.quote(f'{folder}[test]')}")
    typer.echo(f"  lebm recipe {recipe} --preset smoke")
    typer.echo(f"  pytest {quoted}")
