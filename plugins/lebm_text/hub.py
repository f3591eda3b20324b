"""Corpora of the `datasets` library: an id of the hub or a local folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lebm_core.errors import MissingExtra, UsageError, did_you_mean
from lebm_text.corpus import Corpus, check_length, split_by_hash

__all__ = ["hub_corpus"]

NAMES = {"valid": ("validation", "valid", "val", "dev"), "test": ("test",)}


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
    splits = _load(source, config)
    if "train" not in splits:
        raise UsageError(f'"{source}" has no split "train"; it has {", ".join(splits)}.')
    text = {"train": _column(splits["train"], field, max_line, rule, f"{source}, train")}
    for split, names in NAMES.items():
        for name in names:
            if name in splits and split not in text:
                text[split] = _column(splits[name], field, max_line, rule, f"{source}, {name}")
    if "valid" in text and "test" in text:
        return Corpus(text["train"], text["valid"], text["test"], source)
    cut = split_by_hash(text["train"], valid_share, test_share, source)
    if "test" in text:  # what was cut for a test that exists goes back to training
        return Corpus(cut.train + cut.test, cut.valid, text["test"], source, cut.facts)
    if "valid" in text:
        return Corpus(cut.train + cut.valid, text["valid"], cut.test, source, cut.facts)
    return cut


def _load(source: str, config: str) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("datasets", "text") from error
    try:
        if (Path(source) / "dataset_dict.json").is_file():
            return dict(datasets.load_from_disk(source))
        return dict(datasets.load_dataset(source, config or None))
    except Exception as error:  # the library raises many kinds; none of them is a bug of lebm
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f'data.source = "{source}" could not be read by datasets: {reason}'
        ) from error


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
