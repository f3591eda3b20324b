"""Score matching at levels of noise, starts along the slope, and unknown coordinates."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from lebm_core import Energy, Langevin
from lebm_core.errors import UsageError
from lebm_core.evaluation.two_sample import energy_distance
from lebm_core.models.ebm import EBM
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.priors.tilt_target import LogSumExp
from lebm_diffusion.learning.matching import LevelScoreMatching
from lebm_diffusion.priors import recovery
from lebm_diffusion.priors.coupled import CoupledDiffusionPrior
from lebm_diffusion.priors.levels import LevelTarget, downhill, noise_levels
from lebm_diffusion.priors.recovery import DiffusionPrior

RHO = 0.9


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_modes(n: int, seed: int) -> Tensor:
    """0.3 N(-1.3, 0.35^2) + 0.7 N(0.8, 0.35^2) in z_1; z_2 = N(0, 1)."""
    left = torch.rand(n, generator=seeded(seed)) < 0.3
    z = torch.randn(n, 2, generator=seeded(seed + 1))
    z[:, 0] = torch.where(left, -1.3, 0.8) + 0.35 * z[:, 0]
    return z


class Pair(Energy):
    """f of two standard normal numbers with the correlation RHO, exact at every level."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.kept = noise_levels(context_dim)[0][:-1]

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        share = (context @ self.kept[:, None]).square()
        correlation = RHO * share[:, 0]
        between = z[:, 0] * z[:, 1]
        square = (z.square().sum(-1) - 2 * correlation * between) / (1 - correlation.square())
        return 0.5 * (z.square().sum(-1) - square)[:, None]


class Slope(Energy):
    """f(z) = 2 z_1 - z_2."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return (z * torch.tensor([2.0, -1.0])).sum(-1, keepdim=True)


def test_the_error_without_a_tilt_is_that_of_the_standard_normal() -> None:
    """One level: eps - s (z + s eps) for z of N(0, 1) has the variance 1 - s^2 + s^4."""
    prior, n, s = DiffusionPrior(3, levels=1), 40_000, 0.4
    prior.forget(0)
    codes = torch.randn(n, 3, generator=seeded())
    loss, metrics = LevelScoreMatching(s)(prior, codes, None, 0.0, seeded(1))
    wanted = 1 - s**2 + s**4
    assert abs(float(metrics["score_error"]) - wanted) < 4.5 * wanted * math.sqrt(2 / (3 * n))
    assert loss.item() == pytest.approx(1.5 * float(metrics["score_error"]), rel=1e-5)


def test_a_start_along_the_slope_is_exact_where_f_is_linear() -> None:
    prior, t = DiffusionPrior(2, Slope(2, context_dim=4), levels=4), 2
    sigma = (1 - prior.step[t].square()).sqrt()
    level = torch.full((5,), t)
    target = LevelTarget(
        prior.energies[0], prior.seen(level, None), torch.randn(5, 2), sigma.expand(5, 1), None,
        LogSumExp(None),
    )  # fmt: skip
    noise = torch.randn(5, 2, generator=seeded())
    wanted = noise + sigma * torch.tensor([2.0, -1.0])
    assert torch.allclose(downhill(target, noise), wanted, atol=1e-5)


@pytest.mark.parametrize("start", ["noise", "slope"])
def test_draws_and_unknown_coordinates_of_a_correlated_pair(
    start: Literal["noise", "slope"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "REPEATS", 12)  # the limit is the truth
    levels, n = 24, 4000
    chain = Langevin(4 if start == "slope" else 24, 0.5)
    prior = DiffusionPrior(2, Pair(2, context_dim=levels), chain, levels=levels, start=start)
    drawn = prior.sample(n, generator=seeded())
    assert abs(float(drawn.T.corrcoef()[0, 1]) - RHO) < 0.03
    assert abs(float(drawn.var()) - 1) < 0.12
    x = torch.tensor([[1.2, math.nan]]).expand(n, -1)
    filled = EBM(prior, [2]).complete(x, ~x.isnan(), generator=seeded(1))
    assert bool((filled[:, 0] == 1.2).all())
    assert abs(float(filled[:, 1].mean()) - RHO * 1.2) < 0.06
    assert abs(float(filled[:, 1].std()) - math.sqrt(1 - RHO**2)) < 0.06


def test_the_rule_learns_the_shares_of_modes() -> None:
    torch.manual_seed(0)
    prior = CoupledDiffusionPrior(
        2, 2, {"hidden": [64, 64]}, Langevin(4, 0.5), levels=10, start="slope"
    )
    rule, data, generator = LevelScoreMatching(0.1), two_modes(20_000, 1), seeded()
    adam = torch.optim.Adam(prior.parameters(), 1e-2, betas=(0.9, 0.99))
    for step in range(400):
        adam.param_groups[0]["lr"] = 1e-2 * (1 - step / 400)
        rows = torch.randint(len(data), (200,), generator=generator)
        loss, _ = rule(prior, data[rows], None, step / 400, generator)
        labels = (data[rows, 0] > -0.25).long()
        loss = loss + torch.nn.functional.cross_entropy(prior.logits(data[rows]), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
    drawn, fresh = prior.sample(4000, generator=seeded()), two_modes(4000, 3)
    far = float(energy_distance(torch.randn(4000, 2, generator=seeded()), fresh))
    assert float(energy_distance(drawn, fresh)) < 0.1 * far
    assert abs(float((drawn[:, 0] < -0.25).float().mean()) - 0.3) < 0.05
    of_class = prior.sample(500, y=1, generator=seeded())
    assert float((of_class[:, 0] > -0.25).float().mean()) > 0.95


def test_what_does_not_go_together_is_refused() -> None:
    codes = torch.randn(8, 2)
    with pytest.raises(UsageError, match="level-score-matching.*coupled-diffusion"):
        LevelScoreMatching()(EBMPrior(2), codes, None, 0.0, None)
    with pytest.raises(UsageError, match=r"learning\.prior\.sigma"):
        LevelScoreMatching(0.0)
    with pytest.raises(UsageError, match=r"prior\.start"):
        DiffusionPrior(2, start="data")
    loss, _ = LevelScoreMatching()(GaussianPrior(2), codes, None, 0.0, None)
    assert not loss.requires_grad
