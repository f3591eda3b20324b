"""The networks of the sequence decoder: recurrent or causal transformer, with z at every step.

Each has `prepare` (the part that does not depend on z), `run` (all steps at once) and `step` (one
step, for sampling). In a chain only z changes: the recurrent network then adds the projected z to
input gates computed once, and differentiates by hand for z alone (`lebm_core.sequences.kernels`).
On a GPU it does not: a plain loop over cuDNN's network was five times as fast
(docs/results/speed.md).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lebm_core.base.precision import recurrent_autocast
from lebm_core.base.products import FixedLinear
from lebm_core.sequences.kernels import gru_states, lstm_states

__all__ = ["CausalTransformer", "LockedDropout", "RecurrentNet"]


class LockedDropout(nn.Module):
    """Dropout whose mask is the same at every step of a sequence (B, T, features).

    It regularises better than a mask a step (Gal and Ghahramani 2016, arXiv 1512.05287), and costs
    T times fewer random numbers, which are slow to draw on a CPU.

    Args:
        p: probability of dropping a feature.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, h: Tensor) -> Tensor:
        """Return h with whole features dropped, in training."""
        if not self.training or not self.p:
            return h
        mask = torch.empty(len(h), 1, h.shape[-1], device=h.device).bernoulli_(1 - self.p)
        return h * mask.div_(1 - self.p).to(h.dtype)


class PreparedGates(NamedTuple):
    """Input gates without z, (T, B, gates), and the recurrence of a chain's steps."""

    gates: Tensor
    recurrence: FixedLinear


class RecurrentNet(nn.Module):
    """An LSTM or GRU whose input at each step is the embedding and a code z, its first state a map
    of the first code.

    Args:
        cell: "lstm" or "gru".
        latent_dim: d.
        embed_dim: E.
        hidden: H.
        layers: number of layers.
        dropout: between layers.

    Attributes:
        every: steps after which the next of several codes enters; the last one stays.
    """

    def __init__(
        self, cell: str, latent_dim: int, embed_dim: int, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.every = 1
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        between = dropout if layers > 1 else 0.0
        self.cell, self.hidden, self.layers = cell, hidden, layers
        self.embed_dim = embed_dim
        # Any, for torch does not declare the weights of its recurrent nets.
        self.rnn: Any = kind(
            embed_dim + latent_dim, hidden, layers, batch_first=True, dropout=between
        )
        states = 2 if cell == "lstm" else 1
        self.start = nn.Linear(latent_dim, states * layers * hidden) if latent_dim else None

    def first_state(self, z: Tensor) -> tuple[Tensor, ...]:
        """Return tanh of a linear map of z: h, and c of an LSTM, each (layers, B, H)."""
        count = (2 if self.cell == "lstm" else 1) * self.layers
        if self.start is None:
            return z.new_zeros(count, len(z), self.hidden).chunk(count // self.layers)
        flat = torch.tanh(self.start(z)).view(len(z), count, self.hidden).transpose(0, 1)
        return flat.contiguous().chunk(count // self.layers)

    def prepare(self, embedded: Tensor, half: bool) -> PreparedGates | None:
        """Return what a chain's steps share, where only z will be differentiated."""
        weight = self.rnn.weight_ih_l0
        if self.layers > 1 or weight.is_cuda or weight.requires_grad or not torch.is_grad_enabled():
            return None
        with torch.no_grad():
            dtype = torch.bfloat16 if half else embedded.dtype
            gates: Tensor = embedded.transpose(0, 1).to(dtype)
            gates = gates @ weight[:, : self.embed_dim].to(dtype).T
            bias: Tensor = self.rnn.bias_ih_l0
            recurrence = FixedLinear.of(self.rnn.weight_hh_l0, len(embedded), half)
            return PreparedGates(gates.to(embedded.dtype) + bias, recurrence)

    def run(
        self, prepared: PreparedGates | None, embedded: Tensor, codes: Tensor, half: bool
    ) -> Tensor:
        """Return the states after each input, (B k, T, H), of codes (B k, S, d) in their order."""
        k = len(codes) // max(1, len(embedded))
        first_state = self.first_state(codes[:, 0])
        if prepared is not None and torch.is_grad_enabled():
            gates = prepared.gates.repeat_interleave(k, 1) if k > 1 else prepared.gates
            shift = codes.transpose(0, 1) @ self.rnn.weight_ih_l0[:, self.embed_dim :].T
            first = [s[0] for s in first_state]
            states = lstm_states if self.cell == "lstm" else gru_states
            bias = self.rnn.bias_hh_l0
            h = states(gates, shift, self.every, first, prepared.recurrence, bias)
            return h.transpose(0, 1)
        if k > 1:
            embedded = embedded.repeat_interleave(k, 0)
        length, last = embedded.shape[1], codes.shape[1] - 1
        if last:
            places = torch.arange(length, device=codes.device) // self.every
            codes = codes[:, places.clamp(max=last)]
        inputs = torch.cat([embedded, codes.expand(-1, length, -1)], dim=-1)
        # cuDNN gives no gradient in evaluation mode, the mode of every chain. Without dropout
        # between layers training mode is the same.
        training = self.rnn.training
        fused = training or not self.rnn.dropout or not torch.is_grad_enabled()
        self.rnn.training = training or (fused and torch.is_grad_enabled())
        try:
            with (
                torch.backends.cudnn.flags(
                    enabled=fused, allow_tf32=torch.backends.cudnn.allow_tf32
                ),
                recurrent_autocast(codes.device.type, half),
            ):
                out, _ = self.rnn(inputs, first_state if self.cell == "lstm" else first_state[0])
        finally:
            self.rnn.training = training
        return out.to(codes.dtype)  # type: ignore[no-any-return]

    def step(self, embedded: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Take one step from embeddings (B, E); return the top state (B, H) and the new state."""
        if state is None:
            first = self.first_state(z)
            state = first if self.cell == "lstm" else first[0]
        out, state = self.rnn(torch.cat([embedded, z], dim=-1)[:, None], state)
        return out[:, 0], state

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the state of the given sequences alone."""
        return tuple(s[:, rows] for s in state) if self.cell == "lstm" else state[:, rows]


class CausalTransformer(nn.Module):
    """Pre-norm transformer blocks that look back only; z is a first position and added to each.

    Args:
        latent_dim: d.
        width: model width E.
        feed_forward: width of the feed-forward layers.
        layers: number of blocks.
        heads: attention heads.
        dropout: in training.
        longest: number of position embeddings.
    """

    def __init__(
        self,
        latent_dim: int,
        width: int,
        feed_forward: int,
        layers: int,
        heads: int,
        dropout: float,
        longest: int = 1024,
    ) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(
            width, heads, feed_forward, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            block, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.position = nn.Embedding(longest, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.from_z = nn.Linear(latent_dim, width) if latent_dim else None

    def prepare(self, embedded: Tensor, half: bool) -> Tensor:
        """Return embeddings with their positions, (B, T, E)."""
        places = torch.arange(embedded.shape[1], device=embedded.device)
        where: Tensor = self.position(places.clamp(max=self.position.num_embeddings - 1))
        return embedded + where

    def run(self, prepared: Tensor, embedded: Tensor, codes: Tensor, half: bool) -> Tensor:
        """Return the top states at each input, (B k, T, E), of codes (B k, 1, d)."""
        k = len(codes) // max(1, len(prepared))
        inputs = prepared.repeat_interleave(k, 0) if k > 1 else prepared
        if self.from_z is not None:
            code = self.from_z(codes)
            inputs = torch.cat([code, inputs + code], dim=1)
        mask = nn.Transformer.generate_square_subsequent_mask(inputs.shape[1], device=codes.device)
        with torch.autocast(codes.device.type, torch.bfloat16, enabled=half):
            out = self.blocks(inputs, mask=mask, is_causal=True)
        return out.to(codes.dtype)[:, 1 if self.from_z is not None else 0 :]  # type: ignore[no-any-return]

    def step(self, embedded: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Take one step; the state is the embeddings so far, (B, t, E)."""
        so_far = embedded[:, None] if state is None else torch.cat([state, embedded[:, None]], 1)
        return self.run(self.prepare(so_far, False), so_far, z[:, None], False)[:, -1], so_far

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the state of the given sequences alone."""
        return state[rows]
