"""Rules of energies in data space against closed forms: CD, score matching, multigrid."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lebm_core import EBMPrior, Energy, GaussianPrior
from lebm_core.errors import UsageError
from lebm_core.learning.contrastive import PersistentChains, ShortRunChains
from lebm_core.learning.data_space import DataSpace
from lebm_core.learning.density_ratio import DensityRatio
from lebm_core.models.ebm import EBM
from lebm_energies.learning.divergence import ContrastiveDivergence
from lebm_energies.learning.multigrid import Multigrid
from lebm_energies.learning.score import ScoreMatching
from lebm_energies.priors.multigrid import MultigridPrior
from lebm_energies.priors.rbm import RBMPrior

SHORT = {"name": "langevin", "steps": 3, "step_size": 0.1}
SHAPE = (1, 8, 8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Shifted(Energy):
    """F(x) = -a |x|^2 / 2 + b . x, whose tilt of N(0, I) is N(b / (1 + a), I / (1 + a))."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.a, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(latent_dim))

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return (-0.5 * self.a * z.square().sum(-1) + z @ self.b)[:, None]


class Untilted(GaussianPrior):
    """A prior with a weight and no tilt that a chain could teach."""

    log_tilt = None  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(2)
        self.weight = nn.Parameter(torch.zeros(2))


def learned(rule: Any, n: int, steps: int, lr: float) -> tuple[float, Tensor]:
    """Precision and mean that a rule learns from n draws of N((1, -1/2), 1/4 I)."""
    energy = Shifted()
    prior = EBMPrior(2, energy, {"name": "mala", "steps": 5, "step_size": 0.5}, bound=0.0)
    data = torch.tensor([1.0, -0.5]) + 0.5 * torch.randn(n, 2, generator=seeded(1))
    adam = torch.optim.Adam(energy.parameters(), lr)
    fall = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    generator = seeded(2)
    for _ in range(steps):
        adam.zero_grad()
        rule(prior, data, None, 0.5, generator).loss.backward()
        adam.step()
        fall.step()
    precision = float(1 + energy.a.detach())
    return precision, energy.b.detach() / precision


def test_score_matching_learns_the_density_of_the_noisy_data() -> None:
    sigma, n = 0.3, 4000
    precision, mean = learned(ScoreMatching(sigma), n, 500, 0.05)
    # variance 1/4 + sigma^2; sample error of a variance is sqrt(2 / 2n), of a mean sd / sqrt(n)
    assert abs(precision * (0.25 + sigma**2) - 1) < 4 / math.sqrt(n) + 0.02
    assert (mean - torch.tensor([1.0, -0.5])).abs().max() < 4 * 0.6 / math.sqrt(n) + 0.02


def test_contrastive_divergence_of_exact_steps_is_unbiased_here() -> None:
    """Its fixed point in a family that holds the truth is the truth: the chain keeps the data."""
    n = 2000
    precision, mean = learned(ContrastiveDivergence(5), n, 400, 0.05)
    assert abs(precision / 4 - 1) < 4 / math.sqrt(n) + 0.05
    assert (mean - torch.tensor([1.0, -0.5])).abs().max() < 4 * 0.5 / math.sqrt(n) + 0.02


def test_chains_of_no_step_give_no_gradient() -> None:
    prior = EBMPrior(2, Shifted(), {"name": "langevin", "steps": 0}, bound=0.0)
    loss = ContrastiveDivergence(0)(prior, torch.randn(50, 2), None, 0.5, seeded()).loss
    loss.backward()
    assert all(float(p.grad.abs().max()) < 1e-6 for p in prior.parameters())


def multigrid(**options: Any) -> MultigridPrior:
    torch.manual_seed(0)
    energy = {"name": "convolution", "widths": [4, 4], "pooled": True}
    return MultigridPrior(64, SHAPE, energy, SHORT, **options)


def test_sizes_halve_and_images_shrink_and_grow() -> None:
    prior = multigrid(grids=3)
    assert [each.latent_dim for each in prior.scales] == [4, 16, 64]
    x = torch.randn(5, 64, generator=seeded())
    small = prior.shrunk(x, 0)
    assert small.shape == (5, 4)
    torch.testing.assert_close(small[:, 0], x.view(5, 8, 8)[:, :4, :4].mean((1, 2)))
    big = prior.enlarged(small, 0)
    torch.testing.assert_close(prior.shrunk(prior.enlarged(big, 1), 0), small)
    assert torch.equal(prior.shrunk(x, 2), x)


def test_a_chain_starts_at_the_size_before() -> None:
    """Chains of no step: every pixel of a block is the coarsest size's own draw."""
    prior = multigrid(grids=3)
    still = MultigridPrior(64, SHAPE, prior.options["energy"], {"name": "langevin", "steps": 0})
    x = still.sample(6, generator=seeded()).view(6, 8, 8)
    assert torch.equal(x, x[:, ::4, ::4].repeat_interleave(4, 1).repeat_interleave(4, 2))
    assert float(prior.sample(6, generator=seeded()).abs().max()) <= 1  # the box of a uniform p0


@pytest.mark.parametrize(("growing", "progress", "taught"), [
    (False, 0.1, {0, 1, 2}), (True, 0.1, {0}), (True, 0.5, {1}), (True, 0.99, {2}),
])  # fmt: skip
def test_sizes_are_taught_together_or_in_turn(
    growing: bool, progress: float, taught: set[int]
) -> None:
    prior = multigrid(grids=3)
    rule = Multigrid(growing=growing)
    x = torch.rand(8, 64, generator=seeded()) * 2 - 1
    rule(prior, x, None, progress, seeded()).loss.backward()
    moved = {
        scale
        for scale, each in enumerate(prior.scales)
        if any(p.grad is not None and bool(p.grad.any()) for p in each.energies[0].parameters())
    }
    assert moved == taught


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="halves the side 8 of an image 4 times"):
        multigrid(grids=5)
    with pytest.raises(UsageError, match="has no option shape"):
        MultigridPrior(64, SHAPE, Shifted(64), SHORT)
    with pytest.raises(UsageError, match=r"takes images \(C, H, W\), and one x has the shape"):
        MultigridPrior(64, (64,), None, SHORT)
    with pytest.raises(UsageError, match='use prior.name = "multigrid"'):
        Multigrid().check(EBMPrior(2))
    Multigrid().check(GaussianPrior(2))
    for rule in (PersistentChains(), ShortRunChains(), DensityRatio(), ContrastiveDivergence()):
        with pytest.raises(UsageError, match='in part alone; use "multigrid"'):
            rule.check(multigrid(grids=2))
    for rule in (ContrastiveDivergence(), ScoreMatching()):
        with pytest.raises(UsageError, match="teaches a tilt, which Untilted has not"):
            rule.check(Untilted())
    with pytest.raises(UsageError, match="needs x of real numbers"):
        ScoreMatching().check(RBMPrior(4, 2))
    with pytest.raises(UsageError, match="learning.noise = 0.1 is not possible: x is of zeros"):
        DataSpace("persistent", noise=0.1).check(EBM(RBMPrior(4, 2), [4]))
    with pytest.raises(UsageError, match="learning.prior.sigma = 0"):
        ScoreMatching(0.0)
