"""Cells of a table as numbers: the values of a column of numbers, the ids of one of categories.

One rule for files, for tables in memory and for an estimator's X.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.classes import is_missing, label_names, sorted_names
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = [
    "Cells", "MOST", "SEEN", "check_named", "coded", "few_words", "ids_of", "listed", "named_in",
    "no_number", "number_of", "plain_numbers",
]  # fmt: skip

MOST, SEEN = 50, 2  # different words of a column that becomes categorical by itself, and how often
# each is seen on average at least
MOST_NAMED = 1000  # different values of a column that the user names

Codes = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """The columns of a table as its source has them.

    Attributes:
        where: the source, for messages.
        names: of the columns.
        columns: the cells of each; an array of numbers is one of numbers.
        places: "line 7" or "row 5", of each row.
        key: that names columns of categories, for messages.
        leave, take: what leaves a column {0} out, and what makes it one of categories.
    """

    where: str
    names: Sequence[str]
    columns: Sequence[Sequence[Any] | NDArray[Any]]
    places: Sequence[str]
    key: str = "data.categories"
    leave: str = "data.without=[{0}] leaves the column out"
    take: str = "data.categories=[{0}] takes"

    def at(self, row: int, column: int) -> str:
        """Name a cell for a message: where it is, and what it holds."""
        cell = shown(str(self.columns[column][row]).strip(), 30)
        name = shown(self.names[column], 30)
        return f"{self.where}, {self.places[row]}: {cell} in the column {name}"


def coded(cells: Cells, asked: str | Sequence[str] = "auto") -> tuple[Codes, list[list[str]]]:
    """Read all cells as numbers, and find the columns of categories.

    A column becomes categorical where `asked` names it, or where most of its known cells are
    words, at most `MOST` different ones that are seen `SEEN` times on average or more. Of a named
    column numbers of one value are one category, as of labels.

    Args:
        cells: of the training.
        asked: "auto", "none" for columns of numbers alone, or the names of columns that are
            categories beside those of "auto".

    Returns:
        (N, columns) values and ids of categories, NaN where a cell is missing; and the categories
        of each column, numbers by size and words by the alphabet, none for a column of numbers.

    Raises:
        UsageError: naming the place of a cell that is neither, or a column that is not there.
    """
    named = named_in(cells, asked)
    found: list[list[str]] = []
    codes = np.empty((len(cells.places), len(cells.names)))
    for i, name in enumerate(cells.names):
        codes[:, i], words = _numbers(cells, i)
        given = label_names(cells.columns[i], None) if words or name in named else []
        categories = sorted_names(given)
        if name in named:
            check_named(cells, name, categories)
        elif words:
            known = sum(word != "" for word in given)
            if asked == "none" or not few_words(known, len(categories), len(words)):
                raise no_number(cells, i, words[0], known, len(categories))
        if categories:
            ids = {word: float(k) for k, word in enumerate(categories)}
            codes[:, i] = [ids.get(word, np.nan) for word in given]
        found.append(categories)
        _check_finite(cells, i, codes[:, i])
    return codes, found


def named_in(cells: Cells, asked: str | Sequence[str]) -> list[str]:
    """The columns that the user names as categories; refuse one that is not there."""
    named = [] if isinstance(asked, str) else list(asked)
    for name in named:
        if name not in cells.names:
            raise UsageError(
                f"{cells.key}: {cells.where} has no column {shown(name)} to learn from; it has "
                f"{listed(cells.names)}.{did_you_mean(name, cells.names)}"
            )
    return named


def ids_of(
    cells: Cells, categories: Sequence[Sequence[str]], only: Collection[int] | None = None
) -> Codes:
    """Read the cells of further rows by the categories of the training.

    Args:
        cells: with the columns of the training.
        categories: of each column, none for one of numbers.
        only: places of the columns to read, the others being NaN; None for all.

    Returns:
        (N, columns), as `coded` gives them.

    Raises:
        UsageError: naming the place of a cell that is no number, or of a category that the
            training did not have, and the nearest that it had.
    """
    codes = np.full((len(cells.places), len(cells.names)), np.nan)
    for i in range(len(categories)) if only is None else only:
        known = categories[i]
        if not known:
            codes[:, i], words = _numbers(cells, i)
            if words:
                raise UsageError(f"{cells.at(words[0], i)} is not a number.")
            _check_finite(cells, i, codes[:, i])
            continue
        ids = {word: float(k) for k, word in enumerate(known)}
        for row, cell in enumerate(cells.columns[i]):
            word = "" if is_missing(cell) else str(cell).strip()
            if word and word not in ids:
                word = label_names([cell], None)[0]  # 1.0 is "1"
            if word and word not in ids:
                raise UsageError(
                    f"{cells.at(row, i)} is no category of the training: those are "
                    f"{listed(known)}.{did_you_mean(word, known)}"
                )
            codes[row, i] = ids.get(word, np.nan)
    return codes


def listed(names: Sequence[str], most: int = 12) -> str:
    """Write out names for a message."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name, 30) for name in names[:most]) + more


def number_of(cell: Any) -> float | None:
    """Read a cell as a number: NaN where it is missing, None where it is none."""
    if type(cell) is float:
        return cell
    if is_missing(cell):
        return np.nan
    if isinstance(cell, (bool, np.bool_)):
        return float(cell)
    try:
        string = str(cell).strip()
        return None if "_" in string else float(string)  # 1_000 is Python's writing alone
    except ValueError:
        return None


def plain_numbers(cells: Sequence[Any] | NDArray[Any]) -> Codes | None:
    """Read cells that are all strings of numbers as `number_of` would, but quickly; else None."""
    try:
        if "_" in "".join(cells):
            return None
        values = np.array(list(map(float, cells)))
    except (TypeError, ValueError):
        return None
    return None if bool(np.isnan(values).any()) else values


def _numbers(cells: Cells, i: int) -> tuple[Codes, list[int]]:
    """Read a column as numbers, NaN for what is none; the rows of its words."""
    column = cells.columns[i]
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return column.astype(np.float64), []
    plain = plain_numbers(column)
    if plain is not None:
        return plain, []
    values = [number_of(cell) for cell in column]
    words = [row for row, value in enumerate(values) if value is None]
    return np.array([np.nan if value is None else value for value in values]), words


def few_words(known: int, categories: int, words: int) -> bool:
    """Whether a column is one of categories by itself: see `coded`.

    Args:
        known: cells that are not missing.
        categories: different ones.
        words: of the known cells those that are no numbers.
    """
    return categories <= MOST and known >= SEEN * categories and 2 * words > known


def no_number(cells: Cells, i: int, row: int, known: int, n: int) -> UsageError:
    """Say why a column with words is neither of numbers nor of categories.

    Args:
        cells: with the column.
        i: its place.
        row: of a word.
        known: cells that are not missing.
        n: how many different ones.
    """
    column = shown(cells.names[i], 30)[1:-1]
    leave, take = cells.leave.format(column), cells.take.format(column)
    if known < SEEN * n:
        why = f"whose {n:,} different values in {known:,} rows are no categories: each is to be "
        return UsageError(
            f"{cells.at(row, i)} is not a number; {leave}, {why}seen {SEEN} times on average."
        )
    most = f" (by itself a column has at most {MOST})" if n > MOST else ""
    return UsageError(
        f"{cells.at(row, i)} is not a number; {leave}, {take} its {n:,} different values as "
        f"categories{most}."
    )


def check_named(cells: Cells, name: str, categories: Sequence[str]) -> None:
    if len(categories) > MOST_NAMED:
        raise UsageError(
            f"{cells.key}: the column {shown(name, 30)} of {cells.where} has "
            f"{len(categories):,} different values; use it with at most {MOST_NAMED:,}."
        )


def _check_finite(cells: Cells, i: int, codes: Codes) -> None:
    infinite = np.flatnonzero(np.isinf(codes))
    if len(infinite):
        raise UsageError(
            f"{cells.where}, {cells.places[infinite[0]]}: the column "
            f"{shown(cells.names[i], 30)} is infinite."
        )
