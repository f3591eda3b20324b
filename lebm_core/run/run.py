"""A run: data -> train -> evaluate -> report, for the model of a recipe and its baselines."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from lebm_core.base.files import replace_folder, workplace
from lebm_core.data.dataset import Dataset
from lebm_core.data.labels import labels_of
from lebm_core.errors import Interrupted, LebmError, RunError, UsageError
from lebm_core.run.artifacts import check_same_data, part_folder, read_training
from lebm_core.run.build import build_dataset, build_model, check_recipe
from lebm_core.run.config.recipe import Recipe, default_preset, load
from lebm_core.run.environment import without_home
from lebm_core.run.folder.begin import (
    INCOMPLETE,
    begin,
    check_resumable,
    choose_folder,
    first_difference,
    forget,
    is_false_start,
    mark,
    mark_if_possible,
)
from lebm_core.run.folder.leftovers import clear, reason
from lebm_core.run.folder.lock import locked
from lebm_core.run.parts import complete_parts, in_waves
from lebm_core.run.process.signals import signal_of, stoppable
from lebm_core.run.process.workers import Workers
from lebm_core.run.rehearsal import rehearse
from lebm_core.run.report.report import report_run
from lebm_core.run.report.results import collect
from lebm_core.run.stages import Part, train_part
from lebm_core.run.trained import Run
from lebm_core.run.training.tracking import to_stderr
from lebm_core.run.weights import check_weights, source_of

__all__ = ["run_recipe"]

PREDICTIONS = "predictions.csv"
TRAINED = 0.6  # of the time of a run; the rest goes into evaluation and start


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
    minutes: float | None = None,
    finished: Iterable[Path] = (),
) -> Run:
    """Runs a recipe from data to report.

    Nothing is written before recipe, data and models are known to be good. The report is there as
    soon as the model is trained; metrics and baselines follow. Whatever is complete is not done
    again by `resume`, and a training goes on from its last checkpoint.

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
        jobs: parts (the model, its baselines) worked on at once, each in a process of its own with
            an equal share of the cores; None for as many as there are cores, and 1 on a GPU. Above
            1, a script needs the guard `if __name__ == "__main__":`, as all of Python's processes
            do.
        minutes: wall time that the run may take, about: `training.minutes` is set to each part's
            share of it, and what is left is for the evaluation.
        finished: folders of complete runs on the same data; a baseline that one of them has
            trained and measured by the same recipe is taken over from it.

    Raises:
        UsageError: for a mistake in what was asked; nothing is written then.
        RunError: where the run fails.
        Interrupted: after SIGINT, SIGTERM, SIGHUP or SIGXCPU, with all that was done kept.
    """
    say = log or to_stderr
    named = preset is not None
    overrides = list(overrides) + ([] if seed is None else [f"seed={seed}"])
    plain = preset is None and not overrides
    if preset is None:
        preset = default_preset(name)
    recipe = load(name, preset, overrides)
    if minutes is not None:
        overrides.append(f"training.minutes={_share(minutes, recipe, jobs):.3g}")
        recipe, plain = load(name, preset, overrides), False
    main = int(os.environ.get("RANK", "0")) == 0
    distributed = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if distributed and out is None:
        raise UsageError("Several processes need one run directory: give --out.")
    folder = choose_folder(recipe, out, resume, main)
    if resume and plain:  # nothing but the name was given: the run knows the rest
        begun = load(folder / "recipe.toml")
        recipe = begun if begun.name == recipe.name else recipe
    if not named and recipe.preset:
        say(f"{recipe.name}: preset {recipe.preset}.")
    check_recipe(recipe)
    dataset = build_dataset(recipe, data_dir)
    if not dataset.classes and not (resume and plain):
        recipe = load(name, preset, overrides, classes=False)
        check_recipe(recipe)
    check_resumable(recipe, folder, resume)
    if resume:
        check_same_data(dataset, folder)
    parts = _parts(recipe, dataset, folder, data_dir, main)
    quiet = say if main else lambda string: None
    lock = locked(folder) if main else contextlib.nullcontext()
    with stoppable(), lock, _ended(folder, main, resume):
        if main:
            (clear if resume else forget)(folder)
            begin(folder, recipe, _command(name, recipe.preset, overrides, data_dir), resume)
            _take_over(parts, finished, say)
        began = time.monotonic()
        workers = Workers(jobs, len(parts), recipe.training.device, log)
        if main:
            mark(folder, f"training and measuring {', '.join(part.name for part in parts)}")
        if distributed:  # all processes train, and one alone measures: not meanwhile
            train = functools.partial(train_part, resume=resume, main=main)
            for wave in in_waves(parts):
                workers.each(train, [(part,) for part in wave], quiet)
        if not main:
            return Run(folder, recipe, {})
        complete_parts(parts, workers, folder, recipe, resume=resume, log=quiet)
        report = report_run(folder, recipe)
        _label_the_rest(Run(folder, recipe, {}), dataset, say)
        (folder / INCOMPLETE).unlink(missing_ok=True)
        say(f"Done in {time.monotonic() - began:.0f} s: {report}")
    return Run(folder, recipe, collect(folder, recipe).rows)


@contextlib.contextmanager
def _ended(folder: Path, main: bool, resume: bool) -> Iterator[None]:
    """Whatever ends a run early is one of our errors, and the folder says so.

    What was refused or interrupted before there was anything to keep leaves nothing behind.
    """
    fresh = main and not resume
    try:
        yield
    except KeyboardInterrupt as error:
        done = f"Interrupted; {folder} keeps what was done: --resume continues it."
        if fresh and is_false_start(folder):
            forget(folder)
            done = "Interrupted before the first step: nothing is kept."
        mark_if_possible(folder, "interrupted", main)
        raise Interrupted(done, signal_of(error)) from error
    except LebmError as error:
        if fresh and isinstance(error, UsageError) and is_false_start(folder):
            forget(folder)
        mark_if_possible(folder, f"stopped: {error}", main)
        raise
    except (OSError, SafetensorError) as error:
        file = getattr(error, "filename", None)
        why = reason(error) + (f" ({file})" if file else "")
        mark_if_possible(folder, f"stopped: {why}", main)
        raise RunError(f"The run in {folder} stopped: {why}.") from error


def _parts(
    recipe: Recipe, dataset: Dataset, folder: Path, data_dir: str | Path | None, main: bool
) -> list[Part]:
    """The model and its baselines, each with its recipe, once all are known to be possible."""
    parts = [Part("model", folder, recipe, dataset)]
    for name, changed in recipe.baselines.items():
        data = dataset if changed.data == recipe.data else build_dataset(changed, data_dir)
        place, source = part_folder(folder, name), source_of(recipe, name, folder)
        parts.append(Part(name, place, changed, data, source))
    source_of(recipe, "model", folder)
    for part in parts:
        check_recipe(part.recipe, "" if part.name == "model" else part.name)
        if main and part.trained() is None:
            rehearse(part.recipe, part.dataset, part.name)
        if part.source is not None:
            giver = next(each for each in parts if each.folder == part.source)
            check_weights(part.name, *(build_model(p.recipe, p.dataset) for p in (part, giver)))
    return parts


def _take_over(parts: list[Part], finished: Iterable[Path], say: Callable[[str], None]) -> None:
    """Copy the baselines that a finished run has by the same recipe."""
    known = [(folder, load(folder / "recipe.toml").baselines) for folder in finished]
    for part in parts:
        for folder, baselines in known:
            source = part_folder(folder, part.name)
            same = part.name in baselines and not first_difference(
                part.recipe, baselines[part.name]
            )
            same = same and part.source is None  # its weights are those of this run
            if same and part.trained() is None and read_training(source) is not None:
                part.folder.parent.mkdir(exist_ok=True)
                with workplace(part.folder.parent) as place:
                    shutil.copytree(source, place / part.name)
                    replace_folder(place / part.name, part.folder)
                say(f"{part.name}: taken over from {folder}.")


def _label_the_rest(run: Run, dataset: Dataset, say: Callable[[str], None]) -> None:
    """Write predictions.csv for a user's own file of which some examples have no label."""
    source, reads = run.recipe.data.get("source"), type(dataset).new is not Dataset.new
    if not (source and dataset.classes and reads):
        return
    unknown = int((labels_of(dataset, "train") < 0).sum())
    if unknown and run.classifies:
        run.predict(source).write(run.folder / PREDICTIONS)
        say(f"The classes of {unknown:,} examples without a label: {run.folder / PREDICTIONS}")


def _share(minutes: float, recipe: Recipe, jobs: int | None) -> float:
    """The minutes that each training may take of those of a run."""
    if not 0 < minutes < math.inf:
        raise UsageError(f"--minutes {minutes:g} is not possible; use a number above 0.")
    parts = 1 + len(recipe.baselines)
    at_once = Workers(jobs, parts, recipe.training.device).jobs
    return TRAINED * minutes / math.ceil(parts / at_once)


def _command(
    name: str | Path, preset: str, overrides: list[str], data_dir: str | Path | None
) -> str:
    """The command line that makes this run, without the paths of this machine."""
    shown = Path(name).name if os.sep in str(name) else str(name)
    words = ["lebm", "recipe", shown, *(["--preset", preset] if preset else []), *overrides]
    words += ["--data-dir", "DATA"] if data_dir is not None else []
    return without_home(shlex.join(words))
