"""The user's own table: a .csv file with a line of names, or an .npz file of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.checks import choice
from lebm_core.base.files import workplace
from lebm_core.data.classes import Classes, classes_of
from lebm_core.data.disk.prepared import asks_disk, prepared
from lebm_core.data.disk.tensors import DiskTensor
from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.data.splits import check_shares, chosen_share
from lebm_core.errors import UsageError, shown
from lebm_tabular.data.dataset import Rows, TabularDataset
from lebm_tabular.data.delimited import Table, read_csv
from lebm_tabular.data.npz import StreamedArrays, check_plain, read_arrays
from lebm_tabular.data.streamed import StreamedTable

__all__ = ["table"]

FILE = Needs("tabular.file", source="FILE.csv or FILE.npz")


def table(
    *, files: DataFiles, seed: int, source: str = "", label: str = "label",
    without: Sequence[str] = (), categories: Literal["auto", "none"] | Sequence[str] = "auto",
    valid: float = 0.1, test: float = 0.1, scaling: Literal["columns", "none"] = "columns",
    keep: Literal["memory", "disk"] = "memory",
) -> TabularDataset:  # fmt: skip
    """A .csv file whose first line names its columns, or an .npz file with x (and labels).

    A column is one of numbers, or of categories: see `lebm_tabular.data.cells.coded`. A missing
    value is an empty field, NA, NaN, None, null or "?"; NaN in an .npz. A label that is missing or
    -1 is unknown: such rows are all trained on. The rows to choose and to judge by are labelled
    ones.

    Args:
        files: not used.
        seed: of the splits.
        source: the file
        label: column of the labels (the array, in an .npz); empty for a table without
        without: columns of a .csv to leave out, such as names and ids
        categories: auto, columns of a few words; none, no column; or columns that are categories
            beside those of auto, such as codes that are numbers
        valid: share of the labelled rows to choose by; 0 = a fifth, of 1,000 and more a tenth
        test: share of the labelled rows to judge by; 0 likewise
        scaling: columns (mean 0, variance 1), or none, as the likelihood "bernoulli" needs it
        keep: where the rows are: memory; or disk, of a file that may be larger than memory: it is
            prepared once in the user cache, and read from there batch by batch

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """
    FILE.check(source)
    check_shares(valid or 0.1, test or 0.1, ("data.valid", "data.test"))  # 0 is chosen below
    if isinstance(categories, str):
        choice("data.categories", categories, ("auto", "none"))
    path = Path(source)
    arrays = path.suffix.lower() in (".npz", ".npy")
    where = f"{path}: the {'array' if arrays else 'column'} {shown(label)}"
    cut = functools.partial(_split, valid=valid, test=test, seed=seed, path=path)
    if arrays:
        check_plain(without, path)

    def streamed(place: Path) -> StreamedTable | StreamedArrays:
        if arrays:
            return StreamedArrays(path, label, categories, place)
        return StreamedTable(path, label, without, categories)

    if asks_disk(keep):
        asked = {
            "label": label, "without": [*without], "categories": categories, "valid": valid,
            "test": test, "scaling": scaling, "seed": seed, "source": path.name,
        }  # fmt: skip
        make = functools.partial(_make, read=streamed, where=where, cut=cut, scaling=scaling)
        return TabularDataset.kept(prepared("tabular.file", asked, [path], make))
    content = (
        read_arrays(path, label, categories)
        if arrays
        else read_csv(path, label, without, categories)
    )
    found = None if content.labels is None else classes_of(content.labels, where)
    rows = cut(len(content.x), found)
    if found is not None:
        _check_trained(content.places, found, rows, path)
    splits = {
        name: Rows(content.x[r], None if found is None else found.ids[r])
        for name, r in rows.items()
    }
    names = [] if found is None else found.names
    summary = _summary(path, content)
    try:
        return TabularDataset(splits, content.columns, summary, names, scaling, content.categories)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _make(
    folder: Path,
    *,
    read: Callable[[Path], StreamedTable | StreamedArrays],
    where: str,
    cut: Callable[[int, Classes | None], dict[str, NDArray[np.int64]]],
    scaling: str,
) -> None:
    """Prepare a table on disk; see `prepared`."""
    with workplace(folder) as place:
        content, cells = read(place), place / "cells.npy"
        found = content.write(cells, where)
        rows = cut(content.n, found)
        if found is not None:
            _check_trained(content.places, found, rows, content.path)
        ids, names = (None, []) if found is None else (found.ids, found.names)
        try:
            TabularDataset.keep(
                folder, DiskTensor(cells), rows, ids, content.columns,
                _summary(content.path, content), names, scaling, content.categories,
            )  # fmt: skip
        except UsageError as error:
            raise UsageError(f"{content.path}: {error}") from None


def _summary(path: Path, content: Table | StreamedTable | StreamedArrays) -> dict[str, object]:
    """Facts for the report."""
    summary: dict[str, object] = {"source": path.name}
    if content.left_out:
        summary["left_out"] = content.left_out
    if any(content.categories):
        named = zip(content.columns, content.categories, strict=True)
        summary["categories"] = {name: len(words) for name, words in named if words}
    return summary


def _split(
    n: int, found: Classes | None, valid: float, test: float, seed: int, path: Path
) -> dict[str, NDArray[np.int64]]:
    """Draw row numbers by split; the validation and test rows are labelled ones."""
    known = np.arange(n) if found is None else np.flatnonzero(found.ids >= 0)
    shuffled = np.random.default_rng(seed).permutation(known)
    valid, test = (chosen_share(share, len(known)) for share in (valid, test))
    n_test, n_valid = round(test * len(known)), round(valid * len(known))
    if not (n_test and n_valid and len(known) > n_test + n_valid):
        raise UsageError(
            f"{path} has {len(known)} {'rows' if found is None else 'labelled rows'}, too few for "
            f"data.valid = {valid:g} and data.test = {test:g} of them."
        )
    held = shuffled[: n_test + n_valid]
    trained = np.ones(n, dtype=bool)
    trained[held] = False
    return {
        "train": np.flatnonzero(trained),
        "valid": np.sort(held[n_test:]),
        "test": np.sort(held[:n_test]),
    }


def _check_trained(
    places: Sequence[str] | range, found: Classes, rows: dict[str, NDArray[np.int64]], path: Path
) -> None:
    """Refuse a class that is judged and never trained on."""
    trained = set(found.ids[rows["train"]].tolist())
    for split in ("valid", "test"):
        for row in rows[split]:
            if int(found.ids[row]) not in trained:
                place = places[row]
                where = f"row {place}" if isinstance(place, int) else place
                raise UsageError(
                    f"{path}, {where}: the label "
                    f"{shown(found.names[found.ids[row]])} of the {split} split is not in the "
                    "training split: give more rows of it, or another --seed."
                )
