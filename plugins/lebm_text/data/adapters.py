"""Texts for `LatentEBMClassifier`: words in order, or counts of words."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping, Set
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from lebm_core.data.adapters import InputAdapter, SparseRows
from lebm_core.errors import UsageError, shown
from lebm_core.sequences.dataset import pad
from lebm_core.sequences.tokens import BOS, EOS, PAD, SPECIAL
from lebm_text.data.bag_dataset import frequent_words, spelled
from lebm_text.data.vocabulary import Vocabulary
from lebm_text.data.words import word_rule

__all__ = ["BagAdapter", "TextAdapter"]


def _check_count(name: str, value: Any) -> None:
    """Refuse what is no whole number from 1 on."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} = {reprlib.repr(value)} must be at least 1.")


class WordAdapter(InputAdapter):
    """Texts as words of a vocabulary that is learned from the training texts."""

    vat = (5.0, 0.1)

    def __init__(self, words: str, vocab_size: int, min_count: int) -> None:
        for name, value in (("vocab_size", vocab_size), ("min_count", min_count)):
            _check_count(name, value)
        try:
            self.rule = word_rule(words)
        except UsageError:
            raise ValueError(
                f'words = {shown(words)}: accepted are "simple", lower case with punctuation '
                'apart, and "whitespace".'
            ) from None
        self.vocab_size, self.min_count = vocab_size, min_count

    def texts(self, X: Any) -> list[str]:  # noqa: N803
        """Return each text of X as its words with one space between."""
        if isinstance(X, str):
            raise ValueError("X is one text: a list of texts is needed, [text] for one.")
        if isinstance(X, (bytes, Mapping, Set)) or not isinstance(X, Collection):
            raise ValueError(f"X is of type {type(X).__name__}: a list of texts is needed.")
        shape = X.shape if hasattr(X, "shape") else (len(X),)
        if len(shape) != 1:
            raise ValueError(f"X has the shape {shape}: texts are needed as (n,), or as a list.")
        if not len(X):
            raise ValueError("Found array with 0 sample(s): X holds no text.")
        for i, text in enumerate(X):
            if not isinstance(text, str):
                raise ValueError(
                    f"X holds {reprlib.repr(text)} at position {i}: every entry must be a text."
                )
        return [" ".join((self.rule(text) if self.rule else text).split()) for text in X]

    def vocabulary_of(self, X: Any) -> Vocabulary:  # noqa: N803
        """Learn the vocabulary of training texts; rarer words than `min_count` are left out."""
        try:
            return Vocabulary.build(self.texts(X), min_count=self.min_count)
        except UsageError:
            raise ValueError(
                "X has fewer than two different words that occur min_count = "
                f"{self.min_count} times: more texts are needed, or a lower min_count."
            ) from None


class TextAdapter(WordAdapter):
    """Texts as words in their order; samples are texts of such words.

    Args:
        words: "simple", lower case with punctuation apart and numbers as "N"; "whitespace".
        vocab_size: the most words, the most frequent ones; others are unknown.
        min_count: words of fewer occurrences are unknown too.
        max_length: a longer text is cut after so many words.

    Raises:
        ValueError: for another value.
    """

    decoder = "sequence"
    encoder = "sequence"
    # The sizes of the recipes need a GPU, or hours.
    decoder_defaults: Mapping[str, Any] = {
        "embed_dim": 64, "hidden": 128, "word_dropout": 0.3,
    }  # fmt: skip
    encoder_defaults: Mapping[str, Any] = {"embed_dim": 64, "hidden": 64}

    def __init__(
        self,
        words: str = "simple",
        vocab_size: int = 10_000,
        min_count: int = 2,
        max_length: int = 60,
    ) -> None:
        super().__init__(words, vocab_size, min_count)
        _check_count("max_length", max_length)
        self.max_length = max_length

    def fit(self, X: Any) -> Self:  # noqa: N803
        every = self.vocabulary_of(X).words[len(SPECIAL) :]
        self.vocabulary = Vocabulary(every[: self.vocab_size])
        self.sizes = {
            "vocab_size": len(self.vocabulary), "pad": PAD, "bos": BOS, "eos": EOS,
            "max_length": self.transform(X).shape[1],
        }  # fmt: skip
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        ids = (self.vocabulary.encode(text)[: self.max_length] for text in self.texts(X))
        return pad([torch.tensor([*row, EOS]) for row in ids])

    def inverse_transform(self, x: Tensor) -> Any:
        return np.array([self.vocabulary.decode(row) for row in x.tolist()], dtype=object)


class BagAdapter(WordAdapter):
    """Texts as counts of words, whose order is lost; samples are words, the commonest first.

    Args:
        words: "simple", lower case with punctuation apart and numbers as "N"; "whitespace".
        vocab_size: the most words counted, the most frequent ones.
        min_count: words of fewer occurrences are not counted.
        stop_words: whether the commonest words of English are counted.

    Raises:
        ValueError: for another value.
    """

    decoder = "tabular.bag"
    encoder = "tabular.bag"
    consistency = 30.0
    encoder_defaults: Mapping[str, Any] = {"counts": "tfidf"}  # noqa: RUF012

    def __init__(
        self,
        words: str = "simple",
        vocab_size: int = 5000,
        min_count: int = 2,
        stop_words: bool = True,
    ) -> None:
        super().__init__(words, vocab_size, min_count)
        self.stop_words = stop_words

    def fit(self, X: Any) -> Self:  # noqa: N803
        try:
            self.columns = frequent_words(self.vocabulary_of(X), self.vocab_size, self.stop_words)
        except UsageError:
            raise ValueError(
                "X has fewer than two words to count: punctuation does not count and, with "
                "stop_words=False, neither do the commonest words of English."
            ) from None
        self.column = {word: i for i, word in enumerate(self.columns)}
        self.sizes = {"features": len(self.columns)}
        return self

    def transform(self, X: Any) -> SparseRows:  # noqa: N803
        rows = [
            [self.column[w] for w in text.split() if w in self.column] for text in self.texts(X)
        ]
        words = np.fromiter((i for row in rows for i in row), dtype=np.int32)
        ends = np.cumsum([0, *map(len, rows)])
        shape = (len(rows), len(self.columns))
        return SparseRows(csr_matrix((np.ones(len(words), dtype=np.float32), words, ends), shape))

    def inverse_transform(self, x: Tensor) -> Any:
        return np.array(spelled(x, self.columns), dtype=object)
