"""AG News from the three files in which parts of it are distributed: one form, no copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.data.classes import label_names
from lebm_core.data.files import open_rows
from lebm_core.data.splits import hash_key
from lebm_core.errors import UsageError, shown
from lebm_text.data.corpus import check_length
from lebm_text.data.labelled.files import Line, read_table
from lebm_text.data.records import json_lines, pick
from lebm_text.data.words import simple_words

__all__ = ["CLASSES", "agnews_splits", "clean"]

CLASSES = {"0": "World", "1": "Sports", "2": "Business", "3": "Sci/Tech"}
# Remains of HTML in the published files, mostly without the ampersand.
MARKS = [
    (re.compile(r"\s?&?#39;"), "'"),
    (re.compile(r"&?#36;"), "$"),
    (re.compile(r"&?quot;"), '"'),
    (re.compile(r"&?amp;"), "&"),
    (re.compile(r"&?nbsp;"), " "),
    (re.compile(r"&?lt;"), "<"),
    (re.compile(r"&?gt;"), ">"),
    (re.compile(r"<[^<>]*(>|$)"), " "),
]
SAME = 60  # characters by which a copy is recognised: wire reports differ in how they end


class Item(NamedTuple):
    """An item: class, title ("" where it has none) and text, cleaned."""

    label: str
    title: str
    text: str
    where: str

    @property
    def key(self) -> str:
        """The letters and digits of the text, to recognise copies by."""
        return " ".join(re.findall(r"\w+", self.text))

    def line(self, titles: bool, max_line: int) -> Line:
        """Return the item as a sentence, with the title before it where `titles`."""
        sentence = f"{self.title} {self.text}" if titles else self.text
        check_length(sentence.count(" ") + 1, max_line, self.where)
        return Line(self.label, sentence, self.where)


def clean(text: str) -> str:
    """Return words and punctuation in lower case, without HTML; numbers are "N"."""
    text = text.replace("\\", " ")
    for mark, replacement in MARKS:
        text = mark.sub(replacement, text)
    return simple_words(text)


def agnews_splits(
    untitled: Path, titled: Path, test: Path, titles: bool, valid_size: int, max_line: int
) -> tuple[dict[str, list[Line]], dict[str, Any]]:
    """Return the splits, and facts for the report on how they were made.

    Args:
        untitled: table of `sentence TAB label`, labels 0 to 3, no titles.
        titled: JSON lines with label (1 to 4), headline and text.
        test: .csv of class (1 to 4), title and text.
        titles: whether titles are kept where there are some.
        valid_size: items of valid, out of those of `titled`.
        max_line: the most words of an item.

    Raises:
        UsageError: naming file and line of what cannot be read, or for too large a `valid_size`.
    """
    tests = list(_csv(test))
    known = {item.key[:SAME] for item in tests}
    seen: set[str] = set()
    counts = {"occur in test": 0, "occur twice": 0}
    pool: dict[bool, list[Item]] = {True: [], False: []}
    # Of an item that is in both files the one with its title is kept.
    for has_title, items in ((True, _json(titled)), (False, _table(untitled))):
        for item in items:
            if item.key[:SAME] in known:
                counts["occur in test"] += 1
            elif item.key in seen:
                counts["occur twice"] += 1
            else:
                seen.add(item.key)
                pool[has_title].append(item)
    if not 0 < valid_size < len(pool[True]):
        raise UsageError(
            f"data.valid_size = {valid_size}: accepted are 1 to {len(pool[True]) - 1}, of the "
            "items with a title."
        )
    shuffled = sorted(pool[True], key=lambda item: hash_key(item.key))
    chosen = {"train": shuffled[valid_size:] + pool[False], "valid": shuffled[:valid_size],
              "test": tests}  # fmt: skip
    facts = {
        "pool": f"{untitled.name} without titles, {titled.name} with titles",
        "titles": "where there are some" if titles else "left out",
        "left out of the pool": counts,
        "splits": f"valid: {valid_size} of {titled.name} by a hash of the text; train: the rest of "
        f"the pool; test: {test.name}, whole",
        "training items with a title": len(shuffled) - valid_size,
    }
    splits = {s: [item.line(titles, max_line) for item in items] for s, items in chosen.items()}
    return splits, facts


def _table(path: Path) -> Iterator[Item]:
    for line in read_table(path, max_line=10_000):
        yield _item(line.label, "", line.sentence, line.where, first=0)


def _json(path: Path) -> Iterator[Item]:
    for where, item in json_lines(path, ["label", "headline", "text"]):
        title, text = pick(item, "headline", where), pick(item, "text", where)
        yield _item(item["label"], title, text, where, first=1)


def _csv(path: Path) -> Iterator[Item]:
    for number, row in open_rows(path):
        where = f"{path}, line {number},"
        if len(row) != 3:
            raise UsageError(f"{where} has {len(row)} columns, not class, title and text.")
        yield _item(row[0], row[1], row[2], where, first=1)


def _item(label: object, title: str, text: str, where: str, first: int) -> Item:
    numbers = {str(i + first): str(i) for i in range(len(CLASSES))} | {"": ""}
    (name,) = label_names([label])
    if name not in numbers:
        accepted = ", ".join(filter(None, numbers))
        raise UsageError(f"{where} has the class {shown(label)}: accepted are {accepted}.")
    return Item(numbers[name], clean(title), clean(text), where)
