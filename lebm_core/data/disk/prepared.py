"""Arrays made of a user's files once, and kept in the user cache: data larger than memory."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from lebm_core.base.checks import choice
from lebm_core.base.files import replace_folder, sha256
from lebm_core.data.files import cache_dir, check_file
from lebm_core.errors import RunError, shown
from lebm_core.version import __version__

__all__ = ["KEEP", "asks_disk", "prepared"]

KEEP = ("memory", "disk")


def asks_disk(keep: str) -> bool:
    """Whether data.keep asks for the disk.

    Raises:
        UsageError: for another value than memory or disk.
    """
    choice("data.keep", keep, KEEP)
    return keep == "disk"


def prepared(
    name: str, asked: Mapping[str, Any], files: Sequence[Path], make: Callable[[Path], object]
) -> Path:
    """The folder of what was made of these files; it is made where it is not there.

    Its name is a hash of the files' content, of what is asked, and of the code that reads: lebm's
    version, and the sources of the readers. Of several processes one makes it and the others wait.
    Whoever needs the room may remove it.

    Args:
        name: registered name of the data set.
        asked: all options that the result depends on, in JSON's values.
        files: of the user.
        make: writes to an empty folder.

    Raises:
        RunError: the disk is full, or cannot be written to.
        UsageError: as `make`; a file is not there.
    """
    for file in files:
        check_file(file)
    facts = {
        "name": name, "asked": asked, "version": __version__, "files": [*map(sha256, files)],
        "code": _code(make),
    }  # fmt: skip
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    root = cache_dir().parent / "prepared"
    folder = root / f"{name}-{key[:16]}"
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{folder.name}.lock"):
            if not folder.is_dir():
                with _empty(root / f"{folder.name}.part") as place:
                    make(place)
                    replace_folder(place, folder)
    except OSError as error:
        raise RunError(
            f"{shown(', '.join(map(str, files)), 300)} cannot be prepared in {shown(root, 300)}: "
            f"{error.strerror or error}. $XDG_CACHE_HOME names another place."
        ) from error
    return folder


def _code(make: Callable[[Path], object]) -> list[str]:
    """Hashes of the sources of the package that `make` belongs to, and of lebm's own readers.

    Who develops a reader is not to get what it made before.
    """
    made_by = make.func if isinstance(make, functools.partial) else make
    place = sys.modules[".".join(made_by.__module__.split(".")[:1])]
    own = Path(getattr(place, "__file__", None) or __file__)
    core = Path(__file__).parents[1]
    folders = [core, core.parent / "sequences", *([own.parent] * (own.name == "__init__.py"))]
    sources = {own, *(file for folder in folders for file in folder.rglob("*.py"))}
    return [sha256(file) for file in sorted(sources)]


@contextmanager
def _empty(part: Path) -> Iterator[Path]:
    """An empty folder of a known name: a kill may have left gigabytes there."""
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
