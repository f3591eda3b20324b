"""One process at a time in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lebm_core.errors import UsageError, shown

__all__ = ["LOCK", "locked"]

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the scope no other process runs in `folder`, which is made where it does not exist.

    The system releases the lock when the process ends, however it ends.

    Raises:
        UsageError: another process holds the lock, or the folder cannot be made.
    """
    lock, made = FileLock(folder / LOCK), not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise UsageError(
            f'Another process is at work in "{folder}": wait for it, or give another --out.'
        ) from None
    except OSError as error:
        raise UsageError(f"The folder {shown(folder)} cannot be made: {error.strerror}.") from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes no file that is open
            (folder / LOCK).unlink()
        lock.release()
        if made:
            with suppress(OSError):  # it holds a run
                folder.rmdir()
