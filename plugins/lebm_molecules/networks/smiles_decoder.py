"""The sequence decoder, told at each token of a SMILES which rings and branches are open."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core.sequences.decoder import SequenceDecoder

__all__ = ["SmilesDecoder"]

RING = re.compile(r"%?\(?(\d+)\)?")  # 1, %12, %(123)
DEEPEST = 6  # branches within each other that are told apart


class SmilesDecoder(SequenceDecoder):
    """A `SequenceDecoder` that sees which rings and how many branches the tokens so far left open.

    Both follow from the tokens, so p(x | z) is a distribution over the same strings as before and
    nothing is forbidden or repaired: a net without them has to count for itself over tens of
    tokens, which is where most of its invalid strings come from. In SELFIES, where no token opens
    or closes anything, it is the `SequenceDecoder`.

    Args:
        latent_dim: d; 0 makes a plain language model.
        vocab_size: V.
        symbols: the V tokens as text.
        cell: "lstm", "gru" or "transformer".
        embed_dim: E.
        hidden: H; a transformer's width is E and its feed-forward width H.
        layers: number of layers.
        heads: attention heads, transformer only.
        dropout: of the embeddings and of the outputs, in training; one mask for all steps.
        word_dropout: share of input tokens that training hides; what is open is not hidden.
        tied: the output layer is the embedding, behind a map from H to E.
        max_length: longest sequence that `sample` draws; None for that of the data, or 60.
        pad: id of the padding.
        bos: id that starts the input.
        eos: id that ends a sequence.
        half: bfloat16 in gradients where that is faster; figures without a gradient are float32.

    Raises:
        UsageError: for an unknown cell, or ids outside the vocabulary.
    """

    changes: Tensor

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        symbols: Sequence[str],
        cell: str = "lstm",
        embed_dim: int = 256,
        hidden: int = 512,
        layers: int = 1,
        heads: int = 4,
        dropout: float = 0.2,
        word_dropout: float = 0.0,
        tied: bool = True,
        max_length: int | None = None,
        pad: int = 0,
        bos: int = 1,
        eos: int = 2,
        half: bool = True,
    ) -> None:
        super().__init__(
            latent_dim, vocab_size, cell, embed_dim, hidden, layers, heads, dropout, word_dropout,
            tied, max_length, pad, bos, eos, half,
        )  # fmt: skip
        self.register_buffer("changes", _changes(symbols, vocab_size), persistent=False)
        self.open = nn.Linear(self.changes.shape[1] - 1 + DEEPEST, embed_dim, bias=False)
        nn.init.zeros_(self.open.weight)

    def embed(self, inputs: Tensor) -> Tensor:
        """Embeddings of ids (B, T) and of what is open after each, (B, T, E)."""
        opened: Tensor = self.open(_seen(self.changes[inputs].cumsum(1)))
        return super().embed(inputs) + opened

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Logits (B, V) of the next token after `token` (B,), and the new state (None to start)."""
        opened, inner = (0, None) if state is None else state
        opened = opened + self.changes[token]
        embedded = self.embedding(token) + self.open(_seen(opened))
        h, inner = self.net.step(embedded, inner, z)
        return self.output(self.project(h)), (opened, inner)

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state of the given sequences alone."""
        opened, inner = state
        return opened[rows], self.net.select(inner, rows)


def _changes(symbols: Sequence[str], vocab_size: int) -> Tensor:
    """What each token adds, (V, R + 1): to the number of each ring's digits, and to the depth."""
    rings = [found[1] if (found := RING.fullmatch(s)) else "" for s in symbols]
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
