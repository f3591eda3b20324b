"""Encode molecules as a data set: symbols, long strings, classes, and the counts of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lebm_core.data.dataset import SPLITS
from lebm_core.data.disk.lines import Lines
from lebm_core.errors import UsageError
from lebm_core.sequences.packed import Packed
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.options import MoleculeOptions
from lebm_molecules.data.tokens import MoleculeTokens, check_notation, symbols_of

if TYPE_CHECKING:
    from lebm_molecules.data.labels import Classes  # needs RDKit

__all__ = ["Labels", "prepare"]

LeftOut = dict[str, Counter[str]]  # split to reasons


class Labels(NamedTuple):
    """A user's own labels: a word for each molecule of each split, "" where unknown."""

    words: dict[str, list[str]]
    column: str


class _Row(NamedTuple):
    """One string to learn: the SMILES, its symbols, and its molecule's class."""

    smiles: str
    symbols: list[str]
    y: int


def prepare(
    splits: Mapping[str, list[str] | Lines],
    source: str,
    facts: dict[str, Any],
    options: MoleculeOptions,
    labels: Labels | None = None,
    reading: dict[str, str] | None = None,
    folder: Path | None = None,
) -> MoleculeDataset:
    """Encode SMILES by split, with the symbols of the training split.

    Molecules that the notation or these symbols cannot write are left out and counted.

    Args:
        splits: SMILES by split.
        source: their origin.
        facts: for the report.
        options: of the data set.
        labels: the user's own; None for none.
        reading: how the source was read, see `lebm_molecules.data.new`.
        folder: for the ids, of `Lines`; None for memory.

    Raises:
        UsageError: for an unknown notation or property, or where no training molecule is left.
    """
    check_notation(options.notation)
    limit = {"train": options.train_molecules}
    most = {s: limit.get(s, options.eval_molecules) for s in SPLITS}
    kept = {s: _first(splits[s], most[s]) for s in SPLITS}
    words = None if labels is None else {s: labels.words[s][: most[s] or None] for s in SPLITS}
    classes = _classes(kept, options, words, "" if labels is None else labels.column)
    left_out: LeftOut = {split: Counter() for split in SPLITS}
    rows = {
        split: _held(_rows(kept, split, options, classes, left_out[split]), folder, split)
        for split in SPLITS
    }
    limit_tokens = options.max_length or max((len(r.symbols) for r in rows["train"]), default=0)
    long = sum(len(row.symbols) > limit_tokens for row in rows["train"])

    def short(split: str) -> Iterator[_Row]:
        most = limit_tokens if split == "train" else math.inf
        return (row for row in rows[split] if len(row.symbols) <= most)

    if next(short("train"), None) is None:
        reason = next(iter(left_out["train"]), "")
        raise UsageError(
            f"{source} has no training molecule"
            + (f" of at most data.max_length = {options.max_length} tokens" if long else "")
            + (f": {reason}" if reason else ".")
        )
    tokens = MoleculeTokens.build((row.symbols for row in short("train")), options.notation)
    ids: dict[str, Packed] = {}
    ys: dict[str, list[int]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        encoded = _encoded(short(split), tokens, left_out[split], ys[split])
        ids[split] = (
            Packed.of(encoded) if folder is None else Packed.written(folder, split, encoded)
        )
    summary = {
        "source": source,
        "molecules": {split: len(kept[split]) for split in SPLITS},
        "notation": options.notation,
        "symbols": len(tokens),
        "training strings used": len(ids["train"].start) - 1,
        "training strings of more tokens than data.max_length": long,
        **facts,
    }
    for split, reasons in left_out.items():
        if reasons:
            summary[f"left out of {split}"] = f"{reasons.total()}, the first: {next(iter(reasons))}"
    if classes is None:
        return MoleculeDataset(tokens, ids, summary, reading=reading)
    for split in SPLITS:
        counts = Counter(ys[split])
        known = {name: counts[i] for i, name in enumerate(classes.names)}
        summary[f"classes of {split}"] = known | ({"unknown": counts[-1]} if counts[-1] else {})
    return MoleculeDataset(tokens, ids, summary, labels=ys, classes=classes.names, reading=reading)


def _rows(
    molecules: Mapping[str, list[str] | Lines],
    split: str,
    options: MoleculeOptions,
    classes: Classes | None,
    left_out: Counter[str],
) -> Iterator[_Row]:
    """The strings of a split that the notation can write; reasons for others go to `left_out`."""
    times = options.randomised if split == "train" else 0
    known = None if classes is None else classes.ids[split]
    for smiles, y in _written(molecules[split], known, times):
        try:
            yield _Row(smiles, symbols_of(smiles, options.notation), y)
        except UsageError as error:
            left_out[str(error)] += 1


def _first(strings: list[str] | Lines, most: int) -> list[str] | Lines:
    """The first strings; 0 for all."""
    return strings.first(most) if isinstance(strings, Lines) else strings[: most or None]


class _Spool:
    """Rows on disk, one a line."""

    def __init__(self, file: Path, rows: Iterator[_Row]) -> None:
        self.lines = Lines.written(file, (f"{r.smiles} {r.y} {' '.join(r.symbols)}" for r in rows))

    def __iter__(self) -> Iterator[_Row]:
        for line in self.lines:
            smiles, y, *symbols = line.split(" ")
            yield _Row(smiles, symbols, int(y))


def _held(rows: Iterator[_Row], folder: Path | None, split: str) -> list[_Row] | _Spool:
    """Rows that are read again and again, in memory or on disk."""
    return list(rows) if folder is None else _Spool(folder / f"{split}.rows.txt", rows)


def _encoded(
    rows: Iterable[_Row], tokens: MoleculeTokens, left_out: Counter[str], ys: list[int]
) -> Iterator[list[int]]:
    """The ids of a split, without rows that have an unknown symbol; their classes go to `ys`."""
    for row in rows:
        try:
            ids = tokens.ids(row.symbols)
        except KeyError as error:
            symbol = error.args[0]
            left_out[f"{row.smiles} has the symbol {symbol}, which no training molecule has"] += 1
            continue
        ys.append(row.y)
        yield ids


def _classes(
    molecules: Mapping[str, list[str] | Lines],
    options: MoleculeOptions,
    words: dict[str, list[str]] | None,
    column: str,
) -> Classes | None:
    """Classes from the user's words, else of `options.classes`, else none."""
    if words is None and not options.classes:
        return None
    from lebm_molecules.data.labels import by_property, by_word

    if words is not None:
        return by_word(words, column)
    return by_property(molecules, options.classes, options.class_count)


def _written(
    molecules: list[str] | Lines, y: list[int] | None, times: int
) -> Iterator[tuple[str, int]]:
    """Each SMILES with its class, and `times` others of it without one.

    The others have their atoms in orders that are random and fixed.
    """
    yield from zip(molecules, [-1] * len(molecules) if y is None else y, strict=True)
    if not times:
        return
    from lebm_molecules.chemistry.describe import rewritten

    for n, smiles in enumerate(molecules, 1):
        yield from ((other, -1) for other in rewritten(smiles, times, seed=n))
