"""Encoders of counts: how often each token of a vocabulary occurs, in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core.base.checks import choice, share, widths
from lebm_core.base.networks import mlp
from lebm_core.data.dataset import BatchSource
from lebm_core.latent.encoder import Encoder, gaussian_code
from lebm_core.sequences.cells import check_ids
from lebm_core.sequences.tokens import BOS, EOS, PAD

__all__ = ["CountEncoder", "TokenCountEncoder"]

SCALES = ("log", "unit", "tfidf")
Scale = Literal["log", "unit", "tfidf"]


class CountEncoder(Encoder):
    """q(z | x), a multilayer perceptron on counts (B, V).

    Args:
        latent_dim: d.
        features: V, tokens of the vocabulary.
        hidden: widths of the hidden layers.
        dropout: probability of dropping a hidden unit in training.
        counts: their transform: "log", log(1 + count); "unit", an example's counts divided by
            their norm, which removes its length; "tfidf", the same after each count is multiplied
            by log((1 + N) / (1 + n)) + 1, n of N training examples having the token.

    Raises:
        UsageError: for an unknown transform, or a dropout outside [0, 1).
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: Sequence[int] = (200, 200),
        dropout: float = 0.0,
        counts: Scale = "log",
    ) -> None:
        super().__init__()
        choice("encoder.counts", counts, SCALES)
        share("encoder.dropout", dropout)
        widths("encoder.hidden", hidden)
        self.latent_dim, self.counts = latent_dim, counts
        self.net = mlp([features, *hidden, 2 * latent_dim], nn.GELU, dropout)
        if counts == "tfidf":
            self.register_buffer("rarity", torch.ones(features))

    rarity: Tensor  # the inverse document frequency of each token, (V,)

    def counted(self, x: Any) -> Tensor:
        """The counts of examples x, (B, V)."""
        counts: Tensor = x
        return counts

    def initialise(self, dataset: BatchSource) -> None:
        """Set the inverse document frequencies by the training split."""
        if self.counts != "tfidf":
            return
        found, examples = torch.zeros_like(self.rarity), 0
        for batch in dataset.batches("train", 512):
            found += (self.counted(batch.x) > 0).sum(0)
            examples += len(batch.x)
        self.rarity.copy_(((1 + examples) / (1 + found)).log() + 1)

    def forward(self, x: Any, context: Tensor | None = None) -> Independent[Normal]:
        return self.from_embedded(self.embed(x), x, context)

    def embed(self, x: Any) -> Tensor:
        """Transform the counts, (B, V): perturbations of p(y | x) are applied to the result."""
        counts = self.counted(x)
        if self.counts == "log":
            return counts.log1p()
        if self.counts == "tfidf":
            counts = counts * self.rarity
        unit: Tensor = counts / counts.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        return unit

    def from_embedded(
        self, embedded: Tensor, x: Any, context: Tensor | None = None
    ) -> Independent[Normal]:
        """q(z | x) from `embed(x)`."""
        return gaussian_code(self.net(embedded))


class TokenCountEncoder(CountEncoder):
    """q(z | x) from which tokens a sequence has and how often: few labels teach it much.

    Args:
        latent_dim: d.
        vocab_size: V.
        hidden: widths of the hidden layers.
        dropout: probability of dropping a hidden unit in training.
        counts: their transform, see `CountEncoder`.
        pad: id of the padding, which is not counted, nor are start and end.

    Raises:
        UsageError: as for `CountEncoder`, or for a padding outside the vocabulary.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        hidden: Sequence[int] = (200, 200),
        dropout: float = 0.5,
        counts: Scale = "tfidf",
        pad: int = PAD,
    ) -> None:
        super().__init__(latent_dim, vocab_size, hidden, dropout, counts)
        check_ids(vocab_size, pad)
        self.vocab_size, self.pad = vocab_size, pad

    def counted(self, x: Any) -> Tensor:
        found = torch.zeros(len(x), self.vocab_size, device=x.device)
        found.scatter_add_(1, x, torch.ones_like(x, dtype=found.dtype))
        found[:, [self.pad, BOS, EOS]] = 0
        return found
