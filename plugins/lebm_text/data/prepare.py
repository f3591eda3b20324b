"""Encode a corpus as a data set: vocabulary, long lines, limits, and the counts of each."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lebm_core.base.files import sha256, workplace
from lebm_core.data.dataset import SPLITS
from lebm_core.data.disk.lines import Lines
from lebm_core.data.disk.prepared import prepared
from lebm_core.data.files import own_path
from lebm_core.errors import UsageError, shown
from lebm_core.sequences.packed import Packed
from lebm_text.data.bag_dataset import BagDataset, frequent_words
from lebm_text.data.corpus import Corpus, check_length, disk_corpus
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.own import own_disk_corpus
from lebm_text.data.options import SplitOptions, TextOptions
from lebm_text.data.tokenizer import Subwords
from lebm_text.data.vocabulary import Vocabulary

__all__ = ["on_disk", "prepare", "prepare_tokens"]


def prepare(
    corpus: Corpus, options: TextOptions, folder: Path | None = None
) -> TextDataset | BagDataset:
    """Encode a corpus; only training sentences are dropped or cut for their length.

    Args:
        corpus: to encode.
        options: of the vocabulary, the lengths and the representation.
        folder: for the ids; None for memory.

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
    told = {split: _Told() for split in SPLITS}
    ids: dict[str, Packed] = {}
    for split in SPLITS:
        rows = told[split].encoded(
            text[split], tokenizer, options if split == "train" else None, labels.get(split)
        )
        ids[split] = Packed.of(rows) if folder is None else Packed.written(folder, split, rows)
    labels = {split: told[split].labels for split in labels}
    used = len(ids["train"].start) - 1
    if not used:
        raise UsageError(
            f"Every training sentence of {corpus.source} has more than data.max_length = "
            f"{options.max_length} tokens: raise it, or set data.long_lines=truncate."
        )
    unknown = {s: each.unknown / max(each.tokens, 1) for s, each in told.items()}
    summary: dict[str, Any] = {
        "source": corpus.source,
        "sentences": {split: each.sentences for split, each in told.items()},
        "tokens": {split: each.tokens for split, each in told.items()},
        "unknown share": {split: round(share, 5) for split, share in unknown.items()},
        "vocabulary": len(tokenizer),
        "training sentences used": used,
        **corpus.facts,
    }
    if isinstance(tokenizer, Subwords):
        summary["dropped share"] = _check_lost(tokenizer, text, unknown, options, corpus.source)
    if options.max_length:
        summary[f"training sentences of more than {options.max_length} tokens"] = (
            f"{told['train'].long} {'dropped' if options.long_lines == 'drop' else 'truncated'}"
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
    text: dict[str, list[str] | Lines],
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
) -> tuple[dict[str, list[str] | Lines], dict[str, list[int]]]:
    """Return the first sentences of each split, and their labels where the corpus has classes."""
    limit = {"train": options.train_lines, "valid": options.eval_lines, "test": options.eval_lines}
    text: dict[str, list[str] | Lines] = {}
    labels: dict[str, list[int]] = {}
    for split in SPLITS:
        most = limit[split] or None
        sentences = getattr(corpus, split)
        on_disk = isinstance(sentences, Lines)
        text[split] = sentences.first(most or 0) if on_disk else sentences[:most]
        for sentence in text[split]:
            where = f"A sentence of {corpus.source}, {split},"
            check_length(sentence.count(" ") + 1, options.max_line, where)
        if corpus.classes:
            labels[split] = corpus.labels[split][:most]
    return text, labels


class _Told:
    """What is counted while the sentences of a split are encoded."""

    def __init__(self) -> None:
        self.sentences = self.tokens = self.unknown = self.long = 0
        self.labels: list[int] = []  # of the sentences that stay

    def encoded(
        self,
        sentences: Iterable[str],
        tokenizer: Vocabulary | Subwords,
        limits: TextOptions | None,
        labels: Sequence[int] | None,
    ) -> Iterator[list[int]]:
        """Yield the ids of each sentence; long ones are dropped or cut where there are limits."""
        for i, sentence in enumerate(sentences):
            row = tokenizer.encode(sentence)
            self.sentences += 1
            self.tokens += len(row)
            self.unknown += sum(row.count(unknown) for unknown in tokenizer.unknown)
            if limits is not None and 0 < limits.max_length < len(row):
                self.long += 1
                if limits.long_lines == "drop":
                    continue
                row = row[: limits.max_length]
            if labels is not None:
                self.labels.append(labels[i])
            yield row


def on_disk(
    paths: Sequence[Path],
    shares: SplitOptions,
    words: str,
    field: str,
    options: TextOptions,
    source: str = "",
    label: str = "",
) -> TextDataset | BagDataset:
    """Prepare files of the user on disk; see `disk_corpus` and `prepared`.

    Args:
        paths: one file, or those of train, valid and test.
        shares, words, field: see `disk_corpus`.
        options: see `prepare`.
        source: what the report calls them; "" for the path of the first.
        label: the column of the classes beside `field`; "" for none.

    Raises:
        UsageError: as `prepare`.
    """
    tokenizer = own_path(options.tokenizer) if options.tokenizer else None
    asked = {
        "paths": [str(path) for path in paths], "shares": dataclasses.asdict(shares),
        "words": words, "field": field, "options": dataclasses.asdict(options), "source": source,
        "label": label,
        "tokenizer": sha256(tokenizer) if tokenizer is not None and tokenizer.is_file() else "",
    }  # fmt: skip

    def make(folder: Path) -> None:
        with workplace(folder) as place:
            if label:
                corpus = own_disk_corpus(
                    paths, source, field, label, shares, words, options.max_line, place
                )
            else:
                corpus = disk_corpus(paths, place, shares, words, field, options.max_line)
                corpus.source = source or corpus.source
            prepare(corpus, options, folder).keep(folder)

    kind = BagDataset if options.representation == "bag" else TextDataset
    return kind.kept(prepared("text.file", asked, paths, make))
