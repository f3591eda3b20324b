"""Public data sets of numbers. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.files import DataFiles, open_text
from lebm_core.errors import UsageError
from lebm_tabular.data.dataset import Rows, TabularDataset

__all__ = ["hepmass", "miniboone", "protein"]

PROTEIN_COLUMNS = [f"F{i}" for i in range(1, 10)]
HEPMASS_FEATURES, MINIBOONE_FEATURES = 27, 50
ABSENT = -999.0  # MiniBooNE's rows without a measurement hold nothing else
Numbers = NDArray[np.float64]


def protein(
    *, files: DataFiles, seed: int, split: int = 0, classes: int = 10, valid: int = 4000,
    scaling: str = "columns",
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
    how = "Each line holds nine features and the RMSD; test_indices.json the test rows of 5 splits."
    path = files.find("tabular.protein", ["uci_protein/data.txt"], how)
    indices = files.find("tabular.protein", ["uci_protein/test_indices.json"], how)
    table = np.array(list(_rows(open_text(path), path, 10, None)))
    held = _test_rows(indices, split, len(table))
    if classes < 2:
        raise UsageError(f"data.classes must be at least 2, not {classes}.")
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


def hepmass(
    *, files: DataFiles, seed: int, train_rows: int = 140_000, valid: int = 5_000,
    test_rows: int = 50_000, scaling: str = "columns",
) -> TabularDataset:  # fmt: skip
    """UCI HEPMASS: is a collision a new particle (1) or background (0), 27 features.

    all_train.csv.gz or 1000_train.csv.gz and its test file; of each the first rows, the mass left
    out.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the rows read.
        train_rows: rows to learn from
        valid: further rows to choose by
        test_rows: rows to judge by
        scaling: columns (mean 0, variance 1), or none
    """
    how = "UCI's HEPMASS holds all_train.csv.gz and all_test.csv.gz: a label and 27 features a row."
    found = {}
    wanted = {"train": train_rows + valid, "test": test_rows}
    for part, n in wanted.items():
        names = [f"hepmass/{kind}_{part}.csv" for kind in ("all", "1000")]
        path = files.find("tabular.hepmass", names, how)
        lines = _without_head(open_text(path))
        width = HEPMASS_FEATURES + 1
        table = np.array(list(itertools.islice(_rows(lines, path, width, ",", width + 1), n)))
        _enough(path, table, n)
        wrong = np.flatnonzero(~np.isin(table[:, 0], (0, 1)))
        if len(wrong):
            raise UsageError(
                f"{path}, row {wrong[0] + 1}: the label {table[wrong[0], 0]:g} is neither 0 nor 1."
            )
        found[part] = table
    table, test = found["train"], found["test"]
    chosen = _held_out(np.arange(len(table)), valid, seed)
    kept = np.setdiff1d(np.arange(len(table)), chosen)
    splits = {
        "train": _labelled(table[kept]), "valid": _labelled(table[chosen]), "test": _labelled(test),
    }  # fmt: skip
    names = [f"f{i}" for i in range(HEPMASS_FEATURES)]
    summary = {"source": "UCI HEPMASS, the first rows of each file"}
    return TabularDataset(splits, names, summary, ["background", "signal"], scaling)


def miniboone(
    *, files: DataFiles, seed: int, train_rows: int = 65_000, valid: int = 5_000,
    test_rows: int = 20_000, scaling: str = "columns",
) -> TabularDataset:  # fmt: skip
    """MiniBooNE: electron neutrinos (signal) against muon neutrinos, 50 features.

    MiniBooNE_PID.txt: two counts, then as many rows of signal and of background. Rows without a
    measurement, -999 in every column, are dropped.

    Args:
        files: where it is looked for.
        seed: of the splits.
        train_rows: rows to learn from
        valid: rows to choose by
        test_rows: rows to judge by
        scaling: columns (mean 0, variance 1), or none
    """
    how = "UCI's MiniBooNE particle identification comes as MiniBooNE_PID.txt."
    path = files.find("tabular.miniboone", ["miniboone/MiniBooNE_PID.txt"], how)
    lines = open_text(path)
    _, head = next(lines)
    counts = head.split()
    if len(counts) != 2 or not all(c.isdecimal() for c in counts):
        raise UsageError(
            f'{path}, line 1: "{head.strip()[:40]}" is not the two counts of signal and background.'
        )
    signal, background = map(int, counts)
    table = np.array(list(_rows(lines, path, MINIBOONE_FEATURES, None)))
    if len(table) != signal + background:
        raise UsageError(
            f"{path} has {len(table)} rows, and its first line promises {signal} + {background}."
        )
    y = (np.arange(len(table)) < signal).astype(np.int64)
    there = (table != ABSENT).any(axis=1)
    table, y = table[there], y[there]
    order = np.random.default_rng(seed).permutation(len(table))
    sizes = {"train": train_rows, "valid": valid, "test": test_rows}
    for key, size in (("train_rows", train_rows), ("valid", valid), ("test_rows", test_rows)):
        if size < 1:
            raise UsageError(f"data.{key} must be at least 1, not {size}.")
    _enough(path, table, sum(sizes.values()))
    splits, first = {}, 0
    for split, size in sizes.items():
        rows = np.sort(order[first : first + size])
        splits[split], first = Rows(table[rows], y[rows]), first + size
    names = [f"f{i}" for i in range(MINIBOONE_FEATURES)]
    summary = {"source": path.name, "dropped": int((~there).sum())}
    return TabularDataset(splits, names, summary, ["background", "signal"], scaling)


def _labelled(table: Numbers) -> Rows:
    return Rows(table[:, 1:], table[:, 0].astype(np.int64))


def _rows(
    lines: Iterator[tuple[int, str]], path: Path, width: int, comma: str | None, most: int = 0
) -> Iterator[list[float]]:
    """The first `width` numbers of each line, which holds so many, or up to `most`.

    An empty field at the end of a line, as HEPMASS's test files have, is no value.
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
    if not np.isfinite(value):
        raise UsageError(f'{path}, line {line}: "{field.strip()[:30]}" is not a finite number.')
    return value


def _without_head(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """HEPMASS begins with a line of names, "# label,f0,...", or with none."""
    number, first = next(lines)
    if not first.lstrip().startswith("#"):
        yield number, first
    yield from lines


def _enough(path: Path, table: Numbers, n: int) -> None:
    if n < 1:
        raise UsageError(f"At least 1 row is needed of {path}, not {n}.")
    if len(table) < n:
        raise UsageError(
            f"{path} has {len(table)} rows, and {n} are asked for: lower data.train_rows, "
            "data.valid or data.test_rows."
        )


def _held_out(rows: NDArray[np.int64], valid: int, seed: int) -> NDArray[np.int64]:
    if not 1 <= valid < len(rows):
        raise UsageError(f"data.valid must be from 1 to {len(rows) - 1}, not {valid}.")
    return np.sort(np.random.default_rng(seed).permutation(rows)[:valid])


def _test_rows(path: Path, split: int, n: int) -> list[int]:
    """The row numbers of a published test split, from 0."""
    text = "".join(line for _, line in open_text(path))
    try:
        found: dict[str, list[int]] = json.loads(text)["test"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f'{path} is not JSON with the row numbers of "test" ({error}).') from None
    if str(split) not in found:
        raise UsageError(f"data.split = {split}: accepted are {', '.join(found)}.")
    rows = found[str(split)]
    if not rows or min(rows) < 0 or max(rows) >= n:
        raise UsageError(f"{path}: the test rows of split {split} are not from 0 to {n - 1}.")
    return rows
