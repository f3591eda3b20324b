"""Files and folders written as a whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lebm_core.errors import UsageError

__all__ = ["read_json", "replace_file", "replace_folder", "sha256", "sync", "write_atomically"]


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
        path: may exist; its old content stays until the new one is complete.
        write: takes the temporary path, in the folder of `path`.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        sync(part)
        os.replace(part, path)
    except BaseException:  # a full disk needs the room
        with suppress(OSError):
            part.unlink()
        raise


def replace_folder(source: Path, target: Path) -> None:
    """Rename a folder over another; at no moment is the target's content a mixture."""
    if target.exists():
        old = target.with_name(f".{target.name}-old")
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        source.rename(target)
        shutil.rmtree(old, ignore_errors=True)
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
