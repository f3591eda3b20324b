"""A user's own sentences with classes: lines of `label TAB sentence`, or two columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from lebm_core.base.files import sha256
from lebm_core.data.dataset import SPLITS
from lebm_core.data.disk.lines import Lines
from lebm_core.data.files import own_path
from lebm_text.data.corpus import Corpus, cut_lines
from lebm_text.data.labelled.classes import ids_of_labels
from lebm_text.data.labelled.files import (
    Line,
    corpus_of,
    labelled_lines,
    read_labelled,
    split_lines,
)
from lebm_text.data.options import SplitOptions
from lebm_text.data.words import word_rule

__all__ = ["own_corpus", "own_disk_corpus"]


def own_corpus(
    sources: tuple[str, str, str],
    field: str,
    label: str,
    shares: SplitOptions,
    words: str,
    max_line: int,
) -> Corpus:
    """Read sentences with their classes.

    Args:
        sources: the files of train, valid and test; or the one that is cut into them, and "" twice.
        field: the column of the sentences; "" for lines of `label TAB sentence`.
        label: the column of the labels, with `field`.
        shares: of valid and of test.
        words: how a line is cut into words.
        max_line: the most words of a line.

    Raises:
        UsageError: as `read_labelled`, and for one class.
    """
    rule = word_rule(words)
    paths = [own_path(each) for each in sources if each]
    read = [read_labelled(path, max_line, rule, field, label) for path in paths]
    facts: dict[str, object] = {}
    if len(read) > 1:
        splits = dict(zip(SPLITS, read, strict=True))
    else:
        splits, facts = split_lines(read[0], shares, sources[0])
    corpus = corpus_of(splits, sources[0], paths=paths, facts=facts)
    corpus.reading = {"words": words, "field": field, "label": label, "pairs": not field}
    return corpus


def own_disk_corpus(
    paths: Sequence[Path],
    source: str,
    field: str,
    label: str,
    shares: SplitOptions,
    words: str,
    max_line: int,
    folder: Path,
) -> Corpus:
    """Read sentences with their classes as `own_corpus` does, the sentences on disk.

    Args:
        paths: the files of train, valid and test; or the one that is cut into them.
        source: what an error and the report call them.
        field, label, shares, words, max_line: see `own_corpus`.
        folder: for the sentences.

    Raises:
        UsageError: as `own_corpus`.
    """
    rule, once = word_rule(words), dict[str, str]()
    every: list[Lines] = []
    written: list[list[str]] = []

    def lines(path: Path) -> Iterator[Line]:
        return labelled_lines(path, max_line, rule, field, label)

    def sentences(path: Path, labels: list[str]) -> Iterator[str]:
        for line in lines(path):
            labels.append(once.setdefault(line.label, line.label))  # in memory once
            yield line.sentence

    for i, path in enumerate(paths):
        written.append([])
        every.append(Lines.written(folder / f"{i}.txt", sentences(path, written[-1])))
    facts: dict[str, object] = {}
    rows: Mapping[str, Sequence[int]] = {
        split: range(len(each)) for split, each in zip(SPLITS, every, strict=False)
    }
    by_split = dict(zip(SPLITS, written, strict=False))
    if len(paths) == 1:
        every, homes, facts["splits"] = cut_lines(every[0], folder, shares, source)
        numbers = {s: [i for i, home in enumerate(homes) if home == s] for s in SPLITS}
        rows, by_split = numbers, {s: [written[0][i] for i in numbers[s]] for s in SPLITS}

    def place(split: str, row: int) -> str:
        path = paths[0 if len(paths) == 1 else SPLITS.index(split)]
        return next(islice(lines(path), rows[split][row], None)).where

    labels, classes = ids_of_labels(by_split, source, place)
    train, valid, test = every
    reading = {"words": words, "field": field, "label": label, "pairs": not field}
    facts = {"sha256": {path.name: sha256(path) for path in paths}, **facts}
    return Corpus(train, valid, test, source, facts, labels, classes, reading)
