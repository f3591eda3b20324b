"""Columns by name: what predictions are given back as, printed, in a notebook, and written."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lebm_core.base.files import write_atomically
from lebm_core.errors import UsageError

__all__ = ["Table"]

SHOWN = 20  # rows that are printed
ROUNDING = 1e-4  # of numbers that were scaled to float32 and back


class Table:
    """Columns of one length by name; numbers, strings, None for what is not known.

    Args:
        columns: each a sequence of values.

    Raises:
        UsageError: where their lengths differ.

    Example:
        >>> table = Table({"a": [1, 2], "b": ["x", None]})
        >>> len(table), table["b"], table.names
        (2, ['x', None], ['a', 'b'])
        >>> print(table.joined({"c": [0.5, 1.0]}))
        a  b  c
        1  x  0.5
        2     1
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = {str(name): _plain(values) for name, values in columns.items()}
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) > 1:
            raise UsageError(f"Columns of different lengths, {sorted(lengths)}, make no table.")

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows, each with a value for every column."""
        return list(zip(*self.columns.values(), strict=True))

    def joined(self, columns: Mapping[str, Sequence[Any]]) -> Table:
        """This table with further columns; a name that is taken already gets "_2" and so on."""
        both = dict(self.columns)
        for name, values in columns.items():
            free, number = name, 1
            while free in both:
                number += 1
                free = f"{name}_{number}"
            both[free] = _plain(values)
        return Table(both)

    def unrounded(self, given: Table) -> Table:
        """The same table with numbers of `given` in the place of those that rounding has moved.

        Args:
            given: as many rows, numbers as such or as written; other columns are left out.

        Example:
            >>> print(Table({"a": [1.0000001, 7.5]}).unrounded(Table({"a": ["1", "?"]})))
            a
            1
            7.5
        """
        columns = {
            name: [_of_given(value, known) for value, known in zip(values, there, strict=True)]
            if (there := given.columns.get(name)) is not None
            else values
            for name, values in self.columns.items()
        }
        return Table(columns)

    def csv(self) -> str:
        """The table as .csv with a line of names."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.names)
        writer.writerows([_written(value) for value in row] for row in self.rows())
        return out.getvalue()

    def write(self, path: Path) -> None:
        """Write the table as .csv, as a whole or not at all."""
        write_atomically(path, self.csv())

    def __str__(self) -> str:
        lines = [self.names, *([_written(v) for v in row] for row in self.rows()[:SHOWN])]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        written = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        more = [f"... {len(self) - SHOWN:,} more rows"] if len(self) > SHOWN else []
        return "\n".join([*written, *more])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The first rows for a notebook."""

        def cells(values: Sequence[Any], tag: str) -> str:
            return "".join(f"<{tag}>{html.escape(_written(v))}</{tag}>" for v in values)

        body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in self.rows()[:SHOWN])
        return f"<table><thead><tr>{cells(self.names, 'th')}</tr></thead>{body}</table>"


def _of_given(value: Any, known: Any) -> Any:
    """The known number where a value differs from it by rounding alone, else the value."""
    try:
        number = float(known)
        return number if math.isclose(value, number, rel_tol=ROUNDING, abs_tol=ROUNDING) else value
    except (TypeError, ValueError):
        return value


def _plain(values: Sequence[Any]) -> list[Any]:
    """A column as a list of Python's own values."""
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _written(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
