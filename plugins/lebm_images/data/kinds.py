"""The classes of image files: by their folders, or by a file of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lebm_core.data.classes import Classes, check_classes, classes_of, label_names, sorted_names
from lebm_core.data.files import open_lines, open_rows
from lebm_core.errors import UsageError, shown
from lebm_images.data.cuts import warn_about

__all__ = ["classes_of_folders", "classes_of_lines"]


def classes_of_folders(
    files: Sequence[Path], places: Sequence[tuple[str, ...]], folder: Path
) -> Classes | None:
    """The classes that folders name; None where they name fewer than two, or nearly one a file.

    Args:
        files: the images.
        places: the folders above each of them, from the one that names its class.
        folder: the top, for warnings.
    """
    given = label_names(place[0] if place else "" for place in places)
    names = sorted_names(given)
    if len(names) < 2:
        return None
    try:
        check_classes(names, given, f"The folders of {folder}")
    except UsageError as error:
        warn_about([str(error).rstrip(".")], "Images are used without classes: ")
        return None
    without = [str(file) for file, name in zip(files, given, strict=True) if not name]
    warn_about(
        without,
        f"{{n}} of {len(files)} images stand in no folder of a class, and are used without: ",
    )
    number = {name: i for i, name in enumerate(names)} | {"": -1}
    return Classes(names, np.array([number[name] for name in given], dtype=np.int64))


def classes_of_lines(
    path: Path, folder: Path, files: Sequence[Path], every: Sequence[Path]
) -> Classes:
    """The classes that a file of lines "NAME,CLASS" gives; the names are paths below the folder.

    Args:
        path: the file.
        folder: the top.
        files: the images that are used.
        every: those that are there.

    Raises:
        UsageError: for a line of another form, a second class of one image, or no class.
    """
    there = {file.relative_to(folder).as_posix() for file in every}
    kinds = _lines(path, there)
    keys = [file.relative_to(folder).as_posix() for file in files]
    warn_about(
        [name for name in kinds if name not in there],
        f"{path} has {{n}} labels of images that {folder} does not hold: ",
    )
    if not any(key in kinds for key in keys):
        raise UsageError(
            f"{path} labels no image of {folder}: its names are paths below that folder, such as "
            f"{shown(keys[0])}."
        )
    known = classes_of([kinds.get(key) for key in keys], str(path))
    warn_about(
        [key for key, i in zip(keys, known.ids.tolist(), strict=True) if i < 0],
        f"{path} has no label for {{n}} of {len(files)} images, which are used without: ",
    )
    return known


def _lines(path: Path, there: set[str]) -> dict[str, str]:
    """The class of each name, without a line that names the columns."""
    _, first = next(open_lines(path))
    kinds: dict[str, str] = {}
    for number, cells in open_rows(path, "," if "," in first else "\t"):
        *parts, kind = (cell.strip() for cell in cells)
        name = ",".join(parts)
        if not name:
            raise UsageError(
                f"{path}, line {number}: {shown(','.join(cells))} is not of the form NAME,CLASS."
            )
        if number == 1 and name not in there and not Path(name).suffix:
            continue
        if kinds.get(name, kind) != kind:
            raise UsageError(
                f"{path}, line {number}: {shown(name)} has the class {shown(kind)}, and "
                f"{shown(kinds[name])} in a line before."
            )
        kinds[name] = kind
    return kinds
