"""The commands. They import what they need when they run: `lebm --help` needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lebm_core.run.cli.answers import answers
from lebm_core.run.cli.groups import ControlCommand, PluginGroup
from lebm_core.run.cli.plugins import plugins_app
from lebm_core.run.cli.recipes import DataDir, recipes
from lebm_core.run.cli.sweeps import sweeps

__all__ = ["app"]

app = typer.Typer(
    name="lebm",
    cls=PluginGroup,
    help="Latent-space energy-based models: train them, sample from them, and measure them.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(plugins_app, name="plugins")


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


recipes(app)
sweeps(app)


@app.command(cls=ControlCommand)
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many samples.")] = 64,
    y: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--y", help="The class, its id or its name, for a model with classes."),
    ] = None,
    control: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--control",
            help="Steers the samples; may be given several times. NAME=0.9, NAME>0.8, NAME<0.3, "
            "NAME=max, NAME=min: a property that the run has a head for (learning.properties); "
            "y=2, y=2,3: the class. not: before it is its negation, @2 at the end its strength.",
        ),
    ] = None,
    shift: Annotated[
        bool,
        typer.Option(
            "--shift",
            help="Also say how far this moves the prior; with a context, in the mean over the "
            "first 16.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The file to write; by default one in RUN."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="train, valid or test: of a model with a context, sample i is for "
            "example i of it, from the first again where it has fewer."
        ),
    ] = "test",
    data_dir: DataDir = None,
) -> None:
    """Draw samples from a trained run, any or as asked, and write them to a file."""
    from lebm_core.run.reuse import sample_run

    shown: list[str] = []
    file = sample_run(
        run, n, y=y, seed=seed, out=out, control=control or (),
        log=typer.echo if shift else None, split=split, data_dir=data_dir, show=shown.append,
    )  # fmt: skip
    typer.echo(file)
    for line in shown:
        typer.echo(line, err=True)


answers(app)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    data_dir: DataDir = None,
) -> None:
    """Measure a trained run by its recipe's metrics."""
    from lebm_core.run.reuse import evaluate_run

    for name, value in evaluate_run(run, split, data_dir).items():
        if value.value is None:
            typer.echo(f"{name}: refused: {value.refused}")
            continue
        error = "" if value.standard_error is None else f" ± {value.standard_error:.2g}"
        typer.echo(f"{name}: {value.value:.6g}{error} (n = {value.n}, {value.split})")


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the table of a results page.")
    ] = False,
    seeds: Annotated[
        bool,
        typer.Option(
            "--seeds", help="The same, with means over the runs that differ in their seed alone."
        ),
    ] = False,
) -> None:
    """Write report.html of each run again; with --markdown, a table of all of them."""
    from lebm_core.run.report.report import markdown_table, report_run

    if markdown or seeds:
        typer.echo(markdown_table(runs, seeds=seeds))
        return
    for run in runs:
        typer.echo(report_run(run))


@app.command()
def data(data_dir: DataDir = None) -> None:
    """List the data sets: which are found and where, and where the others are to be had."""
    from lebm_core.run.cli.inventory import listed

    typer.echo(listed(data_dir))
