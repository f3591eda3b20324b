"""p(x | z) over token ids, for any network that gives the next token's logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution

from lebm_core.base.randomness import uniform
from lebm_core.errors import UsageError

__all__ = ["NextToken", "SequenceDistribution"]


class NextToken(Protocol):
    """A decoder from which sequences can be drawn, token by token."""

    max_length: int
    pad: int
    bos: int
    eos: int

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return z -> log p(x|z), (B,)."""

    def next_logits(self, token: Tensor, state: Any, z: Tensor) -> tuple[Tensor, Any]:
        """Return logits (B, V) of the token after `token` (B,), and the state, first None."""

    def select(self, state: Any, rows: Tensor) -> Any:
        """Return the state of the given sequences alone."""


class SequenceDistribution(Distribution):
    """p(x | z) over token ids.

    Args:
        decoder: the network.
        z: (B, d).
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, decoder: NextToken, z: Tensor) -> None:
        super().__init__(batch_shape=z.shape[:1], validate_args=False)
        self.decoder, self.z = decoder, z

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(x | z), (B,) in nats."""
        return self.decoder.likelihood(value)(self.z)

    @property
    def mode(self) -> Tensor:
        """The greedy decoding, (B, T): the likeliest token at each step."""
        return self.sample(greedy=True)

    @torch.no_grad()
    def sample(
        self,
        sample_shape: torch.Size | list[int] | tuple[int, ...] | None = None,
        *,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        greedy: bool = False,
        max_length: int | None = None,
        start: Tensor | None = None,
    ) -> Tensor:
        """Draw one sequence for each z, (B, T); cut at `max_length`, then without `eos`.

        Args:
            sample_shape: must be empty; repeat z for more draws.
            generator: source of randomness.
            temperature: divides the logits; 1 draws from the model itself.
            top_p: nucleus sampling, the smallest set of tokens with at least this probability.
            greedy: take the likeliest token instead of a draw.
            max_length: by default the decoder's.
            start: (B, S) the first tokens of each sequence, `pad` behind them: it goes on there.

        Raises:
            UsageError: for a temperature that is not positive or a top_p outside (0, 1].
        """
        if not temperature > 0 or not 0 < top_p <= 1:
            raise UsageError(
                f"temperature must be positive and top_p in (0, 1], not {temperature}, {top_p}."
            )
        decoder, z = self.decoder, self.z
        longest = max_length or decoder.max_length
        drawn = torch.full((len(z), longest), decoder.pad, device=z.device)
        alive = torch.arange(len(z), device=z.device)  # rows without an `eos` so far
        token = torch.full((len(z),), decoder.bos, device=z.device)
        state = None
        for step in range(longest):
            logits, state = decoder.next_logits(token, state, z)
            logits[:, decoder.pad] = logits[:, decoder.bos] = -torch.inf
            if greedy:
                token = logits.argmax(-1)
            else:
                token = _draw(_nucleus(logits / temperature, top_p), generator)
            if start is not None and step < start.shape[1]:
                given = start[alive, step]
                token = token.where(given == decoder.pad, given)
            drawn[alive, step] = token
            going = (token != decoder.eos).nonzero().squeeze(1)
            if len(going) == 0:
                return drawn[:, : step + 1]
            if len(going) < len(token):
                alive, token, z = alive[going], token[going], z[going]
                state = decoder.select(state, going)
        return drawn


def _draw(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """One id a row, (B,), by inverting the cumulative distribution: one random number a row."""
    cumulative = logits.softmax(-1).cumsum(-1)
    u = uniform((len(logits), 1), logits, generator) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, u, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return logits
    ordered, index = logits.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    ordered = ordered.masked_fill(before >= top_p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, index, ordered)
