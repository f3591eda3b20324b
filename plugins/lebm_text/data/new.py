"""Texts that a trained model has not seen: of a file, as the training's was read, or in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from lebm_core.base.table import Table
from lebm_core.data.files import open_lines, own_path
from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_core.sequences.given import Given, in_memory
from lebm_text.data.corpus import check_length, plain_lines
from lebm_text.data.labelled.files import SENTENCES, read_pairs
from lebm_text.data.records import kind_of, pick, records
from lebm_text.data.words import dialogue_words, word_rule

__all__ = ["new_texts"]

LONGEST = 1000  # words, where the training had no rule


def new_texts(source: Any, reading: Mapping[str, Any]) -> Given:
    """Read texts, and cut them into words as the training's were.

    Rows of a file without a text are left out with a warning; a column of labels need not be there.

    Args:
        source: a plain file, one text a line; a table or JSON with the training's column; a list of
            strings; a DataFrame, `Table` or mapping with that column.
        reading: "words", the rule; "field" and "label", the columns of the training; "pairs",
            whether its lines were `label TAB sentence`; "max_line".

    Raises:
        UsageError: naming what cannot be read.
    """
    field, label = str(reading.get("field", "")), str(reading.get("label", ""))
    if isinstance(source, (str, Path)):
        path = own_path(source)
        given = _of_file(path, field, label, bool(reading.get("pairs")))
        place = f"{path}, text {{}},"
    else:
        given = in_memory(source, "text", [field] if field else SENTENCES, label)
        place = "The text at position {}"
    rule = _rule(str(reading.get("words", "whitespace")))
    longest = int(reading.get("max_line", LONGEST))
    texts = [" ".join((rule(text) if rule else text).split()) for text in given.strings]
    for i, text in enumerate(texts):
        check_length(text.count(" ") + 1, longest, place.format(i))
    blank = [i for i, text in enumerate(texts) if not text]
    if blank and not isinstance(source, (str, Path)):
        raise UsageError(f"The text at position {blank[0]} has no word.")
    return _without(Given(texts, given.records, given.labels), blank, str(source))


def _of_file(path: Path, field: str, label: str, pairs: bool) -> Given:
    """The texts of a file, what its rows hold, and their labels where they are there."""
    if kind_of(path) and (field or not pairs):
        return _of_table(path, field or _column_of(path), label)
    if pairs and any("\t" in line for _, line in open_lines(path)):
        rows = [(name, text) for _, name, text in read_pairs(path)]
        names, texts = ([row[i] for row in rows] for i in (0, 1))
        return Given(texts, Table({"label": names, "text": texts}), names)
    lines = [(number, line.strip()) for number, line in plain_lines(path) if line.strip()]
    texts = [line for _, line in lines]
    return Given(texts, Table({"line": [n for n, _ in lines], "text": texts}))


def _of_table(path: Path, field: str, label: str) -> Given:
    found = list(records(path, {"data.field": field}))
    texts = [pick(record, field, where) for where, record in found]
    names = dict.fromkeys(chain.from_iterable(record for _, record in found))
    table = Table({name: [record.get(name) for _, record in found] for name in names})
    return Given(texts, table, table.columns.get(label))


def _column_of(path: Path) -> str:
    """The column of the texts, where the training had none: the one with a name for such."""
    names = [name.strip() for name in _first(records(path, {}))]
    for name in SENTENCES:
        if name in names:
            return name
    raise UsageError(
        f"{path} has no column {shown(SENTENCES[2])} with the texts; its columns are "
        f"{shown(', '.join(names), 300)}: rename it, or give a plain file, one text a line."
        f"{did_you_mean(SENTENCES[2], names)}"
    )


def _first(found: Iterator[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return next((record for _, record in found), {})


def _without(given: Given, rows: list[int], source: str) -> Given:
    """What was given, without some rows, of which a warning tells."""
    n = len(given.strings)
    if len(rows) == n:
        raise UsageError(f"{shown(source, 300)} holds no text.")
    if not rows:
        return given
    warnings.warn(
        f"{source}: {len(rows):,} of {n:,} rows have no text and are left out, the first: row "
        f"{rows[0] + 1}.",
        stacklevel=2,
    )
    return given.without(rows)


def _rule(words: str) -> Callable[[str], str] | None:
    """How a text becomes words; further rules are those of published data sets."""
    if words == "agnews":
        from lebm_text.data.labelled.agnews import clean

        return clean
    if words == "dailydialog":
        return dialogue_words
    return word_rule(words)
