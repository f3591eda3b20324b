"""Splits of the `datasets` library: an id of the hub, a folder of files, or one that it saved."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lebm_core.base.files import read_json
from lebm_core.errors import MissingExtra, UsageError, shown

__all__ = ["hub_splits"]

NAMES = {"valid": ("validation", "valid", "val", "dev"), "test": ("test",)}
SPLITS, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"  # of `save_to_disk`
LONGEST = 200  # characters of a name


def hub_splits(source: str, config: str, extra: str) -> dict[str, Any]:
    """The splits that the `datasets` library has for an id of the hub or a local folder.

    Those that `NAMES` lists are called "valid" and "test". A single data set that `save_to_disk`
    wrote, without splits, is all for training: the caller cuts what it lacks. Rows come as values
    of Python, whatever format was set when they were saved.

    Args:
        source: the id or the folder.
        config: the configuration, empty where there is but one.
        extra: the extra of lebm that brings the library.

    Raises:
        MissingExtra: where `datasets` is not installed.
        UsageError: where `source` cannot be read or is damaged, or has no training split.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("datasets", extra) from error
    name = f"data.source = {shown(source, 300)}"
    folder = Path(os.path.expanduser(source))
    if os.path.isfile(folder):
        raise UsageError(f"{name} is a file: an id of the hub or a folder is needed.")
    if os.path.isfile(folder / SPLITS):
        splits = {split: _saved(folder / split) for split in _names(folder / SPLITS)}
    elif os.path.isfile(folder / STATE):
        splits = {"train": _saved(folder)}
    else:
        loaded = _read(lambda: datasets.load_dataset(str(folder), config or None), name)
        splits = {split: _sound(rows, f"{name}, {split}") for split, rows in loaded.items()}
    if "train" not in splits:
        raise UsageError(f'{name} has no split "train"; it has {shown(", ".join(splits), 300)}.')
    found = {"train": splits["train"]}
    for split, names in NAMES.items():
        there = next((each for each in names if each in splits), None)
        if there is not None:
            found[split] = splits[there]
    return found


def _names(file: Path) -> list[str]:
    """The splits that a saved data set has, each in a folder of its name."""
    names = read_json(file).get("splits")
    if not isinstance(names, list) or not all(map(_is_name, names)):
        raise UsageError(f"{file} is damaged: it names no splits.")
    return names


def _is_name(told: Any) -> bool:
    """Whether it is the name of a file, and of nothing outside the folder."""
    if not isinstance(told, str) or not told.isprintable() or len(told) > LONGEST:
        return False
    return Path(told).name == told


def _saved(folder: Path) -> Any:
    """The rows that `save_to_disk` wrote, file by file: the library does not tell which is damaged.

    Only what the rows are is taken from the state, and not the format in which they were asked for.
    """
    import datasets

    info, state = folder / INFO, folder / STATE
    told, listed = read_json(info), read_json(state).get("_data_files")
    if not isinstance(listed, list) or not listed or not all(map(_is_file, listed)):
        raise UsageError(f"{state} is damaged: it names no files of rows.")
    features = _read(lambda: datasets.DatasetInfo.from_dict(told), f"{info} is damaged")
    parts = []
    for each in listed:
        file = str(folder / each["filename"])
        wrong = f"{shown(file, 300)} is damaged"
        rows = _read(functools.partial(datasets.Dataset.from_file, file, features), wrong)
        parts.append(_sound(rows, wrong))
    return _read(lambda: datasets.concatenate_datasets(parts), f"{folder} is damaged")


def _is_file(told: Any) -> bool:
    return isinstance(told, dict) and _is_name(told.get("filename"))


def _sound(rows: Any, wrong: str) -> Any:
    """The rows, once no offset in them leads outside: Arrow itself reads whatever is there."""
    _read(lambda: rows.data.validate(full=True), wrong)
    return rows


def _read(read: Callable[[], Any], wrong: str) -> Any:
    try:
        return read()
    except Exception as error:  # the library raises many kinds; none of them is a bug of lebm
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"{wrong}: datasets cannot read it, {shown(reason, 200)}.") from error
