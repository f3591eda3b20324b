"""Sentences before they are numbers: reading files, checking lines, cutting into splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lebm_core.data.files import open_text
from lebm_core.data.splits import homes_by_hash
from lebm_core.errors import UsageError

__all__ = ["Corpus", "read_sentences", "split_by_hash"]

Preparation = Callable[[str], str]


@dataclass
class Corpus:
    """The sentences of the three splits, words with one space between.

    Attributes:
        train, valid, test: the sentences.
        source: where they are from, for error messages and the report.
        facts: further facts for the report: files with their sha256, how the splits were made.
        labels: class ids by split, -1 where unknown; empty for a corpus without classes.
        classes: their names.
    """

    train: list[str]
    valid: list[str]
    test: list[str]
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, list[int]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)


def check_length(words: int, max_line: int, where: str) -> None:
    """Refuses a line of more than `max_line` words: it is a document, not a sentence."""
    if words > max_line:
        raise UsageError(
            f"{where} has {words:,} words; at most data.max_line = {max_line:,} are accepted: "
            "put one sentence on a line, or raise data.max_line."
        )


def read_sentences(
    path: Path, *, max_line: int = 1000, prepare: Preparation | None = None
) -> list[str]:
    """One sentence a line; empty lines are skipped.

    Args:
        path: a plain or gzipped UTF-8 file.
        max_line: the most words of a line.
        prepare: applied to each line, for instance a tokeniser; by default white space is
            normalised and nothing else.

    Raises:
        UsageError: naming file and line, for a missing or empty file, invalid UTF-8, and a line
            that is too long.
    """
    sentences = []
    for number, line in open_text(path):
        sentence = " ".join((prepare(line) if prepare else line).split())
        check_length(sentence.count(" ") + 1, max_line, f"{path}, line {number},")
        if sentence:
            sentences.append(sentence)
    if not sentences:
        raise UsageError(f"{path} holds no sentence: every line is blank.")
    return sentences


def split_by_hash(
    sentences: Sequence[str],
    valid_share: float,
    test_share: float,
    source: str,
    keys: Sequence[str] | None = None,
) -> Corpus:
    """Cuts sentences into train, valid and test by a hash of the text.

    A sentence that occurs twice stays in one split, and the cut depends on nothing but the text.

    Args:
        sentences: all of them.
        valid_share, test_share: shares of the distinct ones.
        source: what an error calls them.
        keys: one for each sentence, to hash and to tell sentences apart by; by default itself.

    Raises:
        UsageError: for shares outside (0, 1), or too few sentences for three splits.
    """
    homes = homes_by_hash(
        sentences if keys is None else keys, valid_share, test_share, source, "sentence"
    )
    splits: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for sentence, home in zip(sentences, homes, strict=True):
        splits[home].append(sentence)
    facts = {"splits": f"by a hash of the text: valid {valid_share:g}, test {test_share:g}"}
    return Corpus(splits["train"], splits["valid"], splits["test"], source, facts)
