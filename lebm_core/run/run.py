"""A run: data -> train -> evaluate -> report, for the model of a recipe and its controls."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lebm_core.base.files import write_atomically
from lebm_core.errors import Interrupted, LebmError, RunError, UsageError
from lebm_core.run.artifacts import check_same_data, load_model
from lebm_core.run.build import build_dataset, build_metrics, build_model, check_recipe
from lebm_core.run.environment import describe_environment, without_home
from lebm_core.run.lock import LOCK, locked
from lebm_core.run.old.layers import flatten
from lebm_core.run.old.recipe import Recipe, apply, default_preset, dump, load
from lebm_core.run.report.report import report_run
from lebm_core.run.report.results import Results, collect, write_results
from lebm_core.run.stages import Part, evaluate_part, train_part
from lebm_core.run.training.tracking import to_stderr
from lebm_core.run.workers import Workers

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["Run", "run_recipe"]

INCOMPLETE = "INCOMPLETE"
SAID = ("summary", "expected", "minutes", "published")  # of a recipe, for readers alone
BEGINNINGS = (INCOMPLETE, f".{INCOMPLETE}.part", ".recipe.toml.part", LOCK)


@dataclass
class Run:
    """A run that is complete.

    Attributes:
        folder: the run directory.
        recipe: resolved.
        results: values by row ("model", each control, "real", "aggregate", "reference") and metric.
    """

    folder: Path
    recipe: Recipe
    results: Results

    def model(self, control: str = "") -> LatentEBM:
        """The trained model, or that of a control."""
        return load_model(self.folder / "controls" / control if control else self.folder)


def run_recipe(
    name: str | Path,
    preset: str | None = None,
    overrides: Iterable[str] = (),
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    resume: bool = False,
    log: Callable[[str], None] | None = None,
    jobs: int | None = 1,
) -> Run:
    """Runs a recipe from data to report.

    Nothing is written before recipe, data and models are known to be good. Whatever is complete is
    not done again by `resume`, and a training goes on from its last checkpoint.

    Args:
        name: a registered recipe, or the path of a TOML file.
        preset: its name; None for `paper` where there is a GPU, else `cpu`.
        overrides: such as "training.epochs=2".
        data_dir: where data files are looked for first.
        out: the run directory; by default runs/NAME-PRESET, with a number where that is taken.
        seed: in place of the recipe's.
        resume: go on with the run in `out` (by default the latest of this recipe and preset),
            with its own recipe where no preset, override or seed is given.
        log: takes lines of progress; by default they go to standard error.
        jobs: parts (the model, its controls) worked on at once, each in a process of its own with
            an equal share of the cores; None for as many as there are cores, and 1 on a GPU. Above
            1, a script needs the guard `if __name__ == "__main__":`, as all of Python's processes
            do.

    Raises:
        UsageError: for a mistake in what was asked; nothing is written then.
        RunError: where the run fails.
        Interrupted: after SIGINT, with all that was done kept.
    """
    say = log or to_stderr
    named = preset is not None
    overrides = list(overrides) + ([] if seed is None else [f"seed={seed}"])
    plain = preset is None and not overrides
    if preset is None:
        preset = default_preset(name)
    recipe = load(name, preset, overrides)
    main = int(os.environ.get("RANK", "0")) == 0
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and out is None:
        raise UsageError("Several processes need one run directory: give --out.")
    folder = _choose_folder(recipe, out, resume, main)
    if resume and plain:  # nothing but the name was given: the run knows the rest
        begun = load(folder / "recipe.toml")
        recipe = begun if begun.name == recipe.name else recipe
    if not named and recipe.preset:
        say(f"{recipe.name}: preset {recipe.preset}.")
    _check_resumable(recipe, folder, resume)
    check_recipe(recipe)
    dataset = build_dataset(recipe, data_dir)
    if resume:
        check_same_data(dataset, folder)
    build_metrics(recipe)  # so that a mistake in their options is found now
    parts = _parts(recipe, dataset, folder, data_dir)
    quiet = say if main else lambda text: None
    with locked(folder) if main else contextlib.nullcontext(), _ended(folder, main):
        if main:
            _begin(folder, recipe, _command(name, recipe.preset, overrides, data_dir), resume)
        began = time.monotonic()
        with Workers(jobs, len(parts), recipe.training.device, log) as workers:
            if main:
                _mark(folder, f"training {', '.join(part.name for part in parts)}")
            train = functools.partial(train_part, resume=resume, main=main)
            workers.each(train, [(part,) for part in parts], quiet)
            if not main:
                return Run(folder, recipe, {})
            for some in (parts[:1], parts[1:]):  # controls are held against the model
                _mark(folder, f"evaluating {', '.join(part.name for part in some)}")
                judge = functools.partial(
                    evaluate_part, cache=folder / "cache", processes=workers.share(len(some))
                )
                workers.each(judge, [(part,) for part in some], quiet)
                report_run(folder)
        report = report_run(folder)
        (folder / INCOMPLETE).unlink(missing_ok=True)
        say(f"Done in {time.monotonic() - began:.0f} s: {report}")
    return Run(folder, recipe, collect(folder, recipe).rows)


@contextlib.contextmanager
def _ended(folder: Path, main: bool) -> Iterator[None]:
    """Whatever ends a run early is one of our errors, and the folder says so."""
    try:
        yield
    except KeyboardInterrupt as error:
        _mark_if_possible(folder, "interrupted", main)
        done = f"Interrupted; {folder} keeps what was done: --resume goes on."
        raise Interrupted(done) from error
    except LebmError as error:
        _mark_if_possible(folder, f"stopped: {error}", main)
        raise
    except OSError as error:
        raise RunError(f"The run in {folder} stopped: {error}.") from error


def _parts(
    recipe: Recipe, dataset: object, folder: Path, data_dir: str | Path | None
) -> list[Part]:
    """The model and its controls, each with its recipe, once all are known to be possible."""
    from lebm_core.learning.cluster_init import check_class_start

    parts = [Part("model", folder, recipe, dataset)]  # type: ignore[arg-type]
    for name, changes in recipe.controls.items():
        changed = apply(recipe, changes, f'the control "{name}"')
        changed.controls = {}
        changed.evaluation = {**changed.evaluation, "controls": []}
        data = dataset if changed.data == recipe.data else build_dataset(changed, data_dir)
        parts.append(Part(name, folder / "controls" / name, changed, data))  # type: ignore[arg-type]
    for part in parts:
        check_recipe(part.recipe, "" if part.name == "model" else part.name)
        if part.trained() is None:
            model = build_model(part.recipe, part.dataset)
            if part.recipe.learning.class_start:
                check_class_start(model, part.recipe.learning.class_start)
    return parts


def _choose_folder(recipe: Recipe, out: str | Path | None, resume: bool, main: bool) -> Path:
    if out is not None:
        folder = Path(out)
        if resume and not (folder / "recipe.toml").is_file():
            raise UsageError(f'--resume: "{folder}" is not a run folder (recipe.toml is missing).')
        if folder.exists() and not folder.is_dir():
            raise UsageError(f'--out "{folder}" is a file; a folder is needed.')
        # A run that was killed before its recipe was written has nothing to go on with.
        begun = folder.is_dir() and any(p.name not in BEGINNINGS for p in folder.iterdir())
        if main and not resume and begun:
            raise UsageError(
                f'--out "{folder}" is not empty: --resume goes on with the run in it; otherwise '
                "give another folder."
            )
        return folder
    name = "-".join(filter(None, (recipe.name, recipe.preset)))
    runs = Path("runs").iterdir() if Path("runs").is_dir() else ()
    taken = [p for p in runs if p.name == name or _numbered(p.name, name)]
    if resume:
        known = [p for p in taken if (p / "recipe.toml").is_file()]
        if not known:
            raise UsageError(f"--resume: there is no run {name} in runs/; name its folder: --out.")
        return max(known, key=lambda p: p.stat().st_mtime)
    number = 1 + max((_numbered(p.name, name) or 1 for p in taken), default=0)
    return Path("runs") / (name if not taken else f"{name}-{number}")


def _numbered(folder: str, name: str) -> int:
    tail = folder.removeprefix(f"{name}-")
    return int(tail) if tail != folder and tail.isdigit() else 0


def _check_resumable(recipe: Recipe, folder: Path, resume: bool) -> None:
    """A run is continued by the recipe it was begun with; what the recipe only says may differ."""
    if not resume:
        return
    known = flatten(dataclasses.asdict(load(folder / "recipe.toml")))
    now = flatten(dataclasses.asdict(recipe))
    for key in [*now, *known]:
        if key.split(".")[0] not in SAID and now.get(key) != known.get(key):
            raise UsageError(
                f"--resume: the recipe differs from that of {folder}, first in {key} = "
                f"{now.get(key)}, then {known.get(key)}: repeat the command that began it."
            )


def _begin(folder: Path, recipe: Recipe, command: str, resume: bool) -> None:
    """Makes the run directory, marked incomplete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _mark(folder, "begun")
        write_atomically(folder / "recipe.toml", dump(recipe))
        known = folder / "environment.json"
        if resume and known.is_file():  # the command that began the run is the one to repeat
            command = str(json.loads(known.read_text(encoding="utf-8")).get("command", command))
        write_results(folder, {"command": command, **describe_environment()}, known.name)
    except OSError as error:
        reason = error.strerror
        raise UsageError(f'The run directory "{folder}" cannot be made: {reason}.') from error


def _mark(folder: Path, state: str) -> None:
    text = f"This run is not complete ({state}). Its command with --resume goes on with it.\n"
    write_atomically(folder / INCOMPLETE, text)


def _mark_if_possible(folder: Path, state: str, main: bool) -> None:
    """The same, in the wake of an error that a full disk must not hide."""
    if main and folder.is_dir():
        with contextlib.suppress(OSError):
            _mark(folder, state)


def _command(
    name: str | Path, preset: str, overrides: list[str], data_dir: str | Path | None
) -> str:
    """The command line that makes this run, without the paths of this machine."""
    shown = Path(name).name if os.sep in str(name) else str(name)
    words = ["lebm", "recipe", shown, *(["--preset", preset] if preset else []), *overrides]
    words += ["--data-dir", "DATA"] if data_dir is not None else []
    return without_home(shlex.join(words))
