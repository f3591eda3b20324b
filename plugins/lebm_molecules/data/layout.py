"""Where in a file the SMILES are: comments, header, delimiter, column."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lebm_core.data.files import open_lines, open_rows
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["FIRST", "Layout", "cells_of", "holding", "layout_of", "molecules", "seems_smiles"]

LONGEST = 40  # characters of a name in a message
FIRST = 20  # lines that are looked at for a molecule
COLUMNS = ("smiles", "canonical_smiles", "smile")  # in any case
WORDS = {*COLUMNS, "smi", "mol", "molecule"}  # a first line with one of these is a header
TABLES = {".csv", ".tsv"}
DELIMITERS = ",;\t"
SERIES = "0"  # the header that pandas gives to a series without a name
TITLE = re.compile(r"[^\W\d][\w .-]*")
SMILES = re.compile(
    r"(\[[^\[\]]+\]|Br|Cl|[BCNOPSFIbcnops*]|[-=#$:/\\.~()]|%\d\d|%\(\d+\)|\d|->|<-)+"
)


@dataclass(frozen=True)
class Layout:
    """How a file is read.

    Attributes:
        path: the file.
        delimiter: of the cells; "" for white space.
        quoted: whether cells may stand in quotes, and all rows have as many, as in a .csv.
        line: number of the first line that is no comment.
        cells: of that line.
        headed: whether it is a header.
        column: place of the SMILES.
    """

    path: Path
    delimiter: str
    quoted: bool
    line: int
    cells: list[str]
    headed: bool
    column: int = 0

    def place(self, column: str) -> int:
        """Return the place of a column that is given by its name, or by its number from 1.

        Raises:
            UsageError: where there is none.
        """
        names = [cell.lower() for cell in self.cells] if self.headed else []
        if column.lower() in names:
            return names.index(column.lower())
        if column.isdecimal() and 0 < int(column) <= len(self.cells):
            return int(column) - 1
        raise self.without(column)

    def name(self, place: int) -> str:
        """Return what --column has to say for a column."""
        cell = self.cells[place] if self.headed and place < len(self.cells) else ""
        return cell if 0 < len(cell) <= LONGEST else str(place + 1)

    def without(self, column: str) -> UsageError:
        """Return the error for a column that is not there."""
        names = ", ".join(cell[:LONGEST] for cell in self.cells[:40]) or "none"
        near = did_you_mean(column, self.cells) if self.headed else ""
        place = f"{self.path}, line {self.line}"
        return UsageError(f"{place}: there is no column {shown(column)} among {names}.{near}")


def layout_of(path: Path, column: str = "") -> Layout:
    """Return how a file is read.

    Args:
        path: the file.
        column: name or number of the column with the SMILES; "" to find it by its name. A file
            without columns has none of that name.

    Raises:
        UsageError: naming the file, and the line where there is one.
    """
    number, line = _first(path)
    table, bare = is_table(path), line.lstrip("#").strip()
    delimiter = max(DELIMITERS if table else ",;", key=bare.count)
    cells = [cell.strip() for cell in next(csv.reader([bare], delimiter=delimiter), [])]
    blank = not table and (
        len(cells) < 2 or not (_named(cells) or delimiter in bare.split(None, 1)[0])
    )
    if blank:  # no SMILES has a comma in it
        delimiter = "\t" if "\t" in bare else ""
        cells = [cell.strip().strip('"') for cell in bare.split(delimiter or None)]
    headed = _named(cells) or _is_title(cells[0]) or (not blank and len(cells) > 1)
    layout = Layout(path, delimiter, not blank, number, cells, headed)
    if column.isdecimal() and not (headed and column in cells):
        place = layout.place(column)
        return replace(layout, column=place, headed=_is_title(cells[place]))
    if column and (headed or table):
        return replace(layout, column=layout.place(column))
    known = [cell.lower() for cell in cells]
    for name in COLUMNS if headed else ():
        if name in known:
            return replace(layout, column=known.index(name))
    if blank or len(cells) == 1:
        return layout
    place_or_none = holding(replace(layout, headed=False))
    found = "Name it by --column (in a recipe data.column)."
    if place_or_none is not None:
        layout = replace(layout, headed=_is_title(cells[place_or_none]))
        found = f"Molecules are in --column {layout.name(place_or_none)} (in a recipe data.column)."
    raise UsageError(f"{layout.without('smiles')} {found}")


def cells_of(layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row that is not blank, with the number of its first line.

    Raises:
        UsageError: for a row without the cell of the SMILES, or with other cells than the first.
    """
    for number, cells in _rows(layout):
        wrong = len(cells) != len(layout.cells) if layout.quoted else len(cells) <= layout.column
        if wrong:
            raise UsageError(
                f"{layout.path}, line {number}, has {len(cells)} of {len(layout.cells)} columns."
            )
        yield number, cells


def holding(layout: Layout) -> int | None:
    """Return the column of which more than half of the first cells are molecules; None for none."""
    rows = [cells for _, cells in islice(_rows(layout), FIRST)]
    for place in range(max(map(len, rows), default=0)):
        if 2 * molecules(cells[place] for cells in rows if len(cells) > place) > len(rows):
            return place
    return None


def molecules(texts: Iterable[str]) -> int:
    """Return the number of texts that RDKit accepts."""
    from lebm_molecules.chemistry.rdkit import canonical_all

    return sum(form is not None for form, _ in canonical_all(list(texts)))


def seems_smiles(text: str) -> bool:
    """Return whether a text is written in the symbols of SMILES alone, sense or not.

    >>> [seems_smiles(text) for text in ("CC(C", "C[C@H](Cl)Br", "smiles", "C0", "id7", "")]
    [True, True, False, True, False, False]
    """
    return SMILES.fullmatch(text) is not None


def is_table(path: Path) -> bool:
    """Return whether the name is that of a file with columns."""
    return not TABLES.isdisjoint(suffix.lower() for suffix in path.suffixes)


def _first(path: Path) -> tuple[int, str]:
    """The first line that is neither blank nor a comment."""
    for number, line in open_lines(path):
        if line.strip() and not _is_comment(line, leading=True):
            return number, line
    raise UsageError(f"{path}: the file is empty but for comments.")


def _is_comment(line: str, leading: bool = False) -> bool:
    """Whether a line is "#" and words; at the beginning without a blank, unless it is a header."""
    text = line.strip()
    if not text.startswith("#"):
        return False
    rest = re.split(r"[\s,;]+", text.lstrip("#").strip())
    if leading and (rest[0].lower() in WORDS or not set(COLUMNS).isdisjoint(map(str.lower, rest))):
        return "\t" not in text and "," not in text and len(rest) > 3
    return text.strip("#")[:1].strip() == "" or (leading and not seems_smiles(rest[0]))


def _named(cells: list[str]) -> bool:
    """Whether cells are a header by a name that is known."""
    words = [cell.lower() for cell in cells]
    return not set(COLUMNS).isdisjoint(words) or words[0] in WORDS


def _is_title(cell: str) -> bool:
    """Whether a cell names a column: it is a word that has other letters than SMILES."""
    word = TITLE.fullmatch(cell) is not None and not seems_smiles(cell)
    return word or cell == SERIES or cell.lower() in WORDS


def _rows(layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that is not blank, however many."""
    start = layout.line + layout.headed
    if layout.quoted:
        for number, cells in open_rows(layout.path, layout.delimiter):
            if number >= start:
                yield number, [cell.strip() for cell in cells]
        return
    for number, line in open_lines(layout.path):
        if "\r" in line:
            raise UsageError(
                f"{layout.path}, line {number}, has a carriage return in it: lines end in LF or "
                "CRLF."
            )
        if number >= start and line.strip() and not _is_comment(line):
            yield number, [cell.strip() for cell in line.split(layout.delimiter or None)]
