"""What a kill at an unlucky moment leaves in a run folder, and writes that the disk refuses."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from lebm_core.errors import RunError

__all__ = ["clear", "reason", "written"]

# Temporary names of files and folders, see `base.files`, checkpoints, models and evaluators.
TEMPORARY = re.compile(r"\.(step-\d+|model)(-old)?|\.samples|\..+\.(part|\d+)")


def clear(folder: Path) -> None:
    """Remove what was being written in a run folder when its process was killed.

    Args:
        folder: of a run that no process is at work in.
    """
    for path in sorted(folder.rglob(".*")):
        if TEMPORARY.fullmatch(path.name):
            _remove(path)
    for checkpoint in folder.rglob("checkpoints/step-*"):
        with suppress(OSError):  # one that holds anything stays
            checkpoint.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir():
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
