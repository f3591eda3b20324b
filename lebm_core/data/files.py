"""Where data is looked for: --data-dir, $LEBM_DATA, the cache; files of lines."""

from __future__ import annotations

import csv
import gzip
import os
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lebm_core.errors import MissingData, UsageError, did_you_mean, shown

__all__ = [
    "DataFiles", "cache_dir", "check_file", "open_lines", "open_rows", "own_path", "without_folder",
]  # fmt: skip


def cache_dir() -> Path:
    """The user cache for data: $XDG_CACHE_HOME/lebm/data, or ~/.cache/lebm/data."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lebm" / "data"


def own_path(source: str | os.PathLike[str]) -> Path:
    """The path that a user wrote; "~" is their home where there is one."""
    return Path(os.path.expanduser(source))


def without_folder(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary with an own file's name for its path: what is shared tells no folder."""
    source = summary.get("source")
    path = own_path(source) if isinstance(source, str) else None
    if path is None or not os.path.exists(path):  # of a long description too, which is no path
        return dict(summary)
    return {**summary, "source": path.name}


class DataFiles:
    """The places in which a data set's files are looked for.

    Args:
        data_dir: what --data-dir gives; it comes before $LEBM_DATA and the user cache.

    Raises:
        UsageError: `data_dir` is given and is no folder.
    """

    def __init__(self, data_dir: str | os.PathLike[str] | None = None) -> None:
        self.data_dir = None if data_dir is None else Path(data_dir)
        if self.data_dir is not None and not os.path.isdir(self.data_dir):
            raise UsageError(f"--data-dir {shown(data_dir, 300)} is not a folder.")

    def places(self) -> list[tuple[str, Path | None]]:
        """Each place with its name, in the order of looking; None where it is not set."""
        given = os.environ.get("LEBM_DATA")
        return [
            ("--data-dir", self.data_dir),
            ("$LEBM_DATA", Path(given) if given else None),
            ("the user cache", cache_dir()),
        ]

    def find(self, dataset: str, names: Sequence[str], how: str) -> Path:
        """The first of `names` that exists in the first place that has one.

        Each name is tried as it is and with ".gz", and in --data-dir also without its folder.

        Args:
            dataset: the data set's registered name, for the error.
            names: relative paths such as "ptb/ptb.train.txt", any one of which will do.
            how: a message on how to get the file.

        Raises:
            MissingData: no place has any of them.
        """
        looked = []
        for label, folder in self.places():
            looked.append(f"{label} ({folder or 'not given'})")
            if folder is None:
                continue
            for name in names:
                tries = [name, f"{name}.gz"]
                if label == "--data-dir":
                    tries += [Path(name).name, f"{Path(name).name}.gz"]
                for candidate in tries:
                    if os.path.isfile(folder / candidate):
                        return folder / candidate
        raise MissingData(
            dataset,
            f"The data set {dataset} needs the file {' or '.join(names)} (plain or .gz), found"
            f" neither in {', nor in '.join(looked)}. {how}".rstrip(),
        )


def open_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, plain or gzipped, as (line number from 1, line without end).

    One line at a time is held in memory.

    Raises:
        UsageError: the file is missing, unreadable, empty, no regular file, a damaged gzip, or not
            UTF-8; it holds NUL bytes, or lines that end in carriage returns alone; the message
            names the file, and the line where there is one.
    """
    path = Path(os.fspath(path))
    check_file(path)
    number, blank, bare = 0, True, False
    try:
        with open(path, "rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else open(path, "rb") as file:
            for number, data in enumerate(file, 1):
                if number == 1:
                    bare = _bare_returns(data, path)
                if b"\0" in data:
                    raise UsageError(
                        f"{path}, line {number}, holds a NUL byte: a plain UTF-8 file is needed."
                    )
                line = data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                blank = blank and not line.strip()
                yield number, line
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UsageError(f"{path}, line {number}: byte 0x{byte:02x} is not valid UTF-8.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: the gzip file is damaged ({error}).") from None
    except OSError as error:
        raise UsageError(f"The file {shown(path, 300)} cannot be read: {error.strerror}.") from None
    if blank:
        raise UsageError(f"{path}: the file is empty.")
    if bare and number == 1:
        raise _returns(path)


def open_rows(
    path: str | os.PathLike[str], delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """The rows of a delimited table, each with the number of the line on which it begins.

    Cells may stand in double quotes, and hold line breaks then. Rows without content are left out.

    Raises:
        UsageError: as `open_lines`, and for a quote that is not closed.
    """
    path = Path(os.fspath(path))
    csv.field_size_limit(1 << 30)  # a cell of any length is one cell
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for read, line in open_lines(path):  # noqa: B007 - the last one read is named by errors
            yield line + "\n"

    start = 1
    try:
        for cells in csv.reader(lines(), delimiter=delimiter, strict=True):
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = read + 1
    except csv.Error as error:
        raise UsageError(f"{path}, line {start}: {error}; is a quote unclosed?") from None


def check_file(path: Path) -> None:
    """Refuse a path that names no regular file, before it is opened: a pipe would never end.

    Raises:
        UsageError: naming the path.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        siblings = os.listdir(path.parent) if os.access(path.parent, os.R_OK) else []
        near = did_you_mean(path.name, siblings)
        raise UsageError(f"There is no file {shown(path, 300)}.{near}") from None
    except (OSError, ValueError) as error:  # a path too long, or with a NUL
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"The file {shown(path, 300)} cannot be read: {reason}.") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise UsageError(f"The file {shown(path, 300)} cannot be read: it is {kind}.")


def _bare_returns(first: bytes, path: Path) -> bool:
    """Whether the first line has carriage returns inside; refused where it is the whole file."""
    if first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UsageError(f"{path} is UTF-16: save it as UTF-8.")
    bare = b"\r" in first.rstrip(b"\r\n")
    if bare and not first.endswith(b"\n"):
        raise _returns(path)
    return bare


def _returns(path: Path) -> UsageError:
    return UsageError(f"{path}: its lines end in carriage returns alone; save it with LF or CRLF.")
