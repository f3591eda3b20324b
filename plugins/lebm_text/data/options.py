"""Options that the text data sets share; they are keys of a recipe's [data] table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lebm_core.base.checks import at_least, choice, within
from lebm_core.errors import UsageError

__all__ = ["SplitOptions", "TextOptions"]

LONG_LINES = ("drop", "truncate")
REPRESENTATIONS = ("tokens", "bag")
COUNTS = ("vocab_size", "min_count", "max_length", "max_line", "train_lines", "eval_lines")


@dataclass(frozen=True)
class TextOptions:
    """How a corpus becomes numbers.

    Attributes:
        tokenizer: a tokenizer.json, a folder with one or a hub id; empty for a vocabulary of words
        vocab_size: the most words of the vocabulary; 0 for all
        min_count: words seen less often in the training text are unknown
        max_length: the most tokens of a training sentence, without its end; 0 for no limit
        long_lines: "drop" or "truncate" longer training sentences; others are kept whole
        max_line: a line of more words is refused
        max_lost: largest share of the text that the tokenizer may drop or read as unknown
        train_lines: use only so many training sentences; 0 for all
        eval_lines: use only so many sentences of valid and of test; 0 for all
        representation: "tokens", or "bag": counts of the vocab_size most frequent words
        stop_words: whether a bag counts the commonest words of English too
    """

    tokenizer: str = ""
    vocab_size: int = 0
    min_count: int = 1
    max_length: int = 40
    long_lines: Literal["drop", "truncate"] = "drop"
    max_line: int = 1000
    max_lost: float = 0.05
    train_lines: int = 0
    eval_lines: int = 0
    representation: Literal["tokens", "bag"] = "tokens"
    stop_words: bool = True

    def __post_init__(self) -> None:
        choice("data.long_lines", self.long_lines, LONG_LINES)
        choice("data.representation", self.representation, REPRESENTATIONS)
        if self.representation == "bag" and self.tokenizer:
            raise UsageError(
                'data.representation = "bag" counts words: leave data.tokenizer empty.'
            )
        within("data.max_lost", self.max_lost, 0, 1)
        for name in COUNTS:
            at_least(f"data.{name}", getattr(self, name), 0)


@dataclass(frozen=True)
class SplitOptions:
    """How sentences without a published split are cut, by a hash of the text.

    Attributes:
        valid_share: share of the distinct sentences that goes to valid where no file is given;
            0 for 0.1, or 0.2 of fewer than 1,000 sentences
        test_share: share that goes to test; 0 likewise
    """

    valid_share: float = 0.0
    test_share: float = 0.0
