"""Read SMILES from files: one a line (.smi, .txt), or a column of a table (.csv), also gzipped."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from lebm_core.base.files import write_atomically
from lebm_core.data.files import open_lines
from lebm_core.errors import UsageError, did_you_mean

__all__ = ["Line", "is_table", "read_labelled", "read_smiles", "write_table"]

Line = tuple[int, str]  # its number in the file, from 1, and the SMILES, stripped
COLUMNS = ("smiles", "canonical_smiles", "smile")  # in any case
WORDS = {*COLUMNS, "smi", "mol", "molecule"}  # a first line with one of these is a header
TABLES = {".csv", ".tsv"}
DELIMITERS = ",;\t"

csv.field_size_limit(1 << 30)  # a line of any length is one line, for RDKit to judge


def is_table(path: Path) -> bool:
    """Return whether the name is that of a file with columns."""
    return not TABLES.isdisjoint(suffix.lower() for suffix in path.suffixes)


def read_smiles(path: Path, column: str = "") -> Iterator[Line]:
    """Yield the SMILES of a file with their line numbers; blank lines are left out.

    A .csv or .tsv is read by its column "smiles", or the one named `column`, its cells separated by
    commas, semicolons or tabs; a row whose cell is empty gives "". One of a single column needs no
    header. Any other file has a SMILES a line and perhaps, after white space, a name, unless its
    first line is the header of a table.

    Raises:
        UsageError: naming the file, and the line where there is one.
    """
    lines = _lines(path)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        raise UsageError(f"{path}: the file is empty.")
    table = is_table(path)
    cells, delimiter = _header(first[1].lstrip("#"), DELIMITERS if table else ",;")
    names = [cell.strip().lower() for cell in cells]
    if table and (len(cells) > 1 or column):
        yield from _rows(path, lines, _column(path, first[0], cells, column), len(cells), delimiter)
    elif len(cells) > 1 and not WORDS.isdisjoint(names):
        yield from _rows(path, lines, _column(path, first[0], cells, ""), len(cells), delimiter)
    else:
        word = first[1].lstrip("#").strip().strip('"').split(None, 1)
        if word[:1] and word[0].lower() in WORDS:
            lines = lines if not table else _only(path, lines)
        else:
            lines = chain([first], lines)
            lines = lines if not table else _only(path, lines)
        for number, text in lines:
            if text.strip():
                yield number, text if table else text.split(None, 1)[0]


def read_labelled(path: Path, label: str) -> Iterator[tuple[int, str, str]]:
    """Yield the SMILES of a table as `read_smiles` does, each with its cell of the column `label`.

    Raises:
        UsageError: naming the file, and the line where there is one; also for a file without
            such a column.
    """
    lines = _lines(path)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        raise UsageError(f"{path}: the file is empty.")
    cells, delimiter = _header(first[1].lstrip("#"), DELIMITERS if is_table(path) else ",;")
    smiles = _column(path, first[0], cells, "")
    wanted = _column(path, first[0], cells, label)
    for number, row in _table(path, lines, len(cells), delimiter):
        yield number, row[smiles].strip(), row[wanted].strip()


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a .csv file, as a whole or not at all."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    write_atomically(path, text.getvalue())


def _lines(path: Path) -> Iterator[Line]:
    """The file's lines; a carriage return within one would hide lines."""
    for number, text in open_lines(path):
        if "\r" in text:
            raise UsageError(
                f"{path}, line {number}, has a carriage return in it: lines end in LF or CRLF."
            )
        yield number, text


def _header(line: str, delimiters: str) -> tuple[list[str], str]:
    """The cells of the line, and their delimiter: the one that occurs most."""
    best = max(delimiters, key=line.count)
    return next(csv.reader([line], delimiter=best), []), best


def _column(path: Path, number: int, cells: list[str], column: str) -> int:
    names = [cell.strip().lower() for cell in cells]
    for name in (column.lower(),) if column else COLUMNS:
        if name in names:
            return names.index(name)
    wanted = f'"{column}"' if column else '"smiles"'
    near = did_you_mean(column or "smiles", cells)
    raise UsageError(
        f"{path}, line {number}: there is no column {wanted} among {', '.join(cells) or 'none'}."
        f"{near}" + ("" if column else " Name it by --column.")
    )


def _rows(
    path: Path, lines: Iterator[Line], column: int, width: int, delimiter: str = ","
) -> Iterator[Line]:
    """One cell of each row that is not blank, with the number of the row's first line."""
    for start, row in _table(path, lines, width, delimiter):
        yield start, row[column].strip()


def _table(
    path: Path, lines: Iterator[Line], width: int, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that is not blank, with the number of the row's first line."""
    number = 0

    def text() -> Iterator[str]:
        nonlocal number
        for number, line in lines:  # noqa: B007 - the last one read is what an error names
            yield line + "\n"

    reader = csv.reader(text(), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            start = number - sum(cell.count("\n") for cell in row)
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != width:
                raise UsageError(f"{path}, line {start}, has {len(row)} of {width} columns.")
            yield start, row
    except csv.Error as error:
        raise UsageError(f"{path}, line {number}: {error}.") from None


def _only(path: Path, lines: Iterator[Line]) -> Iterator[Line]:
    """A table of one column."""
    return _rows(path, lines, 0, 1)
