"""JSON of the user's own and of published files: its keys once each, its row numbers checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lebm_core.data.files import open_lines
from lebm_core.errors import UsageError, shown

__all__ = ["no_row_twice", "open_json", "parse_json", "row_numbers"]


def open_json(path: Path) -> Any:
    """The value in a UTF-8 file of JSON, plain or gzipped.

    Raises:
        UsageError: as `open_lines` and `parse_json`.
    """
    return parse_json("\n".join(line for _, line in open_lines(path)), str(path))


def parse_json(string: str, where: str) -> Any:
    """The value that a string of JSON holds.

    Args:
        string: the JSON.
        where: the file, and the line where there is one, for an error.

    Raises:
        UsageError: it is no JSON, or an object has a key twice.
    """

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        item = dict(pairs)
        if len(item) < len(pairs):
            ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
            raise UsageError(f"{where} has the key {shown(twice)} twice.")
        return item

    try:
        return json.loads(string, object_pairs_hook=distinct)
    except (ValueError, RecursionError):
        raise UsageError(f"{where} is not JSON.") from None


def row_numbers(rows: object, n: int, where: str) -> list[int]:
    """The row numbers of a published split, from 0.

    Args:
        rows: what the file holds in their place.
        n: how many rows the data have.
        where: the file and the split, for an error.

    Raises:
        UsageError: they are no list of whole numbers from 0 to n - 1, or empty, or one is there
            twice.
    """
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{where}: a list of row numbers is needed, not {shown(rows)}.")
    for row in rows:
        if type(row) is not int or not 0 <= row < n:  # to Python, true is a number
            raise UsageError(f"{where}: {shown(row)} is no row number from 0 to {n - 1}.")
    no_row_twice(rows, where)
    return rows


def no_row_twice(rows: Iterable[int], where: str) -> None:
    """Refuse a row that is in two splits, or in one of them twice.

    Raises:
        UsageError: naming the row.
    """
    row, times = max(Counter(rows).items(), key=lambda each: each[1])
    if times > 1:
        raise UsageError(f"{where}: the row {row} is there {times} times.")
