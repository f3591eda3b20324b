"""SMILES out of files: one a line (.smi, .txt), or a column of a table (.csv); gzipped or not."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.run.datasets import open_text

__all__ = ["Line", "read_smiles"]

Line = tuple[int, str]  # its number in the file, from 1, and the SMILES without blanks around it
COLUMNS = ("smiles", "canonical_smiles", "smile")  # in any case
WORDS = {*COLUMNS, "smi", "molecule"}  # a first line with one of these is a header


def read_smiles(path: Path, column: str = "") -> Iterator[Line]:
    """The SMILES of a file with their line numbers, one at a time; blank lines are left out.

    A .csv is read by its column "smiles", or the one named `column`; one without such a header is
    read like any other file, whose lines are a SMILES and perhaps, after white space, a name.

    Raises:
        UsageError: naming the file, and the line where there is one.
    """
    table = ".csv" in path.suffixes
    lines = open_text(path)
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{path}: the file is empty.")
    if table:
        cells = next(csv.reader([first[1]]), [])
        found = _column(path, cells, column)
        if found is not None:
            yield from _rows(path, lines, found, len(cells))
            return
    elif column:
        raise UsageError(f"--column {column} is for a .csv; {path} is none.")
    if first[1].strip().partition("\t")[0].split(" ")[0].lower() not in WORDS:
        yield from _only(first)
    for line in lines:
        yield from _only(line)


def _only(line: Line) -> Iterator[Line]:
    words = line[1].split(None, 1)
    if words:
        yield line[0], words[0]


def _column(path: Path, cells: list[str], column: str) -> int | None:
    """Which column holds the SMILES; None where the file is a bare list of them."""
    names = [cell.strip().lower() for cell in cells]
    for name in (column.lower(),) if column else COLUMNS:
        if name in names:
            return names.index(name)
    if not column and len(cells) == 1:
        return None
    wanted = f'"{column}"' if column else '"smiles"'
    near = did_you_mean(column or "smiles", cells)
    raise UsageError(
        f"{path}, line 1: there is no column {wanted} among {', '.join(cells) or 'none'}.{near}"
        + ("" if column else " Name it by --column.")
    )


def _rows(path: Path, lines: Iterator[Line], column: int, width: int) -> Iterator[Line]:
    reader = csv.reader(line for _, line in lines)
    try:
        for row in reader:
            number = reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if len(row) <= column:
                raise UsageError(f"{path}, line {number}, has {len(row)} of {width} columns.")
            if row[column].strip():
                yield number, row[column].strip()
    except csv.Error as error:
        raise UsageError(f"{path}, near line {reader.line_num + 1}: {error}.") from None
