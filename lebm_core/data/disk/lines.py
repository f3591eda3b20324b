"""Strings without line breaks, in a file: they are read one by one, again and again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["Lines"]


class Lines:
    """The lines of a file that `Lines.written` wrote, or the first of them.

    Args:
        file: in UTF-8, each line ended by a line feed.
        n: how many lines.
    """

    def __init__(self, file: Path, n: int) -> None:
        self.file, self.n = file, n

    @classmethod
    def written(cls, file: Path, strings: Iterable[str]) -> Lines:
        """Write strings to a file, one at a time."""
        n = 0
        with file.open("w", encoding="utf-8", newline="\n") as out:
            for n, string in enumerate(strings, 1):  # noqa: B007 - their number
                out.write(string + "\n")
        return cls(file, n)

    def first(self, most: int) -> Lines:
        """The first lines; 0 for all."""
        return Lines(self.file, min(most or self.n, self.n))

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[str]:
        with self.file.open(encoding="utf-8", newline="\n") as lines:
            for line in itertools.islice(lines, self.n):
                yield line[:-1]
