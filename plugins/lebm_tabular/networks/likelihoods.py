"""p(x | z) of vectors, column by column; NaN in x is a missing value and is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Distribution,
    Independent,
    Normal,
    OneHotCategorical,
    StudentT,
    constraints,
)

__all__ = ["Columns", "LIKELIHOODS", "Mixed", "columns"]

LIKELIHOODS = ("gaussian", "student", "bernoulli")


class Mixed(Distribution):
    """Numbers, and then one-hot groups, each a categorical variable; batch shape (B, features).

    The terms of `log_prob` are those of the features. In a group they are x_k log p_k, whose sum is
    log p of its category: the sum over all features is the joint log-density, of the counting
    measure for the groups.

    Args:
        numbers: of the first features, batch shape (B, features - width).
        logits: (B, width), of all groups side by side.
        groups: the width of each, which sum to `width`.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    support = constraints.real

    def __init__(self, numbers: Distribution, logits: Tensor, groups: Sequence[int]) -> None:
        self.numbers = numbers
        self.log_p = [part.log_softmax(-1) for part in logits.split(list(groups), -1)]
        self.first = numbers.batch_shape[-1]
        shape = torch.Size((*logits.shape[:-1], self.first + logits.shape[-1]))
        super().__init__(shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Compute the term of each feature, (B, features) in nats."""
        numbers = self.numbers.log_prob(value[..., : self.first])
        return torch.cat([numbers, value[..., self.first :] * torch.cat(self.log_p, -1)], -1)

    @property
    def mean(self) -> Tensor:
        """Means of the numbers, and the probability of each category, (B, features)."""
        return torch.cat([self.numbers.mean, *(log_p.exp() for log_p in self.log_p)], -1)

    def sample(
        self,
        sample_shape: torch.Size | list[int] | tuple[int, ...] = torch.Size(),  # noqa: B008
    ) -> Tensor:
        """Draw (B, features); in each group one feature is 1 and the others are 0."""
        shape = torch.Size(sample_shape)
        groups = [OneHotCategorical(logits=p, validate_args=False) for p in self.log_p]
        drawn = [p.sample(shape) for p in (self.numbers, *groups)]
        return torch.cat(drawn, -1)


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
    kind: str,
    location: Tensor,
    scale: Tensor | float,
    degrees: float,
    groups: Sequence[int] = (),
) -> Independent[Distribution]:
    """Make the distribution of a row by the name of the likelihood of its numbers.

    Args:
        kind: one of `LIKELIHOODS`.
        location: (B, features), the centre of each number, or its logit ("bernoulli"), and then the
            logits of each group.
        scale: sigma, a number or one for each number; not used by "bernoulli".
        degrees: of freedom, "student" only.
        groups: widths of the one-hot groups that the last features are; see `Mixed`.
    """
    first = location.shape[-1] - sum(groups)
    logits, location = location[..., first:], location[..., :first]
    make: dict[str, Callable[[], Distribution]] = {
        "gaussian": lambda: Normal(location, scale, validate_args=False),
        "student": lambda: StudentT(degrees, location, scale, validate_args=False),
        "bernoulli": lambda: Bernoulli(logits=location, validate_args=False),
    }
    numbers = make[kind]()
    base = Mixed(numbers, logits, groups) if groups else numbers
    return Columns(base, 1, validate_args=False)
