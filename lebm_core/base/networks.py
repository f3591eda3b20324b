"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

__all__ = ["mlp"]


def mlp(
    widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU, dropout: float = 0.0
) -> nn.Sequential:
    """Build linear layers with an activation between them.

    Args:
        widths: of the input, of each hidden layer and of the output.
        activation: makes the module after each hidden layer, for instance `nn.SiLU`.
        dropout: probability of dropping a hidden unit; at 0 there are no dropout layers.

    >>> mlp([2, 8, 1], nn.GELU)
    Sequential(
      (0): Linear(in_features=2, out_features=8, bias=True)
      (1): GELU(approximate='none')
      (2): Linear(in_features=8, out_features=1, bias=True)
    )
    """
    pairs = list(pairwise(widths))
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairs, 1):
        layers.append(nn.Linear(before, after))
        if number < len(pairs):
            layers.append(activation())
            if dropout:
                layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)
