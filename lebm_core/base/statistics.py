"""Distances of distributions through their moments."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["frechet"]


def frechet(a: Tensor, b: Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), of (n, d) and (m, d)."""
    a, b = a.double(), b.double()
    first, second = (torch.cov(x.T).reshape(x.shape[1], -1) for x in (a, b))
    root = _root(first)
    cross = _root(root @ second @ root)
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float((gap + (first + second - 2 * cross).diagonal().sum()).clamp(min=0))


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return found
