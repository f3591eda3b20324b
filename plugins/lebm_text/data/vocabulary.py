"""The word vocabulary: words to integers and back. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

from lebm_core.errors import UsageError, shown
from lebm_core.sequences.tokens import BOS, EOS, PAD, SPECIAL, UNK

__all__ = ["Vocabulary"]


class Vocabulary:
    """Words by falling frequency, after the four special ids.

    A sentence is its words with one space between. A word outside the vocabulary, and the
    text's own "<unk>", have the id `UNK`.

    Args:
        words: the words, without the special ones and without repetition.

    Example:
        >>> v = Vocabulary.build(["a b a", "b a c"], min_count=2)
        >>> v.encode("a c b"), v.decode([4, 3, 5, 2, 0])
        ([4, 3, 5], 'a <unk> b')
    """

    unknown = frozenset({UNK})

    def __init__(self, words: Sequence[str]) -> None:
        self.words = [*SPECIAL, *words]
        self._id = {word: i + len(SPECIAL) for i, word in enumerate(words)}
        if len(self._id) < len(words) or any(word in self._id for word in SPECIAL):
            raise UsageError(
                "The words of a vocabulary must differ from each other and from "
                f"{', '.join(SPECIAL)}."
            )

    @classmethod
    def build(
        cls, sentences: Iterable[str], *, min_count: int = 1, size: int = 0, where: str = "the text"
    ) -> Self:
        """Count words; ties in frequency are settled by the alphabet, so the result is fixed.

        Args:
            sentences: the training text.
            min_count: words seen less often are unknown.
            size: the most words to keep, not counting the special ones; 0 for all.
            where: the name of the text in an error.

        Raises:
            UsageError: where fewer than two words are left.
        """
        counts = Counter(word for sentence in sentences for word in sentence.split())
        for special in SPECIAL:
            counts.pop(special, None)
        kept = sorted(
            (word for word, n in counts.items() if n >= min_count),
            key=lambda word: (-counts[word], word),
        )
        kept = kept[:size] if size else kept
        if len(kept) < 2:
            seen = f" ({shown(kept[0])})" if kept else ""
            raise UsageError(
                f"The vocabulary of {where} has {len(kept)} word{'s' * (len(kept) != 1)}{seen} "
                f"with data.min_count = {min_count} and data.vocab_size = {size}: "
                "a model of text needs at least 2."
            )
        return cls(kept)

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Return the ids of the words of `text`."""
        return [self._id.get(word, UNK) for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words up to the first end, with one space between."""
        words = []
        for i in ids:
            if i == EOS:
                break
            if i not in (PAD, BOS):
                words.append(self.words[i])
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Return the words without the special ones."""
        return {"kind": "words", "words": self.words[len(SPECIAL) :]}
