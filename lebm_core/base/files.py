"""Files written as a whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["sha256", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that it is there as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    _sync(temporary)
    os.replace(temporary, path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Forces a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
