"""The sequence decoder with the open rings and branches of a SMILES as inputs at each token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from lebm_core.sequences.decoder import SequenceDecoder, SequenceOptions

__all__ = ["SmilesDecoder"]

RING = re.compile(r"%?\(?(\d+)\)?")  # 1, %12, %(123)
DEEPEST = 6  # nested branches that are distinguished


class SmilesDecoder(SequenceDecoder):
    """A `SequenceDecoder` that sees which rings and how many branches the tokens so far left open.

    Both follow from the tokens, so p(x | z) is a distribution over the same strings and nothing is
    forbidden or repaired: a network without them has to count over tens of tokens, the cause of
    most of its invalid strings. In SELFIES, whose tokens open nothing, it is the `SequenceDecoder`.

    Args:
        latent_dim: d; 0 makes a plain language model.
        vocab_size: V.
        symbols: the V tokens as strings.
        max_length: longest sequence that `sample` draws; None for that of the data, else 60.
        pad: id of the padding.
        bos: id that starts the input.
        eos: id that ends a sequence.
        word_dropout: share of input tokens that training hides; open rings and branches stay.
        network: options of the `SequenceDecoder`.

    Raises:
        UsageError: for an unknown cell, or ids outside the vocabulary.
    """

    changes: Tensor

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        symbols: Sequence[str],
        max_length: int | None = None,
        pad: int = 0,
        bos: int = 1,
        eos: int = 2,
        **network: Unpack[SequenceOptions],
    ) -> None:
        super().__init__(
            latent_dim, vocab_size, max_length=max_length, pad=pad, bos=bos, eos=eos, **network
        )
        width = self.embedding.embedding_dim
        self.register_buffer("changes", _changes(symbols, vocab_size), persistent=False)
        self.open = nn.Linear(self.changes.shape[1] - 1 + DEEPEST, width, bias=False)
        nn.init.zeros_(self.open.weight)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return embeddings of ids and of the open rings and branches after each, (B, T, E)."""
        opened: Tensor = self.open(_seen(self.changes[inputs].cumsum(1)))
        return super().embed(inputs) + opened

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, V) of the token after `token` (B,), and the new state."""
        opened, inner = (0, None) if state is None else state
        opened = opened + self.changes[token]
        embedded = self.embedding(token) + self.open(_seen(opened))
        h, inner = self.net.step(embedded, inner, z)
        return self.output(self.project(h)), (opened, inner)

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the state of the given sequences alone."""
        opened, inner = state
        return opened[rows], self.net.select(inner, rows)


def _changes(symbols: Sequence[str], vocab_size: int) -> Tensor:
    """The increment of each token, (V, R + 1): of the count of each ring's digits, and of depth."""
    rings = [match[1] if (match := RING.fullmatch(s)) else "" for s in symbols]
    labels = sorted(set(rings) - {""}, key=int)
    changes = torch.zeros(vocab_size, len(labels) + 1)
    for i, (symbol, ring) in enumerate(zip(symbols, rings, strict=True)):
        if ring:
            changes[i, labels.index(ring)] = 1
        changes[i, -1] = {"(": 1, ")": -1}.get(symbol, 0)
    return changes


def _seen(added: Tensor) -> Tensor:
    """Which rings are open, a number twice being closed, and "at least k branches" for each k.

    Args:
        added: (..., R + 1) sums of `_changes`.

    Returns:
        (..., R + DEEPEST) of 0 and 1.
    """
    levels = torch.arange(1, DEEPEST + 1, device=added.device)
    return torch.cat([added[..., :-1] % 2, (added[..., -1:] >= levels).to(added)], dim=-1)
