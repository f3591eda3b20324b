"""`lebm sample`, `evaluate`, `report` and `data`. They import what they need when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from lebm_core.registry.registry import discover
from lebm_core.run.cli.options import DataDir, RunFolder

__all__ = ["data", "evaluate", "report", "sampling"]

sampling = typer.Typer(add_completion=False, rich_markup_mode=None)


class ControlCommand(TyperCommand):
    """A command whose help of --control names the registered controls."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with what is registered now."""
        known = [(entry.name, entry.summary) for entry in sorted(discover().entries("controls"))]
        listed = ", ".join(f"{name} ({summary})" if summary else name for name, summary in known)
        option: Any = next(each for each in self.params if each.name == "control")
        plain = option.help
        try:
            option.help = f"{plain} Names with a meaning of their own: {listed}."
            super().format_help(ctx, formatter)
        finally:
            option.help = plain


@sampling.command(cls=ControlCommand)
def sample(
    run: RunFolder,
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
        typer.Option(help="The file to write, or the folder of several; by default one in RUN."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="train, valid or test: of a model with a context, sample i is for "
            "example i of it, from the first again where it has fewer."
        ),
    ] = "test",
    data_dir: DataDir = None,
    codes: Annotated[
        bool, typer.Option("--codes", help="Draw codes z of the prior, as .npy, and not samples.")
    ] = False,
    shard: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            help="Samples of a file, by default 10,000. More are drawn into a folder of such "
            "files, in the memory of one, over the processes of accelerate launch.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a draw in several files that was stopped.")
    ] = False,
) -> None:
    """Draw samples from a trained run, any or as asked, and write them to a file or several."""
    from lebm_core.run.reuse import sample_run

    shown: list[str] = []
    file = sample_run(
        run, n, y=y, seed=seed, out=out, control=control or (),
        log=typer.echo if shift else None, split=split, data_dir=data_dir, show=shown.append,
        codes=codes, shard=shard, resume=resume,
    )  # fmt: skip
    typer.echo(file)
    for line in shown:
        typer.echo(line, err=True)


def evaluate(
    run: RunFolder,
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


def data(data_dir: DataDir = None) -> None:
    """List the data sets: which are found and where, and where the others are to be had."""
    from lebm_core.run.cli.inventory import listed

    typer.echo(listed(data_dir))
