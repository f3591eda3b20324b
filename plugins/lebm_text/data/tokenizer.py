"""Subword tokenizers of Hugging Face with the interface of the word vocabulary."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lebm_core.data.files import own_path
from lebm_core.errors import MissingExtra, UsageError, shown
from lebm_core.sequences.dataset import is_list_of
from lebm_core.sequences.tokens import EOS, SPECIAL
from lebm_text.data.vocabulary import Vocabulary

__all__ = ["Subwords", "load_tokenizer"]


class Subwords:
    """A `tokenizers` tokenizer; its ids follow the four special ids of lebm, in its own order.

    The tokenizer's own start and end symbols are not added: padding, start and end are lebm's.

    Args:
        definition: the tokenizer as the JSON text that `tokenizers` writes.

    Attributes:
        unknown: the ids that stand for text of which the tokenizer knows no token.
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
        self.unknown = frozenset(i + len(SPECIAL) for i in _unknown_ids(self._tokenizer))

    @classmethod
    def from_pretrained(cls, source: str) -> Subwords:
        """Read a tokenizer.json, a folder that `transformers` saved, or a hub id.

        Raises:
            UsageError: where `source` is none of these.
        """
        path = own_path(source)
        for file in (path, path / "tokenizer.json"):
            if os.path.isfile(file):
                return cls._from_file(file, source)
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MissingExtra("transformers", "text") from error
        try:
            return cls(AutoTokenizer.from_pretrained(source).backend_tokenizer.to_str())
        except Exception as error:  # the library raises many kinds; none of them is a bug of lebm
            raise UsageError(
                f"data.tokenizer = {shown(source, 300)} is no tokenizer.json, no folder with one "
                "and no hub id that could be read."
            ) from error

    @classmethod
    def _from_file(cls, file: Path, source: str) -> Subwords:
        try:
            return cls(file.read_text(encoding="utf-8"))
        except MissingExtra:
            raise
        except Exception as error:  # the library raises a bare Exception for a wrong file
            raise UsageError(
                f"data.tokenizer = {shown(source, 300)} is not a tokenizer.json of the tokenizers "
                "library."
            ) from error

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size()) + len(SPECIAL)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`, each shifted past the special ids.

        Raises:
            UsageError: where the tokenizer has no token for a piece of the text, and says so.
        """
        try:
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        except Exception as error:  # a bare Exception, for instance of a missing unknown token
            raise UsageError(f"data.tokenizer cannot read {shown(text)}: {error}.") from error
        return [i + len(SPECIAL) for i in ids]

    def dropped(self, texts: Iterable[str]) -> Counter[str]:
        """Return how often each character occurs that leaves no token behind, white space aside.

        A tokenizer without an unknown token says nothing of what it leaves out.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return Counter({c: n for c, n in counts.items() if not c.isspace() and self._drops(c)})

    def _drops(self, character: str) -> bool:
        """Return whether a character has no token, or none for some of its bytes."""
        ids = self.encode(character)
        if not ids:  # it may have one inside a word alone
            return not self.encode(3 * character)
        return "\ufffd" in self.decode(ids) and character != "\ufffd"

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


def _unknown_ids(tokenizer: Any) -> set[int]:
    """Return the ids of a tokenizer that mean "unknown", whatever their token is called."""
    definition = json.loads(tokenizer.to_str())
    model = definition["model"]
    found = {tokenizer.token_to_id(model["unk_token"])} if model.get("unk_token") else set()
    found.add(model.get("unk_id"))
    for token in definition.get("added_tokens") or []:
        if token["special"] and "unk" in token["content"].lower():
            found.add(token["id"])
    return found - {None}


def load_tokenizer(saved: dict[str, Any], file: Path) -> Vocabulary | Subwords:
    """Make the vocabulary or tokenizer that `to_json` described.

    Raises:
        UsageError: naming `file`, where it describes neither.
    """
    words = saved.get("words")
    if saved.get("kind") == "words" and is_list_of(words, str):
        try:
            return Vocabulary(words)
        except UsageError as error:
            raise UsageError(f"{file} is damaged. {error}") from None
    try:
        return Subwords(json.dumps(saved["definition"]))
    except MissingExtra:
        raise
    except Exception as error:
        raise UsageError(f"{file} is damaged: it holds no vocabulary and no tokenizer.") from error
