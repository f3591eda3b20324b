"""lebm molecules evaluate: the figures of generated molecules, from any model at all."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

__all__ = ["app"]

app = typer.Typer(help="Molecules: how good generated ones are.", rich_markup_mode=None)
OptionalPath = Optional[Path]  # noqa: UP045 - typer knows it in every version


@app.callback()
def _group() -> None:
    """Molecules: how good generated ones are."""


@app.command()
def evaluate(
    samples: Annotated[Path, typer.Argument(help="Generated SMILES: .smi, .txt or .csv, or .gz.")],
    train: Annotated[
        OptionalPath, typer.Option(help="What the model was trained on, for novelty.")
    ] = None,
    test: Annotated[
        OptionalPath,
        typer.Option(help="What distributions are compared with; by default --train."),
    ] = None,
    drop_stereo: Annotated[
        bool, typer.Option("--drop-stereo", help="Molecules that differ in it alone are the same.")
    ] = False,
    compare: Annotated[
        int, typer.Option(help="Molecules of each side whose distributions are compared; 0: all.")
    ] = 10_000,
    column: Annotated[str, typer.Option(help="The SMILES' column in a .csv.")] = "",
    invalid: Annotated[
        OptionalPath,
        typer.Option(help="A .csv to write, of each line that is no molecule, and why."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0: one for each core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Validity, uniqueness, novelty, and how near generated molecules are to others."""
    from lebm_core.errors import UsageError
    from lebm_molecules.files import is_table, read_smiles
    from lebm_molecules.quality import Invalid
    from lebm_molecules.quality import evaluate as measure

    given = [path for path in (samples, train, test) if path is not None]
    for path in given:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UsageError(f'"{path}" is a pipe or a device: write it to a file first.')
        next(read_smiles(path, column), None)  # says what is wrong with its beginning
    if column and not any(is_table(path) for path in given):
        raise UsageError(f"--column {column} is for a .csv; none of the files is one.")
    if invalid is not None:
        if not invalid.parent.is_dir():
            raise UsageError(f'--invalid: there is no folder "{invalid.parent}".')
        if invalid.is_dir() or invalid.resolve() in [path.resolve() for path in given]:
            raise UsageError(f'--invalid "{invalid}" is a folder, or a file that is to be read.')
    with contextlib.ExitStack() as stack:
        write: Any = None
        if invalid is not None:
            table = csv.writer(stack.enter_context(_replaced(invalid)), lineterminator="\n")
            table.writerow(Invalid._fields)
            write = table.writerow
        progress = stack.enter_context(_progress())
        values = measure(
            read_smiles(samples, column),
            None if train is None else read_smiles(train, column),
            None if test is None else read_smiles(test, column),
            stereo=not drop_stereo, compared=compare, processes=workers,
            invalid=write, progress=progress,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({name: asdict(value) for name, value in values.items()}, indent=1))
        return
    for line in _table(values):
        typer.echo(line)


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Any]:
    """A text file that takes its name only when it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """A line on stderr that is written over, where stderr is a terminal."""
    from tqdm import tqdm

    with tqdm(unit=" molecules", disable=not sys.stderr.isatty(), leave=False) as bar:

        def show(name: str, done: int) -> None:
            bar.set_description(name, refresh=False)
            bar.n = done
            bar.refresh()

        yield show


def _table(values: dict[str, Any]) -> Iterator[str]:
    """A line for each figure with its counts, and the definitions below."""
    width = max(len(name) for name in values)
    for name, value in values.items():
        if value.value is None:
            yield f"{name:{width}}  refused: {value.refused}"
            continue
        error = "" if value.standard_error is None else f" ± {value.standard_error:.4f}"
        counts = ", ".join(
            f"{n:,} {what}" if isinstance(n, int) else f"{what} {n}"
            for what, n in value.extra.items()
        )
        yield f"{name:{width}}  {value.value:.4f}{error:9}  {counts}".rstrip()
    yield ""
    for name, value in values.items():
        yield f"{name}: {value.definition}"
