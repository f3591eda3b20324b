"""The run directory: where it is, whether a run may go on in it, and its mark while incomplete."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from lebm_core.base.files import enclosed, read_json, write_atomically
from lebm_core.errors import UsageError, shown
from lebm_core.run.config.layers import flatten
from lebm_core.run.config.recipe import Recipe, dump, load
from lebm_core.run.environment import describe_environment
from lebm_core.run.folder.leftovers import TEMPORARY, remove
from lebm_core.run.folder.lock import LOCK
from lebm_core.run.report.results import write_results

__all__ = [
    "INCOMPLETE",
    "begin",
    "check_resumable",
    "choose_folder",
    "first_difference",
    "forget",
    "is_false_start",
    "mark",
    "mark_if_possible",
]

INCOMPLETE = "INCOMPLETE"
FOR_READERS = ("summary", "expected", "minutes", "published")  # keys that change no result
# What stands in a run folder before the first checkpoint.
FILES = (INCOMPLETE, "recipe.toml", "environment.json", "data.json", "metrics.jsonl", LOCK)
FOLDERS = ("data", "checkpoints", "baselines", "tensorboard")
KEPT = ("step-*", "damaged-*", "training.json", "model", "evaluation*", "samples.*")


def choose_folder(recipe: Recipe, out: str | Path | None, resume: bool, main: bool) -> Path:
    if out is not None:
        folder = Path(out)
        try:
            if resume and not (folder / "recipe.toml").is_file():
                raise UsageError(
                    f"--resume: {shown(folder)} is not a run folder (recipe.toml is missing)."
                )
            if folder.exists() and not folder.is_dir():
                raise UsageError(f"--out {shown(folder)} is a file; a folder is needed.")
            begun = folder.is_dir() and not is_false_start(folder)
        except (OSError, ValueError) as error:  # too long, a zero byte, no permission
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"--out {shown(folder)} cannot be used: {reason}.") from error
        if main and not resume and begun:
            raise UsageError(
                f"--out {shown(folder)} is not empty: --resume continues the run in it; otherwise "
                "give another folder."
            )
        return enclosed(folder) if resume or folder.is_dir() else folder
    name = "-".join(filter(None, (recipe.name, recipe.preset)))
    runs = Path("runs").iterdir() if Path("runs").is_dir() else ()
    taken = [p for p in runs if p.name == name or _numbered(p.name, name)]
    if resume:
        known = [p for p in taken if (p / "recipe.toml").is_file()]
        if not known:
            raise UsageError(f"--resume: there is no run {name} in runs/; name its folder: --out.")
        return enclosed(max(known, key=lambda p: p.stat().st_mtime))
    number = 1 + max((_numbered(p.name, name) or 1 for p in taken), default=0)
    return Path("runs") / (name if not taken else f"{name}-{number}")


def is_false_start(folder: Path) -> bool:
    """Whether a folder holds a run that ended before it had anything to keep, or nothing at all."""
    here = [path for path in folder.iterdir() if not TEMPORARY.fullmatch(path.name)]
    if any(path.name not in (FOLDERS if path.is_dir() else FILES) for path in here):
        return False
    # The mark is the first file of a run: without it the others are somebody's own.
    marked = all(path.name == LOCK for path in here) or (folder / INCOMPLETE).exists()
    return marked and not any(any(folder.rglob(pattern)) for pattern in KEPT)


def forget(folder: Path) -> None:
    """Remove a false start, and the folder where nothing else is in it."""
    if not (folder.is_dir() and is_false_start(folder)):
        return
    for path in folder.iterdir():
        if path.name != LOCK:  # held by this process, which removes it
            remove(path)


def _numbered(folder: str, name: str) -> int:
    tail = folder.removeprefix(f"{name}-")
    return int(tail) if tail != folder and tail.isdigit() else 0


def check_resumable(recipe: Recipe, folder: Path, resume: bool) -> None:
    """A run is continued by the recipe it was begun with; what the recipe only says may differ."""
    if not resume:
        return
    begun = load(folder / "recipe.toml")
    key = first_difference(recipe, begun)
    if key:
        now, then = (flatten(dataclasses.asdict(each)).get(key) for each in (recipe, begun))
        raise UsageError(
            f"--resume: the recipe differs from that of {folder}, first in {key} = "
            f"{now}, then {then}: repeat the command that began it."
        )


def first_difference(one: Recipe, other: Recipe) -> str:
    """The first key in which two recipes ask for other results; "" where they ask for the same."""
    a, b = (flatten(dataclasses.asdict(each)) for each in (one, other))
    for key in [*a, *b]:
        table = key.split(".")[2 if key.startswith("baselines.") else 0]
        if table not in FOR_READERS and a.get(key) != b.get(key):
            return key
    return ""


def begin(folder: Path, recipe: Recipe, command: str, resume: bool) -> None:
    """Makes the run directory, marked incomplete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark(folder, "begun")
        write_atomically(folder / "recipe.toml", dump(recipe))
        known = folder / "environment.json"
        if resume and known.is_file():  # the command that began the run is the one to repeat
            command = str(read_json(known).get("command", command))
        write_results(folder, {"command": command, **describe_environment()}, known.name)
    except OSError as error:
        reason = error.strerror
        raise UsageError(f"The run directory {shown(folder)} cannot be made: {reason}.") from error


def mark(folder: Path, state: str) -> None:
    string = f"This run is not complete ({state}). Its command with --resume continues it.\n"
    write_atomically(folder / INCOMPLETE, string)


def mark_if_possible(folder: Path, state: str, main: bool) -> None:
    """The same, in the wake of an error that a full disk must not hide, for a run that began."""
    if main and (folder / "recipe.toml").is_file():
        with contextlib.suppress(OSError):
            mark(folder, state)
