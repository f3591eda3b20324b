"""A data set's preprocessing beside the model or run that was trained on it, in JSON."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lebm_core.base.files import read_json, replace_folder, workplace, write_atomically
from lebm_core.data.dataset import SPLITS, Dataset
from lebm_core.data.files import without_folder
from lebm_core.errors import LebmError, UsageError, shown
from lebm_core.registry.registry import registry

__all__ = ["DESCRIPTION", "load_dataset", "readable", "save_dataset"]

DESCRIPTION = "data.json"


def save_dataset(dataset: Dataset, folder: Path) -> None:
    """Write `folder/data/` (the preprocessing) and `folder/data.json` (a description).

    Args:
        dataset: the data set, which knows its registered name.
        folder: of the model or baseline.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with workplace(folder) as place:
        (place / "data").mkdir()
        dataset.save(place / "data")
        replace_folder(place / "data", folder / "data")
    kind = type(dataset)
    described = {
        "name": dataset.name,
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "sizes": dataset.sizes,
        "summary": without_folder(dataset.summary),
        "counts": {split: dataset.length(split) for split in SPLITS},
    }
    string = json.dumps(described, indent=1, default=str) + "\n"
    write_atomically(folder / DESCRIPTION, string)


def load_dataset(folder: Path) -> Dataset:
    """The data set of a run or beside a model, its preprocessing alone: every split is empty.

    Raises:
        UsageError: the folder has none, or is damaged, or its plugin is not installed.
    """
    described = read_json(folder / DESCRIPTION)
    name, path = described.get("name"), described.get("class")
    if not (isinstance(name, str) and isinstance(path, str)):
        raise UsageError(f"{folder / DESCRIPTION} is damaged: it names no data set.")
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
        raise UsageError(
            f'{folder / DESCRIPTION}: the data set "{name}" has no class {shown(path)}: was its '
            "plugin changed?"
        )
    kept = _only_file(folder / "data")
    with readable(kept):
        dataset = found.load(folder / "data")
    dataset.name = name
    _check_sizes(dataset, described.get("sizes"), kept, folder / DESCRIPTION)
    return dataset


def _only_file(folder: Path) -> Path:
    """The file in a folder where there is but one, else the folder: what a message names."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return files[0] if len(files) == 1 else folder


def _check_sizes(dataset: Dataset, told: Any, kept: Path, file: Path) -> None:
    """Refuse sizes that are not those of the training, by which the model was made."""
    now = json.loads(json.dumps(getattr(dataset, "sizes", {}), default=str))
    for key, size in (told if now and isinstance(told, dict) else {}).items():
        if json.dumps(now.get(key)) != json.dumps(size):  # to Python, 0 is false
            raise UsageError(
                f"{kept} does not fit {file}: its {key} is {shown(now.get(key), 40)}, and "
                f"{shown(size, 40)} there; one of them is damaged."
            )


@contextmanager
def readable(place: Path) -> Iterator[None]:
    """Within the scope what a damaged file or folder breaks is one message."""
    try:
        yield
    except LebmError:
        raise
    except (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError,
            ValueError) as error:  # fmt: skip
        raise UsageError(f"{place} is damaged: {type(error).__name__}, {_line(error)}.") from error


def _line(error: Exception) -> str:
    """The first line of an error, without the full stop."""
    return (str(error).strip() or "no reason given").splitlines()[0][:200].rstrip(".")
