"""Autoregressive decoder p(x | z) over token ids.

x is (B, T) integer ids, padded at the right with `pad`; every sequence ends in `eos` and holds no
`bos`: the decoder adds it itself. log p(x|z) sums over the tokens up to and including `eos`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor, nn

from lebm_core.base.arguments import ids
from lebm_core.base.checks import WIDEST, share, whole
from lebm_core.base.precision import half_is_faster
from lebm_core.data.dataset import BatchSource
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import Decoder
from lebm_core.sequences.cells import LONGEST, MOST_TOKENS, check_cell, check_ids
from lebm_core.sequences.distribution import SequenceDistribution
from lebm_core.sequences.networks import CausalTransformer, LockedDropout, RecurrentNet
from lebm_core.sequences.token_nll import fixed_vocabulary, token_nll

__all__ = ["SequenceDecoder", "SequenceOptions"]


class SequenceOptions(TypedDict, total=False):
    """The options of a `SequenceDecoder`'s network, for a subclass that passes them on."""

    cell: Literal["lstm", "gru", "transformer"]
    embed_dim: int
    hidden: int
    layers: int
    heads: int
    dropout: float
    word_dropout: float
    tied: bool
    half: bool


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
        max_length: longest sequence that `sample` draws; None for that of the data, else 60.
        pad: id of the padding.
        bos: id that starts the input.
        eos: id that ends a sequence.
        half: bfloat16 in gradients where that is faster; values without a gradient are float32.

    Raises:
        UsageError: for an unknown cell, or ids outside the vocabulary.
    """

    capturable = True  # after `likelihood` has counted the tokens

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        cell: Literal["lstm", "gru", "transformer"] = "lstm",
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
        check_cell(cell)
        check_ids(vocab_size, pad, bos, eos)
        for key, size, most in (
            ("embed_dim", embed_dim, WIDEST), ("hidden", hidden, WIDEST), ("layers", layers, 1000),
            ("heads", heads, 10_000), ("max_length", max_length or 1, MOST_TOKENS),
        ):  # fmt: skip
            whole(f"decoder.{key}", size, 1, most)
        share("decoder.dropout", dropout)
        share("decoder.word_dropout", word_dropout)
        if cell == "transformer" and embed_dim % heads:
            raise UsageError(
                f"decoder.embed_dim = {embed_dim} is not a multiple of decoder.heads = {heads}."
            )
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
        """Return p(x | z), batch shape (B,)."""
        return SequenceDistribution(self, z)

    @torch.no_grad()
    def initialise(self, dataset: BatchSource) -> None:
        """Set the output's bias to the log frequencies of the training split's tokens.

        The first epoch is then not spent on learning them.
        """
        counts = torch.full((self.vocab_size,), 0.5)  # no token is impossible
        for batch in dataset.batches("train", 1024):
            tokens = batch.x[batch.x != self.pad]
            counts += torch.bincount(tokens.cpu(), minlength=self.vocab_size)
        self.output.bias.copy_((counts / counts.sum()).log())

    def examples(self, x: Any, context: Tensor | None = None) -> Any:
        """Return token ids (B, T) below the size of the vocabulary."""
        return ids("x", x, self.vocab_size, self)

    def use_half(self) -> bool:
        """Return whether to use bfloat16: only where gradients are taken."""
        device = self.embedding.weight.device.type
        return self.allow_half and torch.is_grad_enabled() and half_is_faster(device)

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return z -> log p(x|z); embeddings, masks and input projections are computed once.

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
        weight, bias = self.output.weight, self.output.bias
        fixed = fixed_vocabulary(weight, bias) if self.use_half() else None

        def log_prob(z: Tensor) -> Tensor:
            k = len(z) // n if n else 1
            half = self.use_half()
            h = self.net.run(prepared, embedded, self.codes(z), half)
            h = self.dropout(h)  # (n k, T, width)
            if k == 1:
                flat, wanted, where = h.flatten(0, 1)[keep], targets, row
            else:
                flat = h.view(n, k, length, -1).transpose(1, 2).flatten(0, 1)[keep].flatten(0, 1)
                wanted = targets.repeat_interleave(k)
                where = (row[:, None] * k + torch.arange(k, device=row.device)).flatten()
            hidden = self.project(flat)
            fast = fixed if half else None
            nll = token_nll(hidden, weight, bias, wanted, half=half, fixed=fast)
            return -z.new_zeros(len(z)).index_add(0, where, nll)

        return log_prob

    def likelihood_of_known(
        self, x: Tensor, known: Tensor, context: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Return z -> log p(first tokens | z), of sequences of which the rest is not known.

        Raises:
            UsageError: where what is known is no beginning, nothing of a sequence is, or more than
                the longest sequence has.
        """
        known = known & (x != self.pad)
        if bool((known[:, 1:] & ~known[:, :-1]).any()) or not bool(known[:, :1].all()):
            raise UsageError(
                "complete() goes on from the beginning of a sequence: the known tokens of each "
                "must be its first ones, one at least."
            )
        longest = int(known.sum(1).max()) if len(known) else 0
        if longest > self.max_length:
            raise UsageError(
                f"A beginning of {longest} tokens cannot go on: this model's sequences have "
                f"{self.max_length} at most; give a shorter one."
            )
        return self.likelihood(x.where(known, self.pad), context)

    def filled(
        self,
        z: Tensor,
        x: Tensor,
        known: Tensor,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return a draw of p(x | z) given the first tokens, (B, T)."""
        p: SequenceDistribution = self(z, context)
        return p.sample(generator=generator, start=x.where(known, self.pad))

    def codes(self, z: Tensor) -> Tensor:
        """Return the codes that enter the network one after another, (B, S, d): z alone."""
        return z[:, None]

    def embed(self, inputs: Tensor) -> Tensor:
        """Return embeddings of ids, (B, T, E), with dropout and hidden tokens in training."""
        embedded: Tensor = self.dropout(self.embedding(inputs))
        if self.training and self.word_dropout:
            shown = torch.rand(inputs.shape, device=inputs.device) >= self.word_dropout
            embedded = embedded * shown[..., None]
        return embedded

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, V) of the token after `token` (B,), and the new state."""
        h, state = self.net.step(self.embedding(token), state, z)
        return self.output(self.project(h)), state

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the state of the given sequences alone."""
        return self.net.select(state, rows)
