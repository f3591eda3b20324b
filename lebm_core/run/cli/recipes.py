"""`lebm recipe`: the table of recipes, one of them as TOML, or a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from lebm_core.errors import UsageError
from lebm_core.run.cli.completion import complete_kind, complete_recipe, complete_value
from lebm_core.run.cli.options import DataDir

__all__ = ["recipe"]


def recipe(
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            help="A recipe's name, or a TOML file; a part of names lists the recipes that have it.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    overrides: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Such as training.epochs=2.",
            autocompletion=complete_value,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show the resolved recipe, and do not run it.")
    ] = False,
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="paper, cpu, smoke; by default paper where a GPU is found, else cpu."),
    ] = None,
    data_dir: DataDir = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The run directory; by default one in runs/."),
    ] = None,
    seed: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Of every random draw, in place of the recipe's; 0 or more."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Model and baselines trained at once; by default one for each core."),
    ] = None,
    baselines: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="none|all|NAMES", help="Rows of comparison, such as f0,vae: by default all."
        ),
    ] = None,
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="About how long all of it may take; trainings are shortened to fit."),
    ] = None,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="List the recipes for this kind of data alone.", autocompletion=complete_kind
        ),
    ] = None,
    no_download: Annotated[
        bool, typer.Option("--no-download", help="List the recipes that need no file alone.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the table of recipes as Markdown.")
    ] = False,
) -> None:
    """Run a recipe: data, training, evaluation, report. Without NAME, list the recipes."""
    from lebm_core.run.config import catalogue

    of_one = {
        "--show": show or None, "--preset": preset, "--data-dir": data_dir, "--out": out,
        "--seed": seed, "--resume": resume or None, "--jobs": jobs, "--minutes": minutes,
        "--baselines": baselines,
    }  # fmt: skip
    of_list = {"--data": data, "--no-download": no_download, "--markdown": markdown}
    found = catalogue.named(name) if name else []
    if not name or found:
        asked = [key for key, value in of_one.items() if value is not None] + (overrides or [])
        what = f"{name} is the name of none, but a part of {', '.join(found)}"
        if asked:
            raise UsageError(
                f"{asked[0]} is for a recipe, and {what if found else 'none is named'}: "
                "lebm recipe NAME."
            )
        listed = catalogue.some(
            catalogue.catalogue(found) if found else catalogue.catalogue(), data, no_download
        )
        if not listed and (data or no_download):
            raise UsageError("There is no such recipe: lebm recipe lists all of them.")
        typer.echo((catalogue.markdown if markdown else catalogue.plain)(listed))
        return
    for option in (key for key, value in of_list.items() if value):
        raise UsageError(f"{option} is for the table of recipes: leave {name} out.")
    if "=" in name:
        raise UsageError(
            f'"{name}" stands where the recipe\'s name is expected: lebm recipe NAME {name}.'
        )
    from lebm_core.run.config.recipe import default_preset, dump, load

    chosen = default_preset(name) if preset is None else preset
    if baselines is not None and baselines != "all":
        names = [] if baselines == "none" else [each.strip() for each in baselines.split(",")]
        overrides = [*(overrides or []), f"evaluation.baselines={json.dumps(names)}"]
    given = [*(overrides or []), *([] if seed is None else [f"seed={seed}"])]
    read = load(name, chosen, given)  # what is mistyped is refused before torch is imported
    if show:
        typer.echo(dump(read), nl=False)
        return
    from lebm_core.run.run import run_recipe

    run_recipe(
        name, preset, overrides or [], data_dir, out, seed, resume, jobs=jobs, minutes=minutes
    )
