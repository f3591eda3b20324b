"""Read SMILES from files: one a line, or a column of a table; plain or gzipped."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from lebm_core.base.files import replacement
from lebm_core.errors import UsageError, shown
from lebm_molecules.data.layout import (
    FIRST,
    Layout,
    cells_of,
    holding,
    layout_of,
    molecules,
    seems_smiles,
)

__all__ = ["Line", "checked", "read_labelled", "read_smiles", "table_rows", "write_table"]

Line = tuple[int, str]  # its number in the file, from 1, and the SMILES, stripped
SHOWN = 3  # lines, in a message


def read_smiles(path: Path, column: str = "") -> Iterator[Line]:
    """Yield the SMILES of a file with their line numbers; blank lines are left out.

    A .csv or .tsv is read by its column "smiles", or the one of the name or number `column`, its
    cells separated by commas, semicolons or tabs; a row whose cell is empty gives "". One of a
    single column needs no header. Any other file has a SMILES a line and perhaps, after white
    space, a name, unless its first line is the header of a table. A line of "#", a blank and words
    is a comment; before the first SMILES "#" and a word are.

    Raises:
        UsageError: naming the file, and the line where there is one; also where no line at the
            beginning is a molecule, and another column has some or no line looks like a SMILES.
    """
    layout = layout_of(path, column)
    return checked(layout, ((n, cells[layout.column]) for n, cells in cells_of(layout)))


def read_labelled(path: Path, label: str, column: str = "") -> Iterator[tuple[int, str, str]]:
    """Yield the SMILES of a table as `read_smiles` does, each with its cell of the column `label`.

    Raises:
        UsageError: as `read_smiles`; also for a file without such a column.
    """
    layout = layout_of(path, column)
    place = layout.place(label)
    labels: deque[str] = deque()

    def lines() -> Iterator[Line]:
        for number, cells in cells_of(layout):
            labels.append(cells[place] if place < len(cells) else "")
            yield number, cells[layout.column]

    return ((number, smiles, labels.popleft()) for number, smiles in checked(layout, lines()))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a .csv file, as a whole or not at all."""
    with table_rows(path, header) as write:
        for row in rows:
            write(row)


@contextmanager
def table_rows(path: Path, header: Sequence[str]) -> Iterator[Callable[[Sequence[Any]], object]]:
    """Yield a function that writes a row of a .csv file, which is there at the end of the block."""
    with replacement(path) as part:
        with part.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(header)
            yield table.writerow


def checked(layout: Layout, lines: Iterator[Line]) -> Iterator[Line]:
    """The lines, after a look at the first ones."""
    first = list(islice(lines, FIRST))
    texts = [smiles for _, smiles in first if smiles]
    if texts and not molecules(texts):
        told = ", ".join(f"line {n} has {shown(smiles, 40)}" for n, smiles in first[:SHOWN])
        table = 'a table whose column is "smiles" or named by --column (in a recipe data.column)'
        place = holding(layout)
        if place is not None:
            raise UsageError(
                f"{layout.path}: none of the first lines has a molecule in column "
                f"{layout.name(layout.column)} ({told}), but there are some in --column "
                f"{layout.name(place)} (in a recipe data.column)."
            )
        if 2 * sum(map(seems_smiles, texts)) < len(texts):
            raise UsageError(
                f"{layout.path}: none of the first lines is a molecule ({told}); the file needs a "
                f"SMILES a line, or is {table}."
            )
    yield from chain(first, lines)
