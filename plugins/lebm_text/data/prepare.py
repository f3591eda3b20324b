"""Encode a corpus as a data set: vocabulary, long lines, limits, and the counts of each."""

from __future__ import annotations

import warnings
from typing import Any

from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError, shown
from lebm_text.data.bag_dataset import BagDataset, frequent_words
from lebm_text.data.corpus import Corpus, check_length
from lebm_text.data.dataset import TextDataset
from lebm_text.data.options import TextOptions
from lebm_text.data.tokenizer import Subwords
from lebm_text.data.vocabulary import Vocabulary

__all__ = ["prepare", "prepare_tokens"]


def prepare(corpus: Corpus, options: TextOptions) -> TextDataset | BagDataset:
    """Encode a corpus; only training sentences are dropped or cut for their length.

    Raises:
        UsageError: for a sentence of more than data.max_line words, a vocabulary of fewer than
            two words, a tokenizer that loses more than data.max_lost of the text, or where no
            training sentence is short enough.
    """
    text, labels = _limited(corpus, options)
    bag = options.representation == "bag"
    tokenizer: Vocabulary | Subwords
    if options.tokenizer:
        tokenizer = Subwords.from_pretrained(options.tokenizer)
    else:
        tokenizer = Vocabulary.build(
            text["train"],
            min_count=options.min_count,
            size=0 if bag else options.vocab_size,  # baselines of a bag see every word
            where=corpus.source,
        )
    ids = {split: [tokenizer.encode(s) for s in text[split]] for split in SPLITS}
    tokens = {split: sum(map(len, ids[split])) for split in SPLITS}
    unknown = {
        s: sum(row.count(i) for row in ids[s] for i in tokenizer.unknown) / max(tokens[s], 1)
        for s in SPLITS
    }
    counts = {split: len(ids[split]) for split in SPLITS}
    long = _shorten(ids, labels, options, corpus.source)
    summary: dict[str, Any] = {
        "source": corpus.source,
        "sentences": counts,
        "tokens": tokens,
        "unknown share": {split: round(share, 5) for split, share in unknown.items()},
        "vocabulary": len(tokenizer),
        "training sentences used": len(ids["train"]),
        **corpus.facts,
    }
    if isinstance(tokenizer, Subwords):
        summary["dropped share"] = _check_lost(tokenizer, text, unknown, options, corpus.source)
    if options.max_length:
        summary[f"training sentences of more than {options.max_length} tokens"] = (
            f"{long} {'dropped' if options.long_lines == 'drop' else 'truncated'}"
        )
    if corpus.classes:
        summary["classes"] = corpus.classes
        summary["labels known"] = {s: sum(y >= 0 for y in labels[s]) for s in SPLITS}
    data = TextDataset(
        tokenizer, ids, summary, labels=labels, classes=corpus.classes,
        reading={**corpus.reading, "max_line": options.max_line},
    )  # fmt: skip
    if not bag:
        return data
    columns = frequent_words(tokenizer, options.vocab_size, options.stop_words)
    summary["words counted"] = len(columns)
    return BagDataset(data, columns)


def _check_lost(
    tokenizer: Subwords,
    text: dict[str, list[str]],
    unknown: dict[str, float],
    options: TextOptions,
    source: str,
) -> dict[str, float]:
    """Return the share of each split's characters that a tokenizer drops; refuse a large one.

    Its model would be one of another text, and its perplexity too.
    """
    shares = {}
    for split in SPLITS:
        lost = tokenizer.dropped(text[split])
        written = sum(len(word) for sentence in text[split] for word in sentence.split())
        shares[split] = round(lost.total() / max(written, 1), 5)
        some = f" ({', '.join(shown(c) for c, _ in lost.most_common(3))}, ...)" if lost else ""
        said = (
            f"data.tokenizer = {shown(options.tokenizer, 300)} drops {shares[split]:.1%} of the "
            f"characters{some} of {source}, {split}, and reads {unknown[split]:.1%} of its tokens "
            "as unknown"
        )
        if max(shares[split], unknown[split]) > options.max_lost:
            raise UsageError(
                f"{said}; at most data.max_lost = {options.max_lost:g} is accepted: use a tokenizer"
                " made for such text, or one of bytes."
            )
        if lost:
            warnings.warn(f"{said}: what is measured is the text without them.", stacklevel=4)
    return shares


def prepare_tokens(corpus: Corpus, options: TextOptions) -> TextDataset:
    """Encode a corpus whose data set has token ids alone.

    Raises:
        UsageError: as `prepare`, and for data.representation = "bag".
    """
    data = prepare(corpus, options)
    if not isinstance(data, TextDataset):
        raise UsageError(
            f'data.representation = "bag" is not possible with {corpus.source}; use "tokens".'
        )
    return data


def _limited(
    corpus: Corpus, options: TextOptions
) -> tuple[dict[str, list[str]], dict[str, list[int]]]:
    """Return the first sentences of each split, and their labels where the corpus has classes."""
    limit = {"train": options.train_lines, "valid": options.eval_lines, "test": options.eval_lines}
    text: dict[str, list[str]] = {}
    labels: dict[str, list[int]] = {}
    for split in SPLITS:
        most = limit[split] or None
        text[split] = getattr(corpus, split)[:most]
        for sentence in text[split]:
            where = f"A sentence of {corpus.source}, {split},"
            check_length(sentence.count(" ") + 1, options.max_line, where)
        if corpus.classes:
            labels[split] = corpus.labels[split][:most]
    return text, labels


def _shorten(
    ids: dict[str, list[list[int]]], labels: dict[str, list[int]], options: TextOptions, source: str
) -> int:
    """Drop or cut long training sentences, in place, and return how many there were."""
    if not options.max_length:
        return 0
    short = [len(row) <= options.max_length for row in ids["train"]]
    if options.long_lines == "truncate":
        ids["train"] = [row[: options.max_length] for row in ids["train"]]
    else:
        ids["train"] = [row for row, keep in zip(ids["train"], short, strict=True) if keep]
        if labels:
            pairs = zip(labels["train"], short, strict=True)
            labels["train"] = [y for y, keep in pairs if keep]
    if not ids["train"]:
        raise UsageError(
            f"Every training sentence of {source} has more than data.max_length = "
            f"{options.max_length} tokens: raise it, or set data.long_lines=truncate."
        )
    return len(short) - sum(short)
