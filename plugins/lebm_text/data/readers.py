"""Readers of corpora: plain lines, SNLI 1.0, Yahoo Answers, CPython's, the `datasets` library."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lebm_core.data.files import open_lines, open_rows
from lebm_core.data.hub import hub_splits
from lebm_core.data.splits import by_hash, hash_key
from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_text.data.corpus import Corpus, check_length, read_sentences, split_by_hash
from lebm_text.data.options import SplitOptions
from lebm_text.data.records import json_lines, kind_of, pick
from lebm_text.data.words import PLAIN, simple_words

__all__ = ["pydoc_sentences", "read_hub", "read_lines", "read_snli", "read_yahoo"]

YAHOO_WORDS = (20, 200)  # the documents of Yang et al. 2017 are neither a phrase nor a page
# Of the documentation in CPython:
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\(?[A-Z])")
MARKUP = re.compile(r"\*\*?(?=\S)([^*]+?)(?<=\S)\*\*?")
CODE = re.compile(r"::=|>>>|[{}|=<>\\~^]|\.\.\.\(")
FOOTNOTE = re.compile(r"\s*\[\d+\]")
MARKS = set("*=-~+ ")


def read_lines(path: Path, max_line: int) -> list[str]:
    """Read one sentence a line, words separated by white space."""
    return read_sentences(path, max_line=max_line)


def read_snli(path: Path, max_line: int, most: int = 0) -> list[str]:
    """Read premises and hypotheses of SNLI, tokenised and lower-cased; or one sentence a line.

    Of the .jsonl and the tab-separated .txt of SNLI 1.0 the distinct sentences are taken, `most`
    of them by their hash; a file of plain lines is taken as it is.
    """
    if kind_of(path) == ".jsonl":
        texts = _snli_json(path)
    elif next(iter(open_lines(path)))[1].startswith("gold_label\t"):
        texts = _snli_table(path)
    else:
        return read_lines(path, max_line)
    sentences = by_hash(_in_words(texts, max_line))
    if not sentences:
        raise UsageError(f"{path} holds no sentence.")
    return sentences[:most] if most else sentences


def _in_words(texts: Iterator[tuple[str, str]], max_line: int) -> Iterator[str]:
    """Tokenise and lower-case texts, each with its place; those without a word are left out."""
    for where, text in texts:
        sentence = simple_words(text)
        check_length(sentence.count(" ") + 1, max_line, where)
        if sentence:
            yield sentence


def _snli_json(path: Path) -> Iterator[tuple[str, str]]:
    for where, item in json_lines(path, ["sentence1", "sentence2"]):
        for key in ("sentence1", "sentence2"):
            yield where, pick(item, key, where)


def _snli_table(path: Path) -> Iterator[tuple[str, str]]:
    lines = open_lines(path)
    header = next(iter(lines))[1].rstrip("\n").split("\t")
    try:
        first, second = header.index("sentence1"), header.index("sentence2")
    except ValueError as error:
        raise UsageError(f"{path} has no columns sentence1 and sentence2 in line 1.") from error
    for number, line in lines:
        cells = line.rstrip("\n").split("\t")
        where = f"{path}, line {number},"
        if len(cells) <= max(first, second):
            raise UsageError(f"{where} has {len(cells)} of {len(header)} columns.")
        yield where, cells[first]
        yield where, cells[second]


def read_yahoo(path: Path, max_line: int, most: int = 0) -> list[str]:
    """Read documents of Yahoo Answers, one a line or of a .csv.

    Of a line a class number and a tab before the text are dropped. A .csv has class, title,
    question and answer; `most` documents of 20 to 200 words are taken by their hash, tokenised
    and lower-cased.
    """
    if kind_of(path) != ".csv":

        def text_only(line: str) -> str:
            label, tab, text = line.partition("\t")
            return text if tab and label.strip().isdigit() else line

        return read_sentences(path, max_line=max_line, prepare=text_only)
    documents = _yahoo_documents(path)
    if most:
        documents = iter(heapq.nsmallest(most, documents, key=hash_key))
    distinct = by_hash(documents)
    if not distinct:
        raise UsageError(f"{path} holds no document of 20 to 200 words.")
    return distinct


def _yahoo_documents(path: Path) -> Iterator[str]:
    shortest, longest = YAHOO_WORDS
    for number, row in open_rows(path):
        if len(row) != 4:
            raise UsageError(
                f"{path}, line {number}, has {len(row)} columns, not the four of class, title, "
                "question and answer."
            )
        text = simple_words(" ".join(row[1:]).replace("\\n", " ").replace("<br />", " "))
        if shortest <= text.count(" ") + 1 <= longest:
            yield text


def pydoc_sentences() -> Iterator[str]:
    """Yield the distinct sentences of CPython's `pydoc_data.topics`, tokenised and lower-cased.

    Paragraphs that hold code are left out, and so are the marks around names of the language.
    The text depends on the version of Python.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    for text in topics.values():
        for paragraph in re.split(r"\n\s*\n", text):
            if not _prose(paragraph):
                continue
            joined = re.sub(r"-\n\s*(?=[a-z])", "-", paragraph.translate(PLAIN))
            joined = " ".join(joined.replace('"', "").split())
            joined = FOOTNOTE.sub("", MARKUP.sub(r"\1", joined).removeprefix("* "))
            for sentence in SENTENCE_END.split(joined):
                words = simple_words(sentence)
                if words.count(" ") >= 3 and words not in seen:
                    seen.add(words)
                    yield words


def _prose(paragraph: str) -> bool:
    """Return whether a paragraph is text rather than code, a heading, a signature or a table."""
    if any(set(line.strip()) <= MARKS for line in paragraph.strip().splitlines()):
        return False
    return paragraph.rstrip().endswith((".", ":", "?", "!")) and not CODE.search(paragraph)


def read_hub(
    source: str,
    config: str,
    field: str,
    shares: SplitOptions,
    max_line: int,
    rule: Callable[[str], str] | None,
) -> Corpus:
    """Read the column `field` of a data set of the `datasets` library, line by line.

    Args:
        source: an id of the hub, or a local folder.
        config: the name of a configuration; "" where there is but one.
        field: the column that holds the text.
        shares: of valid and of test, where the data set lacks them.
        max_line: the most words of a line.
        rule: cuts a line into words; None for white space alone.

    Raises:
        MissingExtra: where `datasets` is not installed.
        UsageError: where `source` cannot be read, has no training split or no such column.
    """
    splits = hub_splits(source, config, "text")
    text = {
        split: _column(rows, field, max_line, rule, f"{source}, {split}")
        for split, rows in splits.items()
    }
    if "valid" in text and "test" in text:
        return Corpus(text["train"], text["valid"], text["test"], source)
    cut = split_by_hash(text["train"], shares, source)
    if "test" in text:  # the share cut for test returns to training
        return Corpus([*cut.train, *cut.test], cut.valid, text["test"], source, cut.facts)
    if "valid" in text:
        return Corpus([*cut.train, *cut.valid], text["valid"], cut.test, source, cut.facts)
    return cut


def _column(
    split: Any, field: str, max_line: int, rule: Callable[[str], str] | None, where: str
) -> list[str]:
    columns = list(split.column_names)
    if field not in columns:
        raise UsageError(
            f"data.field = {shown(field)} is not a column of {where}: "
            f"{shown(', '.join(columns), 300)} are.{did_you_mean(field, columns)}"
        )
    sentences = []
    for number, value in enumerate(split[field], 1):
        if not isinstance(value, str):
            raise UsageError(f"{where}, row {number}: column {shown(field)} holds no text.")
        for line in value.splitlines():
            sentence = " ".join((rule(line) if rule else line).split())
            check_length(sentence.count(" ") + 1, max_line, f"{where}, row {number},")
            if sentence:
                sentences.append(sentence)
    if not sentences:
        raise UsageError(f"{where}: column {shown(field)} holds no sentence.")
    return sentences
