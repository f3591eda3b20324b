"""Sentences before they are numbers: reading files, checking lines, cutting into splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lebm_core.errors import UsageError
from lebm_core.run.datasets import open_text

__all__ = ["Corpus", "by_hash", "file_sha256", "hash_key", "read_sentences", "split_by_hash"]

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


def file_sha256(path: Path) -> str:
    """The checksum of a file as it lies there, compressed or not."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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


def hash_key(sentence: str) -> bytes:
    """A hash of the sentence, the same on every machine."""
    return hashlib.blake2b(sentence.encode(), digest_size=16).digest()


def by_hash(sentences: Iterable[str]) -> list[str]:
    """The distinct sentences in the order of a hash of each: shuffled, and the same everywhere."""

    return sorted(dict.fromkeys(sentences), key=hash_key)


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
    if not (0 < valid_share and 0 < test_share and valid_share + test_share < 1):
        raise UsageError(
            f"data.valid_share = {valid_share:g} and data.test_share = {test_share:g} must be "
            "positive and leave something to train on."
        )
    keys = sentences if keys is None else keys
    distinct = by_hash(keys)
    n_valid = max(1, round(len(distinct) * valid_share))
    n_test = max(1, round(len(distinct) * test_share))
    if len(distinct) < n_valid + n_test + 2:
        raise UsageError(
            f"{source} has {len(distinct)} distinct sentence{'s' * (len(distinct) != 1)}: "
            "too few for a train, a valid and a test split."
        )
    home = {
        s: "valid" if i < n_valid else "test" if i < n_valid + n_test else "train"
        for i, s in enumerate(distinct)
    }
    splits: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for sentence, key in zip(sentences, keys, strict=True):
        splits[home[key]].append(sentence)
    facts = {"splits": f"by a hash of the text: valid {valid_share:g}, test {test_share:g}"}
    return Corpus(splits["train"], splits["valid"], splits["test"], source, facts)
