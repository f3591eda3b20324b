"""Readers of the files that text corpora come in: plain lines, SNLI 1.0, Yahoo Answers."""

from __future__ import annotations

import csv
import heapq
import json
from collections.abc import Iterator
from pathlib import Path

from lebm_core.data.files import open_text
from lebm_core.data.splits import by_hash, hash_key
from lebm_core.errors import UsageError
from lebm_text.data.corpus import read_sentences
from lebm_text.data.pydocs import simple_words

__all__ = ["read_lines", "read_snli", "read_yahoo"]

YAHOO_WORDS = (20, 200)  # the documents of Yang et al. 2017 are neither a phrase nor a page


def read_lines(path: Path, max_line: int) -> list[str]:
    """One sentence a line, words apart by white space."""
    return read_sentences(path, max_line=max_line)


def read_snli(path: Path, max_line: int, most: int = 0) -> list[str]:
    """Premises and hypotheses of SNLI, tokenised and lower-cased; or one sentence a line.

    Of the .jsonl and the tab-separated .txt of SNLI 1.0 the distinct sentences are taken, `most`
    of them by their hash; a file of plain lines is taken as it is.
    """
    if ".jsonl" in path.suffixes:
        pairs = _snli_json(path)
    elif next(iter(open_text(path)))[1].startswith("gold_label\t"):
        pairs = _snli_table(path)
    else:
        return read_lines(path, max_line)
    sentences = by_hash(filter(None, (simple_words(text) for pair in pairs for text in pair)))
    if not sentences:
        raise UsageError(f"{path} holds no sentence.")
    return sentences[:most] if most else sentences


def _snli_json(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in open_text(path):
        try:
            item = json.loads(line)
            yield item["sentence1"], item["sentence2"]
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}, line {number}, is not a JSON object with sentence1 and sentence2."
            ) from error


def _snli_table(path: Path) -> Iterator[tuple[str, str]]:
    lines = open_text(path)
    header = next(iter(lines))[1].rstrip("\n").split("\t")
    try:
        first, second = header.index("sentence1"), header.index("sentence2")
    except ValueError as error:
        raise UsageError(f"{path} has no columns sentence1 and sentence2 in line 1.") from error
    for number, line in lines:
        cells = line.rstrip("\n").split("\t")
        if len(cells) <= max(first, second):
            raise UsageError(f"{path}, line {number}, has {len(cells)} of {len(header)} columns.")
        yield cells[first], cells[second]


def read_yahoo(path: Path, max_line: int, most: int = 0) -> list[str]:
    """Documents of Yahoo Answers: one a line (a class number and a tab before it are dropped), or a
    .csv of class, title, question and answer, of which `most` documents of 20 to 200 words are
    taken by their hash, tokenised and lower-cased.
    """
    if ".csv" not in path.suffixes:

        def text_only(line: str) -> str:
            label, tab, text = line.partition("\t")
            return text if tab and label.strip().isdigit() else line

        return read_sentences(path, max_line=max_line, prepare=text_only)
    documents = _yahoo_documents(path)
    if most:
        documents = iter(heapq.nsmallest(most, documents, key=hash_key))
    found = by_hash(documents)
    if not found:
        raise UsageError(f"{path} holds no document of 20 to 200 words.")
    return found


def _yahoo_documents(path: Path) -> Iterator[str]:
    shortest, longest = YAHOO_WORDS
    rows = csv.reader(line for _, line in open_text(path))
    for row in rows:
        if len(row) != 4:
            raise UsageError(
                f"{path}, near line {rows.line_num}, has {len(row)} columns, not the four of "
                "class, title, question and answer."
            )
        text = simple_words(" ".join(row[1:]).replace("\\n", " ").replace("<br />", " "))
        if shortest <= text.count(" ") + 1 <= longest:
            yield text
