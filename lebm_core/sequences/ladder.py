"""Sequence decoder and encoder with one global latent code and a local code per segment.

z is the global code and after it the local codes of the segments, in their order; the prior sees
all of it. A segment is a fixed number of tokens; the last one goes on to the end.

Sources: one code for all steps beside those of the steps, Li and Mandt, "Disentangled sequential
autoencoder", ICML 2018, arXiv 1803.02991; one energy over all layers, Cui, Wu and Han, ICCV 2023,
arXiv 2309.03347.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn.functional import one_hot

from lebm_core.base.checks import WIDEST, whole
from lebm_core.errors import UsageError
from lebm_core.latent.encoder import gaussian_code
from lebm_core.sequences.cells import CELLS, MOST_TOKENS, check_cell
from lebm_core.sequences.decoder import SequenceDecoder, SequenceOptions
from lebm_core.sequences.encoder import SequenceEncoder

__all__ = ["SequenceLadderDecoder", "SequenceLadderEncoder"]


class SequenceLadderDecoder(SequenceDecoder):
    """A recurrent `SequenceDecoder` whose code at each token is the global one and its segment's.

    Where the local codes of all segments are the same, it is the `SequenceDecoder` of the global
    code and that one. Nothing before a segment depends on its local code.

    Args:
        latent_dim: d, of all codes together; what the local codes leave is the global one's.
        vocab_size: V.
        segments: K, local codes of a sequence.
        segment_length: tokens of a segment, the end being one; those behind the last segment are
            the last one's.
        local_dim: dimensions of each local code.
        max_length: longest sequence that `sample` draws; None for that of the data, else 60.
        pad: id of the padding.
        bos: id that starts the input.
        eos: id that ends a sequence.
        network: options of the `SequenceDecoder`; its cell is "lstm" or "gru".

    Raises:
        UsageError: where the local codes leave no dimension to the global one, for an unknown cell
            or a transformer, or ids outside the vocabulary.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        segments: int = 8,
        segment_length: int = 5,
        local_dim: int = 2,
        max_length: int | None = None,
        pad: int = 0,
        bos: int = 1,
        eos: int = 2,
        **network: Unpack[SequenceOptions],
    ) -> None:
        global_dim = global_size(latent_dim, segments, segment_length, local_dim, "decoder")
        check_cell(network.get("cell", "lstm"), CELLS[:2])
        super().__init__(
            global_dim + local_dim, vocab_size, max_length=max_length, pad=pad, bos=bos, eos=eos,
            **network,
        )  # fmt: skip
        self.latent_dim, self.global_dim = latent_dim, global_dim
        self.latent_layers = {"global": slice(0, global_dim), "local": slice(global_dim, None)}
        self.segments, self.segment_length = segments, segment_length
        self.latent_layout = layout(segments, segment_length, local_dim)
        self.net.every = segment_length

    def codes(self, z: Tensor) -> Tensor:
        """Return the global code with each local one, (B, K, global and local dimensions)."""
        theme = z[:, None, : self.global_dim].expand(-1, self.segments, -1)
        return torch.cat([theme, z[:, self.global_dim :].unflatten(1, (self.segments, -1))], dim=2)

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, V) of the token after `token` (B,), and the new state."""
        step, inner = (0, None) if state is None else state
        code = self.codes(z)[:, min(step // self.segment_length, self.segments - 1)]
        logits, inner = super().next_logits(token, inner, code)
        return logits, (step + 1, inner)

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the state of the given sequences alone."""
        step, inner = state
        return step, super().select(inner, rows)


class SequenceLadderEncoder(SequenceEncoder):
    """q(z | x) of `SequenceLadderDecoder`: the global code from the pooled states, each local one
    from the mean of the states at its segment's tokens, by one linear map for all segments.

    A local code whose segment a sequence does not reach is N(0, I): it says nothing of x, and where
    f leaves it alone this is its posterior. A learned one would cost a KL that the likelihood
    cannot pay back, and would teach f where sequences end, which f can tell from the others.

    Args:
        latent_dim: d, of all codes together; what the local codes leave is the global one's.
        vocab_size: V.
        segments: K, local codes of a sequence, as the decoder's.
        segment_length: tokens of a segment, as the decoder's.
        local_dim: dimensions of each local code, as the decoder's.
        cell: "lstm" or "gru".
        embed_dim: E.
        hidden: H of each direction.
        dropout: of the embeddings, in training.
        pad: id of the padding.
        half: bfloat16 in gradients where that is faster.
        pooling: of the states for the global code: "last", "mean" or "max".

    Raises:
        UsageError: where the local codes leave no dimension to the global one; as for
            `SequenceEncoder`.
    """

    def __init__(
        self,
        latent_dim: int,
        vocab_size: int,
        segments: int = 8,
        segment_length: int = 5,
        local_dim: int = 2,
        cell: Literal["lstm", "gru"] = "lstm",
        embed_dim: int = 256,
        hidden: int = 256,
        dropout: float = 0.2,
        pad: int = 0,
        half: bool = True,
        pooling: Literal["last", "mean", "max"] = "last",
    ) -> None:
        global_dim = global_size(latent_dim, segments, segment_length, local_dim, "encoder")
        super().__init__(
            global_dim, vocab_size, cell, embed_dim, hidden, dropout, pad, half, pooling
        )
        self.latent_dim, self.global_dim = latent_dim, global_dim
        self.segments, self.segment_length = segments, segment_length
        self.latent_layout = layout(segments, segment_length, local_dim)
        self.local = nn.Linear(2 * hidden, 2 * local_dim)

    def code(
        self, left: Tensor, right: Tensor, reverse: Tensor, lengths: Tensor
    ) -> Independent[Normal]:
        """Return q(z | x) from the states of both directions, see `SequenceEncoder.code`."""
        pooled = self.output(self.pooled(torch.cat([left, right], dim=-1), lengths))
        # `reverse` is its own inverse up to the length: the state of each token from behind.
        behind = right.gather(1, reverse[..., None].expand_as(right))
        steps = torch.arange(left.shape[1], device=left.device)
        segment = (steps // self.segment_length).clamp(max=self.segments - 1)
        inside = (steps < lengths[:, None])[..., None] * one_hot(segment, self.segments)
        tokens = inside.sum(1)[..., None]  # (B, K, 1)
        sums = inside.to(left.dtype).transpose(1, 2) @ torch.cat([left, behind], dim=-1)
        local = self.local(sums / tokens.clamp(min=1)) * (tokens > 0)
        halves = zip(pooled.chunk(2, dim=-1), local.chunk(2, dim=-1), strict=True)
        return gaussian_code(torch.cat([part for g, k in halves for part in (g, k.flatten(1))], 1))


def layout(segments: int, segment_length: int, local_dim: int) -> dict[str, int]:
    """Layout of z; decoder and encoder must have the same."""
    return {"segments": segments, "segment_length": segment_length, "local_dim": local_dim}


def global_size(
    latent_dim: int, segments: int, segment_length: int, local_dim: int, part: str
) -> int:
    """Dimensions of the global code.

    Raises:
        UsageError: where the local codes leave it none.
    """
    whole(f"{part}.segments", segments, 1, MOST_TOKENS)
    whole(f"{part}.segment_length", segment_length, 1, MOST_TOKENS)
    whole(f"{part}.local_dim", local_dim, 1, WIDEST)
    local = segments * local_dim
    if latent_dim <= local:
        raise UsageError(
            f"prior.latent_dim = {latent_dim} leaves nothing to the global code: {part}.segments = "
            f"{segments} local codes of {part}.local_dim = {local_dim} take {local}; use at least "
            f"{local + 1}."
        )
    return latent_dim - local
