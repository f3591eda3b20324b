"""One process at a time in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lebm_core.errors import UsageError

__all__ = ["LOCK", "locked"]

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within the scope no other process runs in `folder`, which is made where it is not there.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        UsageError: where another process is at work in it, or the folder cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # a system without it has no such lock
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        reason = error.strerror
        raise UsageError(f'The run directory "{folder}" cannot be made: {reason}.') from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f'Another process is at work in "{folder}": wait for it, or give another --out.'
            ) from None
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)
