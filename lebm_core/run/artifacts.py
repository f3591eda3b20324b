"""The files of a run: its data set's preprocessing, its model."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lebm_core.base.files import write_atomically
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.registry.registry import registry

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["check_same_data", "load_dataset", "load_model", "save_dataset"]

DESCRIPTION = "data.json"


def save_dataset(dataset: Dataset, name: str, folder: Path) -> None:
    """Writes `folder/data/` (the preprocessing) and `folder/data.json` (what data it is).

    Args:
        dataset: the data set.
        name: its registered name.
        folder: of the run or control.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    dataset.save(folder / "data")
    kind = type(dataset)
    described = {
        "name": name,
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "sizes": dataset.sizes,
        "summary": dataset.summary,
        "counts": {split: dataset.length(split) for split in ("train", "valid", "test")},
    }
    text = json.dumps(described, indent=1, default=str) + "\n"
    write_atomically(folder / DESCRIPTION, text)


def load_dataset(folder: Path) -> Dataset:
    """The data set of a run, its preprocessing alone: every split is empty.

    Raises:
        UsageError: where the folder has none, or its plugin is not installed.
    """
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        name, path = str(described["name"]), str(described["class"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / DESCRIPTION} is missing or unreadable.") from error
    factory = registry().get("datasets", name)
    module, _, attribute = path.partition(":")
    # Only the packages that the registered factory stands on are imported, not any a file names.
    packages = {factory.__module__.partition(".")[0], "lebm_core"}
    if module not in sys.modules and module.partition(".")[0] in packages:
        importlib.import_module(module)
    found: Any = sys.modules.get(module)
    for each in attribute.split("."):
        found = getattr(found, each, None)
    if not (isinstance(found, type) and issubclass(found, Dataset)):
        raise UsageError(f'The data set "{name}" has no class {path}: was its plugin changed?')
    return found.load(folder / "data")


def load_model(folder: Path) -> LatentEBM:
    """The trained model of a run or control, in evaluation mode, on the CPU."""
    from lebm_core.models.latent_ebm import LatentEBM

    need_run(folder, "model")
    return LatentEBM.from_pretrained(folder / "model")


def need_run(folder: Path, file: str = "recipe.toml") -> None:
    """Refuses a folder that is no run.

    Raises:
        UsageError: naming what is missing.
    """
    if not (folder / file).exists():
        if file == "model" and (folder / "recipe.toml").exists():
            raise UsageError(
                f'"{folder}" has no trained model yet: its command with --resume goes on.'
            )
        raise UsageError(f'"{folder}" is not a run folder: {file} is missing.')


def check_same_data(dataset: Dataset, folder: Path) -> None:
    """Refuses data whose sizes or counts are not those that a run was trained on.

    Raises:
        UsageError: naming the first difference.
    """
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    kept = described.get("summary", {}).get("sha256") or {}
    for file, checksum in (dataset.summary.get("sha256") or {}).items():
        if kept.get(file, checksum) != checksum:
            raise UsageError(
                f"The data found now are not those of the run: {file} has changed since. Give the "
                "same files (--data-dir), or start a new run."
            )
    now = {
        "sizes": json.loads(json.dumps(dataset.sizes, default=str)),
        "counts": {split: dataset.length(split) for split in ("train", "valid", "test")},
    }
    for key, value in now.items():
        if described.get(key) != value:
            raise UsageError(
                f"The data found now are not those of the run: {key} {value}, then "
                f"{described.get(key)}. Give the same files (--data-dir), or start a new run."
            )
