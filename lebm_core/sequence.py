"""Autoregressive decoder p(x | z) and encoder q(z | x) over token ids: text and molecules.

x is (B, T) integer ids, padded at the right with `pad`; every sequence ends in `eos` and holds no
`bos`: the decoder feeds that itself. log p(x|z) sums over the tokens up to and including `eos`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core.data import BatchSource
from lebm_core.decoder import Decoder, Encoder, gaussian_code
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.precision import half_is_faster, recurrent_autocast
from lebm_core.recurrent import CausalTransformer, LockedDropout, RecurrentNet
from lebm_core.sequence_distribution import SequenceDistribution
from lebm_core.vocabulary_loss import token_nll

__all__ = ["SequenceDecoder", "SequenceDistribution", "SequenceEncoder"]

CELLS = ("lstm", "gru", "transformer")
POOLINGS = ("last", "mean", "max")
LONGEST = 60  # drawn by a decoder that was told no other length


class SequenceDecoder(Decoder):
    """Next-token model with z at every step and in the initial state.

    Args:
        latent_dim: d; 0 makes a plain language model.
        vocab_size: V.
        cell: "lstm", "gru" or "transformer".
        embed_dim: E.
        hidden: H; a transformer's width is E and its feed-forward width H.
        layers: number of layers.
        heads: attention heads, transformer only.
        dropout: of the embeddings and of the outputs, in training; one mask for all steps.
        word_dropout: share of input tokens that training hides.
        tied: the output layer is the embedding, behind a map from H to E.
        max_length: longest sequence that `sample` draws; None for that of the data, or 60.
        pad: id of the padding.
        bos: id that starts the input.
        eos: id that ends a sequence.
        half: bfloat16 in gradients where that is faster; figures without a gradient are float32.

    Raises:
        UsageError: for an unknown cell, or ids outside the vocabulary.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
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
        super().__init__()
        _check(cell, vocab_size, pad, bos, eos)
        self.latent_dim, self.vocab_size, self.cell = latent_dim, vocab_size, cell
        self.max_length = LONGEST if max_length is None else max_length
        self.pad, self.bos, self.eos = pad, bos, eos
        self.allow_half, self.word_dropout = half, word_dropout
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        nn.init.normal_(self.embedding.weight, std=embed_dim**-0.5 if tied else 0.1)
        self.dropout = LockedDropout(dropout)
        self.net: RecurrentNet | CausalTransformer
        if cell == "transformer":
            self.net = CausalTransformer(latent_dim, embed_dim, hidden, layers, heads, dropout)
            width = embed_dim
        else:
            self.net = RecurrentNet(cell, latent_dim, embed_dim, hidden, layers, dropout)
            width = hidden
        self.tied = tied
        self.project = nn.Linear(width, embed_dim) if tied else nn.Identity()
        self.output = nn.Linear(embed_dim if tied else width, vocab_size)
        if tied:
            self.output.weight = self.embedding.weight
        nn.init.zeros_(self.output.bias)

    def forward(self, z: Tensor, context: Tensor | None = None) -> SequenceDistribution:
        """p(x | z), batch shape (B,)."""
        return SequenceDistribution(self, z)

    @torch.no_grad()
    def initialise(self, dataset: BatchSource) -> None:
        """Starts the output's bias at the log frequencies of the training split's tokens.

        The first epoch is then not spent on learning which words are common.
        """
        counts = torch.full((self.vocab_size,), 0.5)  # what never occurs is not impossible
        for batch in dataset.batches("train", 1024):
            tokens = batch.x[batch.x != self.pad]
            counts += torch.bincount(tokens.cpu(), minlength=self.vocab_size)
        self.output.bias.copy_((counts / counts.sum()).log())

    def use_half(self) -> bool:
        """bfloat16 only while gradients are taken: reported figures come from float32."""
        device = self.embedding.weight.device.type
        return self.allow_half and torch.is_grad_enabled() and half_is_faster(device)

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """z -> log p(x|z); embeddings, masks and input projections are computed once.

        z may hold k codes for each of the n sequences, (n k, d) -> (n k,), sequence by sequence.
        """
        x = x[:, : int((x != self.pad).sum(1).max())] if x.numel() else x
        n, length = x.shape
        inputs = torch.cat([x.new_full((n, 1), self.bos), x[:, :-1]], dim=1)
        keep = (x != self.pad).flatten().nonzero().squeeze(1)  # tokens that count
        targets = x.flatten()[keep]
        row = keep // length
        embedded = self.embed(inputs)
        prepared: Any = self.net.prepare(embedded, self.use_half())

        def log_prob(z: Tensor) -> Tensor:
            k = len(z) // n if n else 1
            half = self.use_half()
            h = self.dropout(self.net.run(prepared, embedded, z, half))  # (n k, T, width)
            if k == 1:
                flat, wanted, where = h.flatten(0, 1)[keep], targets, row
            else:
                flat = h.view(n, k, length, -1).transpose(1, 2).flatten(0, 1)[keep].flatten(0, 1)
                wanted = targets.repeat_interleave(k)
                where = (row[:, None] * k + torch.arange(k, device=row.device)).flatten()
            hidden = self.project(flat)
            nll = token_nll(hidden, self.output.weight, self.output.bias, wanted, half=half)
            return -z.new_zeros(len(z)).index_add(0, where, nll)

        return log_prob

    def embed(self, inputs: Tensor) -> Tensor:
        """Embeddings of ids (B, T) -> (B, T, E), with dropout and hidden words in training."""
        embedded: Tensor = self.dropout(self.embedding(inputs))
        if self.training and self.word_dropout:
            shown = torch.rand(inputs.shape, device=inputs.device) >= self.word_dropout
            embedded = embedded * shown[..., None]
        return embedded

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Logits (B, V) of the next token after `token` (B,), and the new state (None to start)."""
        h, state = self.net.step(self.embedding(token), state, z)
        return self.output(self.project(h)), state

    def select(self, state: Any, rows: Tensor) -> Any:
        """The state of the given sequences alone."""
        return self.net.select(state, rows)


class SequenceEncoder(Encoder):
    """q(z | x) by a bidirectional recurrent net that sees each sequence up to its own end.

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
            (Conneau et al. 2017, arXiv 1705.02364), which sees every word alike.

    Raises:
        UsageError: for an unknown cell or pooling, or a padding outside the vocabulary.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        cell: str = "lstm",
        embed_dim: int = 256,
        hidden: int = 256,
        dropout: float = 0.2,
        pad: int = 0,
        half: bool = True,
        pooling: str = "last",
    ) -> None:
        super().__init__()
        _check(cell, vocab_size, pad, pad, pad, CELLS[:2])
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
        return self.from_embedded(self.embed(x), x, context)

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings of ids (B, T) -> (B, t, E), t the longest's; 0 for padding; with dropout."""
        x = x[:, : int((x != self.pad).sum(1).max().clamp(min=1))] if x.numel() else x
        embedded: Tensor = self.dropout(self.embedding(x))
        return embedded * (x != self.pad)[..., None]

    def from_embedded(
        self, embedded: Tensor, x: Tensor, context: Tensor | None = None
    ) -> Independent[Normal]:
        """q(z | x) from `embed(x)`; x says where each sequence ends."""
        lengths = (x != self.pad).sum(1).clamp(min=1)
        last = lengths - 1
        steps = torch.arange(embedded.shape[1], device=x.device)
        reverse = (last[:, None] - steps).clamp(min=0)
        device = x.device.type
        half = self.allow_half and torch.is_grad_enabled() and half_is_faster(device)
        with recurrent_autocast(device, half):
            left, _ = self.left(embedded)
            right, _ = self.right(embedded.gather(1, reverse[..., None].expand_as(embedded)))
        states = torch.cat([left, right], dim=-1).float()
        return gaussian_code(self.output(self._pooled(states, lengths)))

    def _pooled(self, states: Tensor, lengths: Tensor) -> Tensor:
        """One vector (B, 2 H) of the states (B, T, 2 H) of each sequence."""
        if self.pooling == "last":
            return states[torch.arange(len(states), device=states.device), lengths - 1]
        steps = torch.arange(states.shape[1], device=states.device)
        outside = (steps >= lengths[:, None])[..., None]
        if self.pooling == "max":
            return states.masked_fill(outside, -torch.inf).amax(1)
        return states.masked_fill(outside, 0.0).sum(1) / lengths[:, None]


def _check(
    cell: str, vocab_size: int, pad: int, bos: int, eos: int, cells: tuple[str, ...] = CELLS
) -> None:
    if cell not in cells:
        raise UsageError(
            f'Unknown cell "{cell}": accepted are {", ".join(cells)}.' + did_you_mean(cell, cells)
        )
    if min(pad, bos, eos) < 0 or max(pad, bos, eos) >= vocab_size:
        raise UsageError(
            f"The special ids {pad}, {bos}, {eos} are not all in a vocabulary of {vocab_size}."
        )
