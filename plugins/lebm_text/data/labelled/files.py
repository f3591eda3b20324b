"""Sentences with a class: read `label TAB sentence`, and cut it into splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lebm_core.base.files import sha256
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import open_lines
from lebm_core.errors import UsageError, did_you_mean
from lebm_text.data.corpus import Corpus, check_length, split_by_hash
from lebm_text.data.options import SplitOptions

__all__ = [
    "Line",
    "SENTIMENT",
    "corpus_of",
    "read_labelled",
    "read_table",
    "split_lines",
    "without_copies",
]

SENTIMENT = {"0": "negative", "1": "positive"}


class Line(NamedTuple):
    """A sentence, its class ("" where unknown) and its place, for messages."""

    label: str
    sentence: str
    where: str


def read_labelled(
    path: Path, max_line: int, prepare: Callable[[str], str] | None = None
) -> list[Line]:
    """Read a file of `label TAB sentence`, one a line; blank lines are skipped.

    Args:
        path: plain or gzipped UTF-8; an empty label means that it is not known.
        max_line: the most words of a line.
        prepare: applied to each sentence; by default only white space is normalised.

    Raises:
        UsageError: naming file and line, where there is no tab, no sentence, or one too long.
    """
    lines = []
    for number, line in open_lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number},"
        label, tab, text = line.partition("\t")
        if not tab:
            raise UsageError(
                f'{where} has no tab: "label TAB sentence" is accepted, with an empty label '
                "before the tab where it is not known."
            )
        lines.append(_line(label, text, where, max_line, prepare))
    return lines


def read_table(path: Path, max_line: int) -> Iterator[Line]:
    """Read a table with the header `sentence TAB label`, one sentence a line."""
    lines = iter(open_lines(path))
    _, header = next(lines)
    if [cell.strip() for cell in header.split("\t")] != ["sentence", "label"]:
        raise UsageError(f'{path}, line 1, is not the header "sentence TAB label".')
    for number, line in lines:
        if not line.strip():
            continue
        text, tab, label = line.rpartition("\t")
        where = f"{path}, line {number},"
        if not tab or not label.strip():
            raise UsageError(f'{where} is not "sentence TAB label".')
        yield _line(label, text, where, max_line, None)


def _line(
    label: str, text: str, where: str, max_line: int, prepare: Callable[[str], str] | None
) -> Line:
    sentence = " ".join((prepare(text) if prepare else text).split())
    if not sentence:
        raise UsageError(f"{where} has a label and no sentence.")
    check_length(sentence.count(" ") + 1, max_line, where)
    return Line(label.strip(), sentence, where)


def corpus_of(
    splits: Mapping[str, Sequence[Line]],
    source: str,
    *,
    names: Mapping[str, str] | None = None,
    paths: Sequence[Path] = (),
    facts: Mapping[str, object] | None = None,
) -> Corpus:
    """Make a corpus of lines; the classes are the labels of the training split, sorted.

    Args:
        splits: the lines of train, valid and test.
        source: the name of the data in messages.
        names: of the classes, by label, where the data has better ones.
        paths: the files read, whose checksums the report has.
        facts: further facts for the report.

    Raises:
        UsageError: for one class or none, and naming the line where valid or test has another.
    """
    labels = sorted({line.label for line in splits["train"]} - {""})
    if len(labels) < 2:
        seen = f'one class, "{labels[0]}"' if labels else "no label"
        raise UsageError(f"The training split of {source} has {seen}: at least two are needed.")
    ids = {label: i for i, label in enumerate(labels)} | {"": -1}
    for line in (*splits["valid"], *splits["test"]):
        if line.label not in ids:
            raise UsageError(
                f'{line.where} has the label "{line.label}", which no training sentence has: known '
                f"are {', '.join(labels)}." + did_you_mean(line.label, labels)
            )
    train, valid, test = ([line.sentence for line in splits[s]] for s in SPLITS)
    corpus = Corpus(
        train,
        valid,
        test,
        source,
        labels={s: [ids[line.label] for line in splits[s]] for s in SPLITS},
        classes=[(names or {}).get(label, label) for label in labels],
    )
    if paths:
        corpus.facts["sha256"] = {path.name: sha256(path) for path in paths}
    corpus.facts |= facts or {}
    return corpus


def split_lines(
    lines: Sequence[Line], shares: SplitOptions, source: str
) -> tuple[dict[str, list[Line]], dict[str, object]]:
    """Cut lines by a hash of the sentence; return the splits, and facts for the report.

    A sentence that occurs twice stays in one split.
    """
    numbers = [str(i) for i in range(len(lines))]
    sentences = [line.sentence for line in lines]
    cut = split_by_hash(numbers, shares, source, sentences)
    return {s: [lines[int(i)] for i in getattr(cut, s)] for s in SPLITS}, cut.facts


def without_copies(
    train: Sequence[Line],
    valid: Sequence[Line],
    test: Sequence[Line],
    source: str,
    *,
    names: Mapping[str, str] | None = None,
    paths: Sequence[Path] = (),
    facts: Mapping[str, object] | None = None,
) -> Corpus:
    """Make a corpus without the training sentences that are in valid or test; count them.

    Args:
        train, valid, test: lines.
        source: the name of the data in messages.
        names, paths, facts: as in `corpus_of`.
    """
    held = {
        split: {line.sentence for line in lines}
        for split, lines in (("valid", valid), ("test", test))
    }
    kept = [line for line in train if not any(line.sentence in s for s in held.values())]
    left_out = {
        f"also in {split}": sum(line.sentence in sentences for line in train)
        for split, sentences in held.items()
    }
    left_out["together"] = len(train) - len(kept)
    counts = {"training sentences left out": left_out}
    splits = {"train": kept, "valid": valid, "test": test}
    return corpus_of(splits, source, names=names, paths=paths, facts={**counts, **(facts or {})})
