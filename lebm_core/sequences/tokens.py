"""Sequences as ids: the four that every vocabulary begins with, and what turns text into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["BOS", "EOS", "PAD", "SPECIAL", "Tokenizer", "UNK"]

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")


class Tokenizer(Protocol):
    """Text to ids and back. Ids 0 to 3 are `SPECIAL`; `encode` adds neither a start nor an end."""

    def __len__(self) -> int:
        """The number of ids, the four special ones included."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text; padding, start and end are left out."""

    def to_json(self) -> dict[str, Any]:
        """All that is needed to make it again, as plain JSON values."""
