"""Commands that ask a trained run about examples of a file: predict, encode, score, complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lebm_core.errors import UsageError
from lebm_core.run.cli.options import RunFolder

if TYPE_CHECKING:
    from lebm_core.run.trained import Run

__all__ = ["complete", "encode", "predict", "score"]

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="What data.source of the run's recipe would name.")
]
Out = Annotated[
    Optional[Path],  # noqa: UP045 - typer knows it in every version
    typer.Option(help="The .csv to write; by default the answer is printed."),
]


def predict(run: RunFolder, file: File, out: Out = None) -> None:
    """Tell the class of each example of a file: the file's columns with the prediction beside."""
    _answer(run, file, out, lambda trained: trained.predict(file))


def encode(run: RunFolder, file: File, out: Out = None) -> None:
    """Tell the latent code of each example of a file."""
    _answer(run, file, out, lambda trained: trained.encode(file))


def score(run: RunFolder, file: File, out: Out = None) -> None:
    """Tell how unusual each example of a file is: -log p(x, z), higher is more unusual."""
    _answer(run, file, out, lambda trained: trained.score(file))


def complete(run: RunFolder, file: File, out: Out = None) -> None:
    """Fill in the missing values of a table, or go on from the beginnings of a file of lines."""
    _answer(run, file, out, lambda trained: _of_lines(trained, run).complete(file))


def _of_lines(trained: Run, folder: Path) -> Run:
    """The run, whose examples can be written as lines of a table.

    Raises:
        UsageError: for examples that cannot, before anything is computed.
    """
    from lebm_core.run.reuse import OF_LINES

    if trained.data.suffix not in OF_LINES:
        raise UsageError(
            f"lebm complete writes a table, and the examples of {folder} are no lines of one: in "
            f'Python, Run.load("{folder}").complete(FILE) gives them as arrays.'
        )
    return trained


def _answer(run: Path, file: Path, out: Path | None, ask: Callable[[Run], Any]) -> None:
    from lebm_core.base.table import Table
    from lebm_core.run.trained import Run

    if out is not None:
        if not out.parent.is_dir():
            raise UsageError(f'--out: there is no folder "{out.parent}".')
        if out.is_dir() or out.resolve() == file.resolve():
            raise UsageError(f'--out "{out}" is a folder, or the file that is to be read.')
    found = ask(Run.load(run))
    if not isinstance(found, Table):
        raise UsageError("The answer is no table: ask for it in Python, Run.load(folder).")
    if out is None:
        typer.echo(found.csv(), nl=False)
        return
    found.write(out)
    typer.echo(out)
