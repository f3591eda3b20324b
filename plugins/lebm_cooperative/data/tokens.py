"""Data set "cooperative.sorted-tokens": sequences in rising and in falling order."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.functional import one_hot

from lebm_cooperative.data.domains import DomainData, split_items
from lebm_core.base.checks import at_least, whole
from lebm_core.data.splits import SplitCounts

__all__ = ["sorted_tokens"]

COUNTS = SplitCounts(train=4000, valid=300, test=1000)


def sorted_tokens(
    *, files: Any, seed: int, options: SplitCounts = COUNTS, vocabulary: int = 8,
    tokens: int = 6, skew: float = 1.0, paired: bool = False,
) -> DomainData:  # fmt: skip
    """Random tokens in rising order (A), and the same tokens in falling order (B).

    One sequence is (tokens, vocabulary) of zeros and ones. Where all tokens are equally frequent,
    replacing each k by vocabulary - 1 - k is as good a map as turning the sequence round; their
    unequal frequencies forbid it.

    Args:
        files: not used: the sequences are generated.
        seed: of the sequences.
        vocabulary: how many different tokens there are
        tokens: of a sequence
        skew: the k-th token has a frequency proportional to 1 / k^skew; at 0 all are equal
        paired: pair the training examples, for regression

    Raises:
        UsageError: for sizes that are not possible.
    """
    whole("data.vocabulary", vocabulary, 2, 1000)
    whole("data.tokens", tokens, 2, 1000)
    at_least("data.skew", skew, 0)
    counts = options.sizes
    total = counts["test"] + counts["valid"] + 2 * counts["train"]
    p = 1 / np.arange(1, vocabulary + 1) ** skew
    drawn = np.random.default_rng(seed).choice(vocabulary, (total, tokens), p=p / p.sum())
    rising = torch.from_numpy(np.sort(drawn, axis=1))
    pairs = one_hot(torch.stack([rising, rising.flip(1)], dim=1), vocabulary).float()
    source = "generated: tokens in rising and in falling order"
    return split_items(pairs, counts, paired=paired, source=source, facts={"kind": "tokens"})
