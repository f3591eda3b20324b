"""What a kill at an unlucky moment leaves in a run folder, and writes that the disk refuses."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from lebm_core.base.files import WORKPLACE
from lebm_core.errors import RunError

__all__ = ["TEMPORARY", "clear", "reason", "remove", "written"]

# Temporary folders, see `base.files.workplace` and checkpoints.
TEMPORARY = re.compile(rf"{re.escape(WORKPLACE)}\w+|\.step-\d+(-old)?")


def clear(folder: Path) -> None:
    """Remove what was being written in a run folder when its process was killed.

    Args:
        folder: of a run that no process is at work in.
    """
    for path in sorted(folder.rglob(".*")):
        if TEMPORARY.fullmatch(path.name):
            remove(path)
    for checkpoint in folder.rglob("checkpoints/step-*"):
        with suppress(OSError):  # one that holds anything stays
            checkpoint.rmdir()


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link, as far as it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def written(what: str) -> Iterator[None]:
    """Within the scope a disk that is full, or refuses otherwise, is one message.

    Args:
        what: is written, such as 'The model "runs/a/model"'.

    Raises:
        RunError: giving the reason.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunError(f"{what} cannot be written: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """The system's own words, without the words of the library that they come through.

    >>> reason(OSError("Error while serializing: I/O error: No space left (os error 28)"))
    'No space left'
    """
    string = getattr(error, "strerror", None) or str(error)
    return re.sub(r"^.*I/O error: |\s*\(os error \d+\)", "", string).rstrip(".")
