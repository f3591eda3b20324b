"""What the text metrics share: sentences out of batches, ratios with errors, matched lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.data.bag_dataset import BagDataset

__all__ = ["Figure", "length_bins", "matched", "perplexity", "text_of"]


class Figure(NamedTuple):
    """A figure and its standard error."""

    value: float
    error: float


def text_of(evaluation: Evaluation) -> TokenDataset:
    """The data set, which the text metrics need to be one of token ids.

    Raises:
        UsageError: where it is not.
    """
    data = evaluation.dataset
    if not isinstance(data, TokenDataset) or isinstance(data, BagDataset):
        from lebm_core.errors import UsageError

        kind = type(data).__name__
        raise UsageError(f"The text metrics need a data set of sentences, not {kind}.")
    return data


def perplexity(nats: Tensor, tokens: Tensor) -> Figure:
    """exp(total nats / total tokens), with the delta-method error over sentences.

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
    return Figure(value, value * error)


def length_bins(lengths: Tensor, bins: int = 10) -> Tensor:
    """Inner edges, (bins - 1,) or fewer, of bins that hold about equally many of `lengths`."""
    share = torch.arange(1, bins) / bins
    edges: Tensor = lengths.double().quantile(share.double()).floor().unique()
    return edges


class Matched(NamedTuple):
    """A perplexity at another sample's lengths, and the share of that sample's tokens covered."""

    figure: Figure
    covered: float


def matched(nats: Tensor, tokens: Tensor, real_tokens: Tensor, bins: int = 10) -> Matched:
    """The perplexity that samples would have, were their lengths those of real text.

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
        here = home == b
        weight = float(real_tokens[real_home == b].sum()) / all_real
        if int(here.sum()) < 2 or weight == 0:
            continue
        y, t = nats[here].double(), tokens[here].double()
        rate = float(y.sum() / t.sum())
        spread = float((y - rate * t).std()) / math.sqrt(len(t)) / float(t.mean())
        total += weight * rate
        variance += (weight * spread) ** 2
        covered += weight
    if covered == 0:
        return Matched(Figure(math.nan, math.nan), 0.0)
    value = math.exp(min(total / covered, 700.0))
    return Matched(Figure(value, value * math.sqrt(variance) / covered), covered)


def lengths_of(rows: Sequence[Tensor]) -> Tensor:
    """(N,) the tokens of each sentence."""
    return torch.tensor([len(row) for row in rows])
