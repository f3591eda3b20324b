"""p(x | z) of vectors, column by column; NaN in x is a missing value and is left out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal, StudentT

__all__ = ["Columns", "LIKELIHOODS", "columns"]

LIKELIHOODS = ("gaussian", "student", "bernoulli")


class Columns(Independent[Distribution]):
    """Columns that are independent given z: log p(x | z) is that of the columns observed in x.

    Batch shape (B,), event shape (features,). Samples are whole.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """Sum over the columns of each row that are not NaN, (B,) in nats."""
        known = ~value.isnan()
        if bool(known.all()):
            return self.base_dist.log_prob(value).sum(-1)
        # A filled-in value rather than NaN times 0, whose gradient is NaN as well.
        each = self.base_dist.log_prob(torch.where(known, value, 0.0))
        return (each * known).sum(-1)


def columns(
    kind: str, location: Tensor, scale: Tensor | float, degrees: float
) -> Independent[Distribution]:
    """Make the distribution of a row by the name of its likelihood.

    Args:
        kind: one of `LIKELIHOODS`.
        location: (B, features), the centre of each column, or its logit ("bernoulli").
        scale: sigma, a number or (features,); not used by "bernoulli".
        degrees: of freedom, "student" only.
    """
    make: dict[str, Callable[[], Distribution]] = {
        "gaussian": lambda: Normal(location, scale, validate_args=False),
        "student": lambda: StudentT(degrees, location, scale, validate_args=False),
        "bernoulli": lambda: Bernoulli(logits=location, validate_args=False),
    }
    return Columns(make[kind](), 1, validate_args=False)
