"""The files of a run: where each part has its own, its data set's preprocessing, its model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from lebm_core.base.files import enclosed, read_json
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.saved import DESCRIPTION, readable
from lebm_core.errors import UsageError, shown
from lebm_core.models.base import Model
from lebm_core.registry.registry import registry
from lebm_core.run.config.layers import read_source
from lebm_core.run.config.recipe import Recipe
from lebm_core.run.config.schema import measured

__all__ = [
    "BASELINES",
    "TRAINING",
    "baseline_names",
    "check_same_data",
    "load_model",
    "need_run",
    "part_folder",
    "read_training",
    "result_files",
    "run_of",
]

BASELINES = "baselines"
TRAINING = "training.json"


def part_folder(run: Path, name: str) -> Path:
    """The folder of a part of a run: the run's own for "model", else that of a baseline."""
    return run if name == "model" else run / BASELINES / name


def run_of(folder: Path) -> Path:
    """The run that a folder is a baseline of, as it is named or where it is; else the folder."""
    for path in (folder.absolute(), folder.resolve()):
        run = path.parent.parent
        if path.parent.name == BASELINES and (run / "recipe.toml").is_file():
            return run
    return folder


def baseline_names(recipe: Recipe) -> list[str]:
    """The registered baselines of a recipe; the others are recipes of their own."""
    return [name for name in recipe.evaluation["baselines"] if name not in recipe.baselines]


def result_files(recipe: Recipe, part: str = "model") -> list[str]:
    """The stems of the files in a part's folder "evaluation" once all is measured.

    Args:
        recipe: of the part.
        part: registered baselines are held against the model alone.
    """
    names = [f"baseline.{name}" for name in baseline_names(recipe) if part == "model"]
    return [*measured(recipe.evaluation), *names, "figures"]


def load_model(folder: Path) -> Model:
    """The trained model of a run or baseline, in evaluation mode, on the CPU."""
    need_run(folder)
    need_run(folder, "model")
    given = read_source(folder / "recipe.toml").table.get("model")
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(name, str):
        raise UsageError(f"{folder / 'recipe.toml'} is damaged: it names no model.")
    model: Model = registry().get("models", name)
    with readable(folder / "model"):
        return model.from_pretrained(folder / "model")


def read_training(folder: Path) -> dict[str, Any] | None:
    """The facts of the training of a model or baseline; None where it is not complete.

    Raises:
        UsageError: the file is damaged.
    """
    path = folder / TRAINING
    if not path.exists():
        return None
    found = read_json(path)
    kinds: dict[str, Any] = {
        "steps": int,
        "seconds": (int, float),
        "warnings": list,
        "parameters": dict,
    }
    wrong = [key for key, kind in kinds.items() if not isinstance(found.get(key), kind)]
    if not wrong and not math.isfinite(found["seconds"]):
        wrong = ["seconds"]
    if not wrong and all(isinstance(n, int) for n in found["parameters"].values()):
        return found
    raise UsageError(
        f"{path} is damaged: {wrong[0] if wrong else 'parameters'} is not what lebm writes. "
        "Without the file, --resume goes on from the last checkpoint."
    )


def need_run(folder: Path, file: str = "recipe.toml") -> None:
    """Refuse a folder that is no run, or one that leads elsewhere (see `base.files.enclosed`).

    Raises:
        UsageError: naming what is missing, or the link.
    """
    if not _exists(folder / file):
        if file == "model" and (folder / "recipe.toml").exists():
            raise UsageError(
                f'"{folder}" has no trained model yet: its command with --resume continues it.'
            )
        raise UsageError(f"{shown(folder, 300)} is not a run folder: {file} is missing.")
    enclosed(run_of(folder))


def _exists(path: Path) -> bool:
    """Whether there is such a path; a name that no system takes is none."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def check_same_data(dataset: Dataset, folder: Path) -> None:
    """Refuse data whose sizes or counts are not those that a run was trained on.

    Raises:
        UsageError: naming the first difference.
    """
    if not (folder / DESCRIPTION).exists():  # killed before it was written
        return
    described = read_json(folder / DESCRIPTION)
    summary = described.get("summary")
    kept = summary.get("sha256") if isinstance(summary, dict) else None
    kept = kept if isinstance(kept, dict) else {}
    for file, checksum in (dataset.summary.get("sha256") or {}).items():
        if kept.get(file, checksum) != checksum:
            raise UsageError(
                f"The data found now are not those of the run: {file} has changed since. Give the "
                "same files (--data-dir), or start a new run."
            )
    now = {
        "sizes": json.loads(json.dumps(dataset.sizes, default=str)),
        "counts": {split: dataset.length(split) for split in SPLITS},
    }
    for key, value in now.items():
        if key not in described:
            raise UsageError(f"{folder / DESCRIPTION} is damaged: it does not say {key}.")
        if described[key] != value:
            raise UsageError(
                f"The data found now are not those of the run: {key} {value}, then "
                f"{described[key]}. Give the same files (--data-dir), or start a new run."
            )
