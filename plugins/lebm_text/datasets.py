"""Sentences as a `lebm_core` data set: padded batches of token ids, bucketed by length."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from lebm_core.token_data import TokenDataset, pad
from lebm_text.tokenizer import load_tokenizer

__all__ = ["TextDataset", "pad"]


class TextDataset(TokenDataset):
    """Sentences as token ids."""

    file = "text.json"

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; the splits are empty."""
        saved = cls.saved(folder)
        tokenizer = load_tokenizer(saved["tokenizer"])
        return cls(
            tokenizer, {}, saved["summary"], saved["max_length"], classes=saved["classes"]
        )
