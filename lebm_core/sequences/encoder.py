"""Sequence encoder: a recurrent net over tokens, pooled to a Gaussian code."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core.base.checks import WIDEST, share, whole
from lebm_core.base.precision import half_is_faster, recurrent_autocast
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.latent.encoder import Encoder, gaussian_code
from lebm_core.sequences.cells import CELLS, check_cell, check_ids
from lebm_core.sequences.networks import LockedDropout

__all__ = ["SequenceEncoder"]

POOLINGS = ("last", "mean", "max")


class SequenceEncoder(Encoder):
    """q(z | x) by a bidirectional recurrent net over each sequence up to its end.

    The backward direction runs over the sequence reversed within its length, so padding never
    enters a state.

    Args:
        latent_dim: d.
        vocab_size: V.
        cell: "lstm" or "gru".
        embed_dim: E.
        hidden: H of each direction.
        dropout: of the embeddings, in training.
        pad: id of the padding.
        half: bfloat16 in gradients where that is faster.
        pooling: of each direction's states the "last", or over all tokens the "mean" or the "max"
            (Conneau et al. 2017, arXiv 1705.02364), which weighs all tokens alike.

    Raises:
        UsageError: for an unknown cell or pooling, or a padding outside the vocabulary.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        cell: Literal["lstm", "gru"] = "lstm",
        embed_dim: int = 256,
        hidden: int = 256,
        dropout: float = 0.2,
        pad: int = 0,
        half: bool = True,
        pooling: Literal["last", "mean", "max"] = "last",
    ) -> None:
        super().__init__()
        check_cell(cell, CELLS[:2])
        check_ids(vocab_size, pad)
        whole("encoder.embed_dim", embed_dim, 1, WIDEST)
        whole("encoder.hidden", hidden, 1, WIDEST)
        share("encoder.dropout", dropout)
        if pooling not in POOLINGS:
            raise UsageError(
                f'encoder.pooling = "{pooling}": accepted are {", ".join(POOLINGS)}.'
                + did_you_mean(pooling, POOLINGS)
            )
        self.pooling = pooling
        self.latent_dim, self.pad, self.allow_half = latent_dim, pad, half
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.dropout = LockedDropout(dropout)
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.left = kind(embed_dim, hidden, batch_first=True)
        self.right = kind(embed_dim, hidden, batch_first=True)
        self.output = nn.Linear(2 * hidden, 2 * latent_dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        """Return q(z | x)."""
        return self.from_embedded(self.embed(x), x, context)

    def embed(self, x: Tensor) -> Tensor:
        """Return embeddings of ids, (B, t, E), t of the longest; 0 for padding; with dropout."""
        x = x[:, : int((x != self.pad).sum(1).max().clamp(min=1))] if x.numel() else x
        embedded: Tensor = self.dropout(self.embedding(x))
        return embedded * (x != self.pad)[..., None]

    def from_embedded(
        self, embedded: Tensor, x: Tensor, context: Tensor | None = None
    ) -> Independent[Normal]:
        """Return q(z | x) from `embed(x)`; the lengths are those of x."""
        lengths = (x != self.pad).sum(1).clamp(min=1)
        last = lengths - 1
        steps = torch.arange(embedded.shape[1], device=x.device)
        reverse = (last[:, None] - steps).clamp(min=0)
        device = x.device.type
        half = self.allow_half and torch.is_grad_enabled() and half_is_faster(device)
        with recurrent_autocast(device, half):
            left, _ = self.left(embedded)
            right, _ = self.right(embedded.gather(1, reverse[..., None].expand_as(embedded)))
        return self.code(left.float(), right.float(), reverse, lengths)

    def code(
        self, left: Tensor, right: Tensor, reverse: Tensor, lengths: Tensor
    ) -> Independent[Normal]:
        """Return q(z | x) from the states of both directions.

        Args:
            left: (B, t, H) states after each token, from the first one on.
            right: (B, t, H) states after each token from the last one back, in that order.
            reverse: (B, t) the token at each place of `right`.
            lengths: (B,) tokens of each sequence.
        """
        return gaussian_code(self.output(self.pooled(torch.cat([left, right], dim=-1), lengths)))

    def embedded_scale(self, embedded: Tensor, x: Tensor) -> Tensor:
        """Return the root mean square length of each sequence's vectors that are not 0, (B, 1)."""
        lengths = embedded.detach().norm(dim=2)
        many = (lengths != 0).sum(1, keepdim=True).clamp(min=1)
        scale: Tensor = lengths.norm(dim=1, keepdim=True) / many.sqrt()
        return scale

    def augment(
        self, embedded: Tensor, masked: float, generator: torch.Generator | None = None
    ) -> Tensor:
        """Set a share of each sequence's vectors to 0, at random (token dropout).

        Args:
            embedded: (B, T, E), what `embed` gave.
            masked: share of the vectors.
            generator: source of all randomness.
        """
        device = embedded.device if generator is None else generator.device
        drawn = torch.rand((*embedded.shape[:2], 1), generator=generator, device=device)
        return embedded * (drawn.to(embedded.device) >= masked)

    def pooled(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return one vector (B, 2 H) of the states (B, T, 2 H) of each sequence."""
        if self.pooling == "last":
            return states[torch.arange(len(states), device=states.device), lengths - 1]
        steps = torch.arange(states.shape[1], device=states.device)
        outside = (steps >= lengths[:, None])[..., None]
        if self.pooling == "max":
            return states.masked_fill(outside, -torch.inf).amax(1)
        return states.masked_fill(outside, 0.0).sum(1) / lengths[:, None]
