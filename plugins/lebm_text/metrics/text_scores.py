"""Scores that several text metrics give: perplexity, also at matched lengths, and length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value

__all__ = [
    "JUDGE",
    "Score",
    "encodes_points",
    "length_bins",
    "lengths_of",
    "matched",
    "mean_length",
    "perplexity",
]

JUDGE = "under an LSTM language model of the real training text, ends included"


class Score(NamedTuple):
    """A figure and its standard error, NaN where there is none."""

    value: float
    error: float


def encodes_points(evaluation: Evaluation) -> bool:
    """Return whether the model was trained as an autoencoder, whose encoder has no density."""
    learning: Mapping[str, Any] = getattr(evaluation.recipe, "learning", None) or {}
    return bool(learning.get("decoder", {}).get("name") == "autoencoder")


def perplexity(nats: Tensor, tokens: Tensor) -> Score:
    """Return exp(total nats / total tokens), with the delta-method error over sentences.

    Args:
        nats: (N,) -log p of each sentence.
        tokens: (N,) its tokens, the end included.
    """
    nats, tokens = nats.double(), tokens.double()
    rate = float(nats.sum() / tokens.sum())
    residual = nats - rate * tokens
    spread = float(residual.std()) if len(nats) > 1 else math.nan
    error = spread / math.sqrt(len(nats)) / float(tokens.mean())
    value = math.exp(min(rate, 700.0))
    return Score(value, value * error)


def length_bins(lengths: Tensor, bins: int = 10) -> Tensor:
    """Return inner edges, (bins - 1,) or fewer, of bins that hold about equally many lengths."""
    share = torch.arange(1, bins) / bins
    edges: Tensor = lengths.double().quantile(share.double()).floor().unique()
    return edges


class Matched(NamedTuple):
    """A perplexity at another sample's lengths, and the share of that sample's tokens covered."""

    score: Score
    covered: float


def matched(nats: Tensor, tokens: Tensor, real_tokens: Tensor, bins: int = 10) -> Matched:
    """Return the perplexity that samples would have at the lengths of real text.

    Samples are put into the bins of equally many real sentences; the nats per token of each bin
    are weighted by the share of the real tokens in it. A bin of at most one sample is left out,
    and the share that remains is given.

    Args:
        nats: (N,) -log p of each sample.
        tokens: (N,) its tokens, the end included.
        real_tokens: (M,) those of real sentences.
        bins: number of bins.
    """
    edges = length_bins(real_tokens, bins)
    home = torch.bucketize(tokens.double(), edges)
    real_home = torch.bucketize(real_tokens.double(), edges)
    total = covered = variance = 0.0
    all_real = float(real_tokens.sum())
    for b in range(len(edges) + 1):
        mask = home == b
        weight = float(real_tokens[real_home == b].sum()) / all_real
        if int(mask.sum()) < 2 or weight == 0:
            continue
        y, t = nats[mask].double(), tokens[mask].double()
        rate = float(y.sum() / t.sum())
        spread = float((y - rate * t).std()) / math.sqrt(len(t)) / float(t.mean())
        total += weight * rate
        variance += (weight * spread) ** 2
        covered += weight
    if covered == 0:
        return Matched(Score(math.nan, math.nan), 0.0)
    value = math.exp(min(total / covered, 700.0))
    return Matched(Score(value, value * math.sqrt(variance) / covered), covered)


def lengths_of(rows: Sequence[Tensor]) -> Tensor:
    """Return the tokens of each sentence, (N,)."""
    return torch.tensor([len(row) for row in rows])


def mean_length(tokens: Tensor, split: str, extra: Mapping[str, Any]) -> Value:
    """Return the mean length of sentences of (N,) tokens, with its standard error."""
    text = "Mean tokens of a sentence, its end included."
    return Value.mean(tokens.double(), split, text, extra)
