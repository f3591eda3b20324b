"""Special token ids, and the interface of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["BOS", "EOS", "PAD", "SPECIAL", "Tokenizer", "UNK"]

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")


class Tokenizer(Protocol):
    """Converts strings to ids and back; ids 0 to 3 are `SPECIAL`."""

    def __len__(self) -> int:
        """Return the number of ids, the four special ones included."""

    def encode(self, string: str, /) -> list[int]:
        """Return the ids of a string, without start and end."""

    def decode(self, ids: Sequence[int], /) -> str:
        """Return the string; padding, start and end are left out."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values from which the tokenizer can be made again."""
