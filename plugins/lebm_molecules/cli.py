"""lebm molecules: scores of generated molecules from any model, and design."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, help="Molecules: scores, and design.", rich_markup_mode=None
)
OptionalPath = Optional[Path]  # noqa: UP045 - typer knows it in every version


@app.callback()
def _group() -> None:
    """Molecules: scores of generated ones, and design of better ones."""


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
    column: Annotated[
        str, typer.Option(help="Name or number of the SMILES' column in a table.")
    ] = "",
    invalid: Annotated[
        OptionalPath,
        typer.Option(help="A .csv to write, of each line that is no molecule, and why."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0: one for each core.")] = 0,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A Dask scheduler, whose workers do it instead.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Validity, uniqueness, novelty, and distances of generated molecules to others."""
    from lebm_core.base.parallel import on_cluster
    from lebm_core.errors import UsageError
    from lebm_molecules.data.files import read_smiles, table_rows
    from lebm_molecules.data.layout import layout_of
    from lebm_molecules.metrics.quality_scores import Invalid
    from lebm_molecules.metrics.quality_scores import evaluate as measure

    given = [path for path in (samples, train, test) if path is not None]
    for path in given:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UsageError(f'"{path}" is a pipe or a device: write it to a file first.')
        next(read_smiles(path, column), None)  # refuses a file with a bad beginning
    named = column and not column.isdecimal()
    if named and not any(layout_of(path, column).headed for path in given):
        raise UsageError(f"--column {column} is for a table; none of the files is one.")
    if invalid is not None:
        if not invalid.parent.is_dir():
            raise UsageError(f'--invalid: there is no folder "{invalid.parent}".')
        if invalid.is_dir() or invalid.resolve() in [path.resolve() for path in given]:
            raise UsageError(f'--invalid "{invalid}" is a folder, or a file that is to be read.')
    if cluster and workers:
        raise UsageError(f"--workers = {workers} is of this machine; --cluster uses all workers.")
    with contextlib.ExitStack() as stack:
        stack.enter_context(on_cluster(cluster, same=["rdkit"]))
        progress = stack.enter_context(_progress())
        write = None
        if invalid is not None:
            write = stack.enter_context(table_rows(invalid, Invalid._fields))
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


@app.command()
def design(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run of molecules with a z.")],
    name: Annotated[
        str, typer.Option("--property", help="qed, logp, plogp, plogp_z, sa, weight, rings, tpsa.")
    ],
    minimise: Annotated[bool, typer.Option("--minimise", help="Minimise it.")] = False,
    rounds: Annotated[int, typer.Option(help="At most.")] = 30,
    population: Annotated[int, typer.Option(help="Molecules kept, and made in a round.")] = 1000,
    calls: Annotated[int, typer.Option(help="Oracle calls at most; 0: no limit.")] = 0,
    similar_to: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A SMILES to improve on by similar ones; may be given several times."),
    ] = None,
    at_least: Annotated[float, typer.Option(help="Tanimoto similarity to it.")] = 0.4,
    start: Annotated[
        OptionalPath,
        typer.Option(help="A file of SMILES to start from; by default training molecules."),
    ] = None,
    column: Annotated[str, typer.Option(help="Name or number of the SMILES' column in it.")] = "",
    passes: Annotated[
        int, typer.Option(help="Over the kept, in which the model learns; 0: it does not.")
    ] = 1,
    lr: Annotated[float, typer.Option(help="Its learning rate.")] = 1e-3,
    delta: Annotated[
        float, typer.Option(help="How far a molecule is aimed beyond its value, in s.d.")
    ] = 0.5,
    random: Annotated[
        bool, typer.Option("--random", help="Random search: draws of the prior, no learning.")
    ] = False,
    longest: Annotated[int, typer.Option(help="Tokens of a molecule, at most.")] = 72,
    grow_from: Annotated[
        int, typer.Option(help="Tokens at the start; the limit rises to --longest. 0: it is that.")
    ] = 0,
    out: Annotated[OptionalPath, typer.Option(help="A folder for the result.")] = None,
    data_dir: Annotated[
        OptionalPath, typer.Option(help="The first place to look for data files.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Design molecules whose property is high: gradual distribution shifting."""
    from lebm_core.errors import Interrupted
    from lebm_molecules.design.options import DesignOptions
    from lebm_molecules.design.record import summary
    from lebm_molecules.design.run import design_run

    options = DesignOptions(
        rounds=rounds, population=population, calls=calls, at_least=at_least, passes=passes,
        lr=lr, delta=delta, random=random, longest=longest,
        grow_from=grow_from,
    )  # fmt: skip
    result = design_run(
        run, name, options=options, minimise=minimise, start=start, column=column,
        similar_to=similar_to or (), out=out, data_dir=data_dir, seed=seed,
        log=lambda line: typer.echo(line, err=True),
    )  # fmt: skip
    if result.history:
        values = summary(result)
        if as_json:
            typer.echo(json.dumps(values, indent=1))
        else:
            for key, value in values.items():
                typer.echo(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    if result.interrupted:
        kept = "nothing was found yet" if not result.history else "the result is above"
        raise Interrupted(f"Interrupted; {kept}" + (f" and in {out}." if out else "."))


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """A progress line on stderr, where that is a terminal."""
    from tqdm import tqdm

    with tqdm(unit=" molecules", disable=not sys.stderr.isatty(), leave=False) as bar:

        def show(name: str, done: int) -> None:
            bar.set_description(name, refresh=False)
            bar.n = done
            bar.refresh()

        yield show


def _table(values: dict[str, Any]) -> Iterator[str]:
    """A line for each score with its counts, and the definitions below."""
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
