"""lebm explore: a local page for a finished run, or a folder that runs as a Space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

__all__ = ["explore"]


def explore(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0: any that is free.")
    ] = 7860,
    export: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Write a folder that runs as a Hugging Face Space, and start nothing."),
    ] = None,
    data_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder in which data files are looked for first."),
    ] = None,
) -> None:
    """Open a local page for a finished run; Ctrl-C stops it."""
    if export is not None:
        from lebm_app.export import export_run

        typer.echo(export_run(run, export))
        return
    from lebm_app.server import serve

    serve(run, host, port, data_dir, log=lambda line: typer.echo(line, err=True))
