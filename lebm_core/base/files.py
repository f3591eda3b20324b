"""Files and folders written as a whole or not at all, within a folder, and their checksums."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lebm_core.errors import UsageError, shown

__all__ = [
    "WORKPLACE",
    "enclosed",
    "inside",
    "read_json",
    "replace_file",
    "replace_folder",
    "replacement",
    "sha256",
    "sync",
    "workplace",
    "write_atomically",
]

WORKPLACE = ".lebm-"  # that the name of a temporary folder begins with


def enclosed(folder: Path) -> Path:
    """`folder`, of which no symbolic link leads out.

    A run that somebody sent is data: whatever reads or writes in it asks this first, so that a
    metric may write to any path below. A hard link cannot be told from a file.

    Raises:
        UsageError: naming the first link that does, or what is neither a file nor a folder.
    """
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except FileNotFoundError:  # another process's, which it removed
            continue
        except OSError as error:
            raise UsageError(f"{place} cannot be read: {error.strerror}.") from None
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink():
                inside(folder, path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif not entry.is_file(follow_symlinks=False) and path.exists():
                raise UsageError(f"{path} is neither a file nor a folder: remove it.")
    return folder


def inside(folder: Path, path: Path) -> Path:
    """`path`, which leads to somewhere in `folder`, or would if it existed.

    Args:
        folder: may be reached through links.
        path: as somebody else wrote it, with "..", a root or links in it.

    Raises:
        UsageError: it leads elsewhere.
    """
    try:
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            return path
    except (OSError, ValueError):  # a zero byte
        pass
    raise UsageError(
        f"{shown(path, 300)} leads out of the folder {shown(folder, 300)}, and what is in a run "
        "may not: remove it, or put a file in its place."
    )


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, which exists, for what is renamed once it is complete.

    Nobody can have put a link there before, as under a name that is known. What is left in it at
    the end is removed.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix=WORKPLACE, dir=folder))
    except OSError as error:
        error.filename = str(folder)  # nobody asked for the one in it
        raise
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file that lebm wrote.

    Raises:
        UsageError: naming the file that is missing, unreadable, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} is missing.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        raise UsageError(f"{path} is damaged: it is not JSON.") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged: it holds no JSON object.")
    return found


def write_atomically(path: Path, string: str) -> None:
    """Write a file so that it is there as a whole or not at all."""
    replace_file(path, lambda part: part.write_text(string, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a temporary file, sync it to the disk, and rename it to `path`.

    Args:
        path: may exist; its old content stays until the new one is complete. A link is replaced
            itself, not what it leads to.
        write: takes the temporary path, of the same name in another folder.
    """
    with replacement(path) as part:
        write(part)


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Yield a temporary path for what takes the place of `path`, as in `replace_file`."""
    with workplace(path.parent) as place:
        part = place / path.name
        yield part
        sync(part)
        os.replace(part, path)


def replace_folder(source: Path, target: Path) -> None:
    """Rename a folder over another; at no moment is the target's content a mixture."""
    if os.path.lexists(target):
        with workplace(target.parent) as place:
            old = target.rename(place / target.name)  # of a link the link itself
            try:
                source.rename(target)
            except BaseException:
                old.rename(target)
                raise
    else:
        source.rename(target)
    sync(target.parent)


def sha256(path: Path) -> str:
    """The SHA-256 of a file as it lies there, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
