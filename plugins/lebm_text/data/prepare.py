"""From a corpus to a data set: vocabulary, long lines, limits, and the counts of all that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.sequences.tokens import UNK, Tokenizer
from lebm_text.data.bag_dataset import BagDataset, frequent_words
from lebm_text.data.corpus import Corpus
from lebm_text.data.dataset import TextDataset
from lebm_text.data.tokenizer import Subwords
from lebm_text.data.vocabulary import Vocabulary

__all__ = ["TextOptions", "prepare"]

LONG_LINES = ("drop", "truncate")
REPRESENTATIONS = ("tokens", "bag")


@dataclass(frozen=True)
class TextOptions:
    """How a corpus becomes numbers; the fields are keys of a recipe's [data] table.

    Attributes:
        tokenizer: a tokenizer.json, a folder with one, or a hub id; "" is a word vocabulary.
        vocab_size: the most words of the vocabulary, 0 for all.
        min_count: words seen less often in the training text are unknown.
        max_length: the most tokens of a training sentence, without its end; 0 for no limit.
        long_lines: what happens to longer training sentences, "drop" or "truncate".
        train_lines, eval_lines: use only the first so many sentences of a split, 0 for all.
        representation: "tokens", or "bag" for counts of words, whose order is lost.
        stop_words: whether a bag counts the commonest words of English too.
    """

    tokenizer: str = ""
    vocab_size: int = 0
    min_count: int = 1
    max_length: int = 40
    long_lines: str = "drop"
    train_lines: int = 0
    eval_lines: int = 0
    representation: str = "tokens"
    stop_words: bool = True

    def __post_init__(self) -> None:
        for name, known in (("long_lines", LONG_LINES), ("representation", REPRESENTATIONS)):
            given = getattr(self, name)
            if given not in known:
                raise UsageError(
                    f'data.{name} = "{given}" is not one of {", ".join(known)}.'
                    + did_you_mean(given, known)
                )
        if self.representation == "bag" and self.tokenizer:
            raise UsageError(
                'data.representation = "bag" counts words: leave data.tokenizer empty.'
            )
        for name in ("vocab_size", "min_count", "max_length", "train_lines", "eval_lines"):
            if getattr(self, name) < 0:
                raise UsageError(f"data.{name} = {getattr(self, name)} must not be negative.")


def prepare(corpus: Corpus, options: TextOptions) -> TextDataset:
    """Encodes the corpus; only training sentences are dropped or cut for their length.

    Raises:
        UsageError: for a vocabulary of fewer than two words, or where no training sentence is
            short enough.
    """
    limit = {"train": options.train_lines, "valid": options.eval_lines, "test": options.eval_lines}
    bag = options.representation == "bag"
    text: dict[str, list[str]] = {}
    labels: dict[str, list[int]] = {}
    for split in SPLITS:
        most = limit[split] or None
        text[split] = getattr(corpus, split)[:most]
        if corpus.classes:
            labels[split] = corpus.labels[split][:most]
    tokenizer: Tokenizer
    if options.tokenizer:
        tokenizer = Subwords.from_pretrained(options.tokenizer)
    else:
        tokenizer = Vocabulary.build(
            text["train"],
            min_count=options.min_count,
            size=0 if bag else options.vocab_size,  # classifiers beside a bag see every word
            where=corpus.source,
        )
    ids = {split: [tokenizer.encode(s) for s in text[split]] for split in SPLITS}
    counts: dict[str, Any] = {split: len(ids[split]) for split in SPLITS}
    tokens = {split: sum(map(len, ids[split])) for split in SPLITS}
    unknown = {
        split: sum(row.count(UNK) for row in ids[split]) / max(tokens[split], 1) for split in SPLITS
    }
    long = 0
    if options.max_length:
        short = [len(row) <= options.max_length for row in ids["train"]]
        long = len(short) - sum(short)
        if options.long_lines == "truncate":
            ids["train"] = [row[: options.max_length] for row in ids["train"]]
        else:
            ids["train"] = [row for row, keep in zip(ids["train"], short, strict=True) if keep]
            if labels:
                pairs = zip(labels["train"], short, strict=True)
                labels["train"] = [y for y, keep in pairs if keep]
        if not ids["train"]:
            raise UsageError(
                f"Every training sentence of {corpus.source} has more than data.max_length = "
                f"{options.max_length} tokens: raise it, or set data.long_lines=truncate."
            )
    summary = {
        "source": corpus.source,
        "sentences": counts,
        "tokens": tokens,
        "unknown share": {split: round(share, 5) for split, share in unknown.items()},
        "vocabulary": len(tokenizer),
        "training sentences used": len(ids["train"]),
        **corpus.facts,
    }
    if options.max_length:
        summary[f"training sentences of more than {options.max_length} tokens"] = (
            f"{long} {'dropped' if options.long_lines == 'drop' else 'truncated'}"
        )
    if corpus.classes:
        summary["classes"] = corpus.classes
        summary["labels known"] = {s: sum(y >= 0 for y in labels[s]) for s in SPLITS}
    if not bag:
        return TextDataset(tokenizer, ids, summary, labels=labels, classes=corpus.classes)
    columns = frequent_words(tokenizer, options.vocab_size, options.stop_words)
    summary["words counted"] = len(columns)
    return BagDataset(
        tokenizer, ids, summary, labels=labels, classes=corpus.classes, columns=columns
    )
