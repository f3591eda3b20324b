"""Strings that a user gives a trained model, in memory or read from a file."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterable, Sequence, Set
from typing import Any, NamedTuple

from lebm_core.base.table import Table
from lebm_core.data.classes import label_names
from lebm_core.data.columns import columns_in
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["Given", "in_memory", "known_ids"]


class Given(NamedTuple):
    """Strings, what tells them apart, and their labels as they are written; None without."""

    strings: list[str]
    records: Table
    labels: Sequence[Any] | None = None

    def without(self, rows: Collection[int]) -> Given:
        """Return the others."""
        left_out = set(rows)
        kept = [i for i in range(len(self.strings)) if i not in left_out]
        columns = {name: [of[i] for i in kept] for name, of in self.records.columns.items()}
        labels = None if self.labels is None else [self.labels[i] for i in kept]
        return Given([self.strings[i] for i in kept], Table(columns), labels)


def in_memory(source: Any, what: str, columns: Sequence[str], label: str = "") -> Given:
    """Take strings out of what a user holds in memory.

    Args:
        source: a list, an array or a Series of strings; or a DataFrame, a `Table` or a mapping of
            columns.
        what: the name of the strings, for their records and for errors.
        columns: names that the column of strings may have; the first that is there is taken.
        label: the column of the classes, which need not be there.

    Raises:
        UsageError: where there is no such column, no string at all, or something else than one.
    """
    table = columns_in(source)
    if table is None:
        strings = _strings(source, what)
        return Given(strings, Table({what: strings}))
    name = next((name for name in columns if name in table.columns), None)
    if name is None:
        raise UsageError(
            f"There is no column {shown(columns[0])} with the {what}; the columns are "
            f"{shown(', '.join(table.names), 300)}.{did_you_mean(columns[0], table.names)}"
        )
    return Given(_strings(table[name], f"{what} {shown(name)}"), table, table.columns.get(label))


def known_ids(labels: Iterable[Any] | None, classes: Sequence[str], n: int) -> list[int]:
    """Return the class ids of n labels, -1 for those that are none of the classes."""
    if labels is None:
        return [-1] * n
    place = {name: i for i, name in enumerate(classes)}
    return [place.get(name, -1) for name in label_names(labels)]


def _strings(source: Any, what: str) -> list[str]:
    """The strings of a collection; refuse what is none."""
    if isinstance(source, (bytes, Set)) or not isinstance(source, Collection):
        raise UsageError(
            f"A list of strings ({what}) or a path is needed, not of type {type(source).__name__}."
        )
    for i, string in enumerate(source):
        if not isinstance(string, str):
            raise UsageError(
                f"Position {i} holds {reprlib.repr(string)}: a string ({what}) is needed."
            )
    if not len(source):
        raise UsageError(f"There is no example ({what}) in what was given.")
    return list(map(str, source))
