"""The prior "moment-matching": what it draws once it is fitted to codes whose density is known."""

from __future__ import annotations

import pytest
import torch

from lebm_core.base.statistics import squared_mmd
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_foils.priors.moments import BANDWIDTHS, MomentMatchingPrior

N = 2000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_modes(n: int, seed: int) -> torch.Tensor:
    """A third of the codes around (-6, 1), the others around (6, 1), of standard deviation 1."""
    z = torch.randn(n, 2, generator=seeded(seed))
    left = torch.rand(n, generator=seeded(seed + 1)) < 1 / 3
    return z + torch.stack([torch.where(left, -6.0, 6.0), torch.ones(n)], 1)


def test_it_draws_modes_in_their_shares() -> None:
    prior = MomentMatchingPrior(2, [64, 64], fit_steps=500, fit_lr=1e-2)
    prior.fit(two_modes(N, 1))
    z = prior.sample(N, generator=seeded(3))
    share = float((z[:, 0] < 0).float().mean())
    # Twice the standard deviation of a share of N, of the codes and of the draws, and as much for
    # a network that stopped.
    assert abs(share - 1 / 3) < 4 * (2 * 2 / 9 / N) ** 0.5
    assert abs(float(z[:, 1].mean()) - 1) < 0.15
    assert float(squared_mmd(z, two_modes(N, 5), BANDWIDTHS)) < 0.03
    noise = torch.randn(N, 2, generator=seeded(7))
    assert float(squared_mmd(noise, two_modes(N, 5), BANDWIDTHS)) > 0.05


def test_before_it_is_fitted_it_is_normal_and_afterwards_has_no_density() -> None:
    prior = MomentMatchingPrior(3, [8], fit_steps=2)
    z = torch.zeros(1, 3)
    assert torch.equal(prior.log_tilt(z), torch.zeros(1))
    prior.fit(torch.randn(10, 3, generator=seeded()))
    with pytest.raises(UnsupportedEstimate, match="only be sampled"):
        prior.log_tilt(z)
    again = MomentMatchingPrior(3, [8], fit_steps=2)
    again.load_state_dict(prior.state_dict())
    assert torch.equal(again.sample(4, generator=seeded()), prior.sample(4, generator=seeded()))
    assert not any(p.requires_grad for p in prior.parameters())


def test_what_is_not_possible_is_refused() -> None:
    with pytest.raises(UsageError, match=r"prior\.bandwidths"):
        MomentMatchingPrior(2, bandwidths=[])
    with pytest.raises(UsageError, match=r"prior\.fit_steps"):
        MomentMatchingPrior(2, fit_steps=0)
    with pytest.raises(UsageError, match="1 codes cannot be matched"):
        MomentMatchingPrior(2).fit(torch.zeros(1, 2))
