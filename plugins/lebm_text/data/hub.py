"""Corpora of the `datasets` library: an id of the hub or a local folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lebm_core.data.files import hub_splits
from lebm_core.errors import UsageError, did_you_mean
from lebm_text.data.corpus import Corpus, check_length, split_by_hash

__all__ = ["hub_corpus"]


def hub_corpus(
    source: str,
    config: str,
    field: str,
    valid_share: float,
    test_share: float,
    max_line: int,
    rule: Callable[[str], str] | None,
) -> Corpus:
    """The sentences of column `field`.

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
    cut = split_by_hash(text["train"], valid_share, test_share, source)
    if "test" in text:  # what was cut for a test that exists goes back to training
        return Corpus(cut.train + cut.test, cut.valid, text["test"], source, cut.facts)
    if "valid" in text:
        return Corpus(cut.train + cut.valid, text["valid"], cut.test, source, cut.facts)
    return cut


def _column(
    split: Any, field: str, max_line: int, rule: Callable[[str], str] | None, where: str
) -> list[str]:
    columns = list(split.column_names)
    if field not in columns:
        raise UsageError(
            f'data.field = "{field}" is not a column of {where}: {", ".join(columns)} are.'
            + did_you_mean(field, columns)
        )
    sentences = []
    for number, value in enumerate(split[field], 1):
        if not isinstance(value, str):
            raise UsageError(f'{where}, row {number}: column "{field}" holds no text.')
        for line in value.splitlines():
            sentence = " ".join((rule(line) if rule else line).split())
            check_length(sentence.count(" ") + 1, max_line, f"{where}, row {number},")
            if sentence:
                sentences.append(sentence)
    if not sentences:
        raise UsageError(f'{where}: column "{field}" holds no sentence.')
    return sentences
