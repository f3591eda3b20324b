"""`lebm sweep`: a recipe at every combination of some options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lebm_core.run.cli.completion import complete_recipe, complete_value
from lebm_core.run.cli.options import DataDir

__all__ = ["sweep"]


def sweep(
    name: Annotated[
        str,
        typer.Argument(help="A recipe's name, or a TOML file.", autocompletion=complete_recipe),
    ],
    options: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=A,B,C...",
            help="What varies, such as prior.sampler.steps=20,60,200; a KEY=VALUE is fixed.",
            autocompletion=complete_value,
        ),
    ],
    preset: Annotated[
        Optional[str],  # noqa: UP045 - typer knows it in every version
        typer.Option(help="paper, cpu, smoke; by default paper where a GPU is found, else cpu."),
    ] = None,
    data_dir: DataDir = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the sweep; by default one in runs/."),
    ] = None,
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Of every random draw, in place of the recipe's; 0 or more."),
    ] = None,
    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Model and baselines trained at once; by default one for each core."),
    ] = None,
) -> None:
    """Run a recipe at every combination of options: a table and a figure. Again, it goes on."""
    from lebm_core.run.sweep import sweep as run_sweep

    typer.echo(run_sweep(name, options, preset, data_dir, out, seed, jobs))
