"""An estimate with its standard error and effective sample size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.table import Table

__all__ = ["AGREEMENT", "Estimate", "from_log_weights"]

AGREEMENT = 0.1  # nats by which the two estimators of log Z may differ
LEAST_ESS = 50.0  # effective draws below which an estimate of log Z is not believed


@dataclass(frozen=True)
class Estimate:
    """A figure and what it rests on.

    Attributes:
        value: the estimate, in nats; () or (B,).
        standard_error: of the same shape.
        ess: effective sample size of the importance weights, or None where there are none.
        method: how it was made.
        n_samples: draws (a quadrature's points) behind each value.
    """

    value: Tensor
    standard_error: Tensor
    ess: Tensor | None
    method: str
    n_samples: int

    def _repr_html_(self) -> str:
        """A small table for a notebook; of several values their mean."""
        many = self.value.ndim > 0
        ess = None if self.ess is None else float(self.ess.float().mean())
        facts = {
            ("nats, mean of " + f"{len(self.value):,}" if many else "nats"): self.value,
            "standard error": self.standard_error,
        }
        shown = {name: [f"{float(v.double().mean()):.4g}"] for name, v in facts.items()}
        shown["effective draws"] = ["" if ess is None else f"{ess:,.0f}"]
        shown |= {"method": [self.method], "draws": [f"{self.n_samples:,}"]}
        return Table(shown)._repr_html_()

    def __float__(self) -> float:
        return float(self.value)


def from_log_weights(log_weights: Tensor, method: str) -> Estimate:
    """The log of the mean weight over the first axis, (n, ...) -> (...); delta-method error."""
    n = len(log_weights)
    w = log_weights.double()
    total = w.logsumexp(0)
    ess = (2 * total - (2 * w).logsumexp(0)).exp()
    relative_variance = (n / ess - 1).clamp(min=0) / max(n - 1, 1)
    error = relative_variance.sqrt() if n > 1 else torch.full_like(total, torch.inf)
    return Estimate(total - math.log(n), error, ess, method, n)
