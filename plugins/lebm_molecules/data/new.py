"""Molecules that a trained model has not seen: of a file, read as the training's, or in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lebm_core.base.table import Table
from lebm_core.data.files import own_path
from lebm_core.errors import UsageError, shown
from lebm_core.sequences.given import Given, in_memory
from lebm_core.sequences.tokens import Tokenizer
from lebm_molecules.chemistry.rdkit import canonical_all
from lebm_molecules.data.files import checked
from lebm_molecules.data.layout import COLUMNS, Layout, cells_of, layout_of

__all__ = ["new_molecules"]


def new_molecules(
    source: Any, reading: Mapping[str, Any], tokens: Tokenizer
) -> tuple[list[list[int]], Given]:
    """Read molecules, and write them in the symbols of the training.

    Rows of a file that are no molecule, or need other symbols, are left out with a warning, as
    those of the training's test split are; in memory they are refused. A column of labels need not
    be there.

    Args:
        source: a file as `read_smiles` takes it; a list of SMILES; a DataFrame, `Table` or mapping
            with the training's column.
        reading: "column" and "label", as the training had them.
        tokens: of the training.

    Returns:
        The ids of each molecule without the end, and what is kept of the source.

    Raises:
        UsageError: naming what cannot be read, or where no molecule is left.
    """
    column, label = str(reading.get("column", "")), str(reading.get("label", ""))
    if not isinstance(source, (str, Path)):
        names = [column] if column else [*COLUMNS, *map(str.upper, COLUMNS)]
        given = in_memory(source, "smiles", names, label)
        given = given._replace(strings=[smiles.strip() for smiles in given.strings])
        places = [f"The molecule at position {i}" for i in range(len(given.strings))]
    else:
        given, numbers = _of_file(own_path(source), column, label)
        places = [f"line {number}" for number in numbers]
    ids: list[list[int]] = []
    wrong: dict[int, str] = {}
    forms = canonical_all(given.strings)
    for i, (smiles, (form, reason)) in enumerate(zip(given.strings, forms, strict=True)):
        if form is None:
            wrong[i] = f"{places[i]}, {shown(smiles)}: {reason}."
            continue
        try:
            ids.append(tokens.encode(smiles))
        except UsageError as error:
            wrong[i] = f"{places[i]}: {error}"
    if wrong:
        first, n = next(iter(wrong.values())), len(given.strings)
        if not isinstance(source, (str, Path)):
            raise UsageError(first)
        told = f"{source}: {len(wrong):,} of {n:,} molecules are left out, the first: {first}"
        if not ids:
            raise UsageError(told)
        warnings.warn(told, stacklevel=3)
    return ids, given.without(wrong)


def _of_file(path: Path, column: str, label: str) -> tuple[Given, list[int]]:
    """The SMILES of a file, what its rows hold, the labels that are there, and line numbers."""
    layout = layout_of(path, column)
    found = list(cells_of(layout))
    molecules = checked(layout, ((number, cells[layout.column]) for number, cells in found))
    smiles = [text for _, text in molecules]
    if not smiles:
        raise UsageError(f"{path} holds no molecule: there is no line below the header.")
    width = max(len(cells) for _, cells in found)
    rows = [[*cells, *[""] * (width - len(cells))] for _, cells in found]
    numbers = [number for number, _ in found]
    columns: dict[str, list[Any]] = {} if layout.headed else {"line": numbers}
    for place in range(width):
        columns[_name(layout, place, columns)] = [row[place] for row in rows]
    labels = None
    with suppress(UsageError):
        if label:
            place = layout.place(label)
            labels = [row[place] for row in rows]
    return Given(smiles, Table(columns), labels), numbers


def _name(layout: Layout, place: int, taken: Mapping[str, Any]) -> str:
    """What a column of the answer is called: as in the header, else by what it is."""
    name = layout.cells[place] if layout.headed and place < len(layout.cells) else ""
    if not name and place == layout.column:
        name = COLUMNS[0]
    return name if name and name not in taken else f"column {place + 1}"
