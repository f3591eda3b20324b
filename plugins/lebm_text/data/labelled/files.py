"""Sentences with a class: read `label TAB sentence`, and cut it into splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lebm_core.base.files import sha256
from lebm_core.data.classes import is_unlabelled
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import open_lines
from lebm_core.errors import UsageError, shown
from lebm_text.data.corpus import Corpus, check_length, split_by_hash
from lebm_text.data.labelled.classes import ids_of_labels
from lebm_text.data.options import SplitOptions
from lebm_text.data.records import kind_of, pick, records

__all__ = [
    "Line",
    "SENTENCES",
    "SENTIMENT",
    "corpus_of",
    "labelled_lines",
    "read_labelled",
    "read_pairs",
    "read_table",
    "split_lines",
    "without_copies",
]

SENTIMENT = {"0": "negative", "1": "positive"}
# Names of the two columns in the first line of a file, by which it is no sentence with a class.
LABELS = ("label", "labels", "class", "target", "category", "sentiment", "y")
SENTENCES = ("sentence", "sentences", "text", "texts", "document", "review", "content")


class Line(NamedTuple):
    """A sentence, its label as it is written and its place, for messages."""

    label: str
    sentence: str
    where: str


def read_labelled(
    path: Path,
    max_line: int,
    prepare: Callable[[str], str] | None = None,
    field: str = "",
    label: str = "",
) -> list[Line]:
    """Read a file of `label TAB sentence`, one a line, or two columns of a table.

    Blank lines are skipped. A header that names both columns may stand first, and they may be the
    other way round then.

    Args:
        path: plain or gzipped UTF-8.
        max_line: the most words of a line.
        prepare: applied to each sentence; by default only white space is normalised.
        field: the column of the sentences, of a table or of JSON objects; "" for plain lines.
        label: the column of the labels, with `field`.

    Raises:
        UsageError: naming file and line, where there is no tab, no sentence, or one too long; and
            for a table whose columns are not named.
    """
    return list(labelled_lines(path, max_line, prepare, field, label))


def labelled_lines(
    path: Path,
    max_line: int,
    prepare: Callable[[str], str] | None = None,
    field: str = "",
    label: str = "",
) -> Iterator[Line]:
    """Yield the lines that `read_labelled` reads, one at a time."""
    pairs = _columns(path, field, label) if field else read_pairs(path)
    return (_line(name, text, where, max_line, prepare) for where, name, text in pairs)


def _columns(path: Path, field: str, label: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the label and the sentence of each record."""
    for where, record in records(path, {"data.field": field, "data.label": label}):
        name = record[label]
        if isinstance(name, dict | list):
            raise UsageError(f"{where} has {shown(name)} as {shown(label)}: one label is needed.")
        yield where, "" if is_unlabelled(name) else str(name), pick(record, field, where)


def read_pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the label and the sentence of each line."""
    reverse = False
    for number, line in open_lines(path):
        where = f"{path}, line {number},"
        if number == 1 and kind_of(path) not in ("", ".tsv"):
            raise UsageError(
                f"{path} has columns: name that of the sentences with data.field and that of the "
                f"labels with data.label; its line 1 is {shown(line)}."
            )
        if not line.strip():
            continue
        label, tab, text = line.rpartition("\t")[::-1] if reverse else line.partition("\t")
        if not tab:
            raise UsageError(
                f'{where} has no tab: "label TAB sentence" is accepted, with an empty label '
                "before the tab where it is not known."
            )
        names = label.strip().lower(), text.strip().lower()
        reverse = reverse or (number == 1 and names[0] in SENTENCES and names[1] in LABELS)
        if number > 1 or not (reverse or (names[0] in LABELS and names[1] in SENTENCES)):
            yield where, label, text


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
        if not tab:
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
    """Make a corpus of lines; the classes are the labels of the training split.

    Numbers come by size, words by the alphabet; what means that nothing is known, -1 too, is no
    class.

    Args:
        splits: the lines of train, valid and test.
        source: the name of the data in messages.
        names: of the classes, by label, where the data has better ones.
        paths: the files read, whose checksums the report has.
        facts: further facts for the report.

    Raises:
        UsageError: for one class or none, and naming the line where valid or test has another.
    """
    labels, classes = ids_of_labels(
        {split: [line.label for line in lines] for split, lines in splits.items()},
        source,
        lambda split, row: splits[split][row].where,
    )
    train, valid, test = ([line.sentence for line in splits[s]] for s in SPLITS)
    corpus = Corpus(
        train,
        valid,
        test,
        source,
        labels=labels,
        classes=[(names or {}).get(label, label) for label in classes],
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
