"""Subword tokenizers of Hugging Face with the interface of the word vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lebm_core.errors import MissingExtra, UsageError
from lebm_core.sequences.tokens import EOS, SPECIAL, Tokenizer
from lebm_text.data.vocabulary import Vocabulary

__all__ = ["Subwords", "load_tokenizer"]


class Subwords:
    """A `tokenizers` tokenizer; its ids follow the four special ids of lebm, in its own order.

    The tokenizer's own start and end symbols are not added: padding, start and end are lebm's.

    Args:
        definition: the tokenizer as the JSON text that `tokenizers` writes.
    """

    def __init__(self, definition: str) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise MissingExtra("tokenizers", "text") from error
        self.definition = definition
        self._tokenizer = tokenizers.Tokenizer.from_str(definition)
        # A stored tokenizer may cut or pad: both would change the text silently.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @classmethod
    def from_pretrained(cls, source: str) -> Subwords:
        """Read a tokenizer.json, a folder that `transformers` saved, or a hub id.

        Raises:
            UsageError: where `source` is none of these.
        """
        path = Path(source)
        if path.is_file():
            return cls._from_text(path.read_text(encoding="utf-8"), source)
        if (path / "tokenizer.json").is_file():
            return cls._from_text((path / "tokenizer.json").read_text(encoding="utf-8"), source)
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "text") from error
        try:
            return cls(AutoTokenizer.from_pretrained(source).backend_tokenizer.to_str())
        except (OSError, ValueError, AttributeError) as error:
            raise UsageError(
                f'data.tokenizer = "{source}" is no tokenizer.json, no folder with one and no '
                "hub id that could be read."
            ) from error

    @classmethod
    def _from_text(cls, text: str, source: str) -> Subwords:
        try:
            return cls(text)
        except MissingExtra:
            raise
        except Exception as error:  # the library raises a bare Exception for a wrong file
            raise UsageError(
                f'data.tokenizer = "{source}" is not a tokenizer.json of the tokenizers library.'
            ) from error

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size()) + len(SPECIAL)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, each shifted past the special ids."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [i + len(SPECIAL) for i in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text up to the first end."""
        shifted = []
        for i in ids:
            if i == EOS:
                break
            if i >= len(SPECIAL):
                shifted.append(i - len(SPECIAL))
        # A line break would split a sample in two in samples.txt.
        return " ".join(self._tokenizer.decode(shifted, skip_special_tokens=False).split())

    def to_json(self) -> dict[str, Any]:
        """Return the whole definition: a saved model needs neither the file nor the hub."""
        return {"kind": "subwords", "definition": json.loads(self.definition)}


def load_tokenizer(saved: dict[str, Any]) -> Tokenizer:
    """Make the vocabulary or tokenizer that `to_json` described."""
    if saved["kind"] == "words":
        return Vocabulary(saved["words"])
    return Subwords(json.dumps(saved["definition"]))
