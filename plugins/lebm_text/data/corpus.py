"""Sentences as text: read files, check lines, cut into splits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lebm_core.base.files import sha256
from lebm_core.data.disk.lines import Lines
from lebm_core.data.files import open_lines, own_path
from lebm_core.data.splits import HashCut, chosen_share, hash_key, homes_by_hash
from lebm_core.errors import UsageError, shown
from lebm_text.data.options import SplitOptions
from lebm_text.data.records import column, kind_of
from lebm_text.data.words import word_rule

__all__ = [
    "Corpus",
    "Reader",
    "check_length",
    "cut_lines",
    "disk_corpus",
    "plain_lines",
    "read_sentences",
    "sentences_of",
    "split_by_hash",
    "split_files",
    "user_corpus",
]

Preparation = Callable[[str], str]
Reader = Callable[[Path, int], list[str]]


@dataclass
class Corpus:
    """The sentences of the three splits, words with one space between.

    Attributes:
        train, valid, test: the sentences.
        source: their origin, for error messages and the report.
        facts: further facts for the report: files with their sha256, how the splits were made.
        labels: class ids by split, -1 where unknown; empty for a corpus without classes.
        classes: their names.
        reading: how the source was read, for further texts; see `lebm_text.data.new`.
    """

    train: list[str] | Lines
    valid: list[str] | Lines
    test: list[str] | Lines
    source: str
    facts: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, list[int]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    reading: dict[str, Any] = field(default_factory=dict)


def check_length(words: int, max_line: int, where: str) -> None:
    """Refuse a line of more than `max_line` words: it is a document, not a sentence."""
    if words > max_line:
        raise UsageError(
            f"{where} has {words:,} words; at most data.max_line = {max_line:,} are accepted: "
            "put one sentence on a line, or raise data.max_line."
        )


def read_sentences(
    path: Path, *, max_line: int = 1000, prepare: Preparation | None = None, field: str = ""
) -> list[str]:
    """Read the sentences of a file, see `sentences_of`."""
    return list(sentences_of(path, max_line=max_line, prepare=prepare, field=field))


def sentences_of(
    path: Path, *, max_line: int = 1000, prepare: Preparation | None = None, field: str = ""
) -> Iterator[str]:
    """Yield one sentence a line, or one of each record of a table; empty ones are skipped.

    Args:
        path: a plain or gzipped UTF-8 file.
        max_line: the most words of a line.
        prepare: applied to each line, for instance a tokeniser; by default white space is
            normalised and nothing else.
        field: the column of a table or of JSON objects that holds the text; "" for plain lines.

    Raises:
        UsageError: naming file and line, for a missing or empty file, invalid UTF-8, a line that
            is too long, and a table or JSON without `field`.
    """
    empty = True
    plain = ((f"{path}, line {number},", line) for number, line in plain_lines(path))
    for where, line in column(path, field) if field else plain:
        sentence = " ".join((prepare(line) if prepare else line).split())
        check_length(sentence.count(" ") + 1, max_line, where)
        if sentence:
            empty = False
            yield sentence
    if empty:
        raise UsageError(f"{path} holds no sentence: every line is blank.")


def plain_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number of each line, and the line; refuse tables and JSON, which are not plain."""
    for number, line in open_lines(path):
        if number == 1 and (kind_of(path) or _is_object(line)):
            raise UsageError(
                f"{path} is {'JSON' if 'json' in kind_of(path) or _is_object(line) else 'a table'},"
                f" not plain lines; its line 1 is {shown(line)}. Read a column of a .csv, .tsv, "
                ".json or .jsonl file with data.name=text.file data.field=COLUMN, and its classes "
                "with data.label=COLUMN."
            )
        yield number, line


def _is_object(line: str) -> bool:
    """Return whether a line is a JSON object, as in a file of JSON lines by another name."""
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def split_by_hash(
    sentences: Sequence[str], shares: SplitOptions, source: str, keys: Sequence[str] | None = None
) -> Corpus:
    """Cut sentences into train, valid and test by a hash of the text.

    A sentence that occurs twice stays in one split, and the cut depends on nothing but the text.

    Args:
        sentences: all of them.
        shares: of valid and of test.
        source: what an error calls them.
        keys: one for each sentence, to hash and to compare; by default the sentence itself.

    Raises:
        UsageError: for shares outside (0, 1), or too few sentences for three splits.
    """
    n = len(sentences)
    valid, test = chosen_share(shares.valid_share, n), chosen_share(shares.test_share, n)
    homes = homes_by_hash(sentences if keys is None else keys, valid, test, source, "sentence")
    splits: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for sentence, home in zip(sentences, homes, strict=True):
        splits[home].append(sentence)
    facts = {"splits": _how(valid, test)}
    return Corpus(splits["train"], splits["valid"], splits["test"], source, facts)


def _how(valid: float, test: float) -> str:
    return f"by a hash of the text: valid {valid:g}, test {test:g}"


def user_corpus(
    source: str,
    max_line: int,
    shares: SplitOptions | None = None,
    words: str = "whitespace",
    field: str = "",
) -> Corpus:
    """Read the user's own file, one sentence a line, and cut it by a hash of each sentence."""
    path = own_path(source)
    sentences = read_sentences(path, max_line=max_line, prepare=word_rule(words), field=field)
    corpus = split_by_hash(sentences, shares or SplitOptions(), str(path))
    corpus.facts["sha256"] = {path.name: sha256(path)}
    corpus.reading = {"words": words, "field": field}
    return corpus


def split_files(paths: Sequence[Path], readers: Sequence[Reader], max_line: int) -> Corpus:
    """Read a corpus with one file for each of train, valid and test."""
    train, valid, test = (read(p, max_line) for read, p in zip(readers, paths, strict=True))
    facts = {"sha256": {path.name: sha256(path) for path in paths}}
    return Corpus(train, valid, test, str(paths[0].parent), facts)


def disk_corpus(
    paths: Sequence[Path], folder: Path, shares: SplitOptions, words: str, field: str, max_line: int
) -> Corpus:
    """Read the user's own files as `user_corpus` and `split_files` do, with the sentences on disk.

    Args:
        paths: one file, or those of train, valid and test.
        folder: for the sentences, one a line.
        shares: of valid and of test, where there is one file.
        words: the rule that cuts a line into words.
        field: the column of a table; "" for plain lines.
        max_line: the most words of a line.
    """
    rule = word_rule(words)
    every = [
        Lines.written(
            folder / f"{i}.txt", sentences_of(path, max_line=max_line, prepare=rule, field=field)
        )
        for i, path in enumerate(paths)
    ]
    facts: dict[str, Any] = {}
    if len(every) == 1:
        every, _, how = cut_lines(every[0], folder, shares, str(paths[0]))
        facts["splits"] = how
    facts["sha256"] = {path.name: sha256(path) for path in paths}
    train, valid_part, test_part = every
    return Corpus(
        train, valid_part, test_part, str(paths[0]), facts, reading={"words": words, "field": field}
    )  # fmt: skip


def cut_lines(
    lines: Lines, folder: Path, shares: SplitOptions, source: str
) -> tuple[list[Lines], list[str], str]:
    """Cut sentences on disk as `split_by_hash` does: the splits, each one's home, and how."""
    n = len(lines)
    valid, test = chosen_share(shares.valid_share, n), chosen_share(shares.test_share, n)
    hashes = bytearray()
    for sentence in lines:
        hashes += hash_key(sentence)
    cut = HashCut(hashes, valid, test, source, "sentence")
    homes = [cut.home(bytes(hashes[16 * i : 16 * i + 16])) for i in range(n)]
    parts = [
        Lines.written(
            folder / f"{split}.txt",
            (line for line, home in zip(lines, homes, strict=True) if home == split),
        )
        for split in ("train", "valid", "test")
    ]
    return parts, homes, _how(valid, test)
