"""Known classes in score matching at levels of noise, and draws without the noise of level 0."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lebm_core import Energy, Langevin, TwoPart
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.learning.data_space import DataSpace
from lebm_core.learning.symbol import Symbols
from lebm_core.models.ebm import EBM
from lebm_diffusion.learning.matching import LevelScoreMatching
from lebm_diffusion.priors.coupled import CoupledDiffusionPrior
from lebm_diffusion.priors.levels import noise_levels

MEANS, STD, SHARES, NOISE = (-0.6, 0.6), 0.5, (0.3, 0.7), 0.3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def examples(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """N(MEANS[y], STD^2) in z_1, N(0, STD^2) in z_2: classes that overlap; and y."""
    y = (torch.rand(n, generator=seeded(seed)) < SHARES[1]).long()
    z = STD * torch.randn(n, 2, generator=seeded(seed + 1))
    z[:, 0] += torch.tensor(MEANS)[y]
    return z, y


class Classes(Energy):
    """F_y of `examples`, exact at every level: log p(y, z_t) - log N(z_t; 0, I)."""

    def __init__(self, latent_dim: int = 2, outputs: int = 2, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.kept = noise_levels(context_dim)[0][:-1]

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        kept = context @ self.kept[:, None]
        variance = kept.square() * (STD**2 + NOISE**2) + 1 - kept.square()
        square = (z[:, :1] - kept * torch.tensor(MEANS)).square() + z[:, 1:].square()
        log_p = torch.tensor(SHARES).log() - 0.5 * square / variance - variance.log()
        logits: Tensor = log_p + 0.5 * z.square().sum(-1, keepdim=True)
        return logits


def test_at_the_truth_the_error_is_that_of_each_class() -> None:
    """s grad log p_t(z|y) + eps of a Gaussian class has the variance 1 - s^2 / V."""
    prior, n = CoupledDiffusionPrior(2, 2, Classes(2, 2, 8), levels=8), 40_000
    z, y = examples(n, 1)
    _, metrics = LevelScoreMatching(NOISE)(prior, z, None, 0.0, seeded(), y)
    kept = prior.kept[:-1].square()
    spread = 1 - kept * (1 - NOISE**2)
    wanted = (1 - spread / (kept * STD**2 + spread)).mean()
    assert abs(float(metrics["score_error"] - wanted)) < 4.5 * float(wanted) * math.sqrt(3 / n)
    _, marginal = LevelScoreMatching(NOISE)(prior, z, None, 0.0, seeded())
    assert float(marginal["score_error"]) > 1.1 * float(wanted)  # y says where z_1 was


def test_no_class_known_is_the_marginal_to_the_last_digit() -> None:
    torch.manual_seed(0)
    prior, (z, y) = CoupledDiffusionPrior(2, 2, {"hidden": [8]}, levels=5), examples(50, 1)
    rule, none = LevelScoreMatching(NOISE), torch.full_like(y, -1)
    wanted, _ = rule(prior, z, None, 0.0, seeded())
    loss, _ = rule(prior, z, None, 0.0, seeded(), none)
    known, _ = rule(prior, z, None, 0.0, seeded(), y)
    assert torch.equal(loss, wanted) and not torch.equal(known, wanted)


def test_scores_and_shares_of_classes_are_learned_at_every_level() -> None:
    torch.manual_seed(0)
    chain = Langevin(2, 0.5)
    prior = CoupledDiffusionPrior(2, 2, {"hidden": [64, 64]}, chain, levels=8, start="slope")
    truth = CoupledDiffusionPrior(2, 2, Classes(2, 2, 8), levels=8)
    rule, generator, (data, y) = LevelScoreMatching(NOISE), seeded(), examples(20_000, 1)
    adam = torch.optim.Adam(prior.parameters(), 1e-2, betas=(0.9, 0.99))
    for step in range(500):
        adam.param_groups[0]["lr"] = 1e-2 * (1 - step / 500)
        rows = torch.randint(len(data), (400,), generator=generator)
        loss, _ = rule(prior, data[rows], None, step / 500, generator, y[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
    fresh, labels = examples(2000, 5)
    for t in (0, 3, 6):
        level = torch.full((len(fresh),), t)
        z = prior.noised(fresh, level, seeded(t))[0].requires_grad_()
        slopes, shares = [], []
        for each in (prior, truth):
            logits = each.level_logits(level, z)
            of_class = logits.gather(1, labels[:, None]).sum()
            (slope,) = torch.autograd.grad(of_class, z)
            slopes.append(slope - z.detach())
            shares.append(logits.softmax(-1)[:, 1].detach())
        assert float((slopes[0] - slopes[1]).square().mean()) < 0.03 * float(slopes[1].var())
        assert float((shares[0] - shares[1]).abs().mean()) < 0.03
    for y_, mean in enumerate(MEANS):
        drawn = prior.sample(2000, y=y_, generator=seeded())
        assert abs(float(drawn[:, 0].mean()) - mean) < 0.08


class Recorder(LevelScoreMatching):
    """Keeps the classes that it is told."""

    told: Tensor | None = None

    def __call__(self, prior, codes, context, progress, generator, y=None):  # type: ignore[no-untyped-def]
        self.told = y
        return super().__call__(prior, codes, context, progress, generator, y)


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_a_rule_is_told_labels_that_are_learned(weight: float) -> None:
    prior, (z, y) = CoupledDiffusionPrior(2, 2, {"hidden": [8]}, levels=5), examples(20, 1)
    rule: TwoPart = DataSpace(Recorder(NOISE), Symbols(weight=weight))
    rule(EBM(prior, [2]), Batch(z, y), generator=seeded())
    assert rule.prior.told is (y if weight else None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("y", [None, 1])
def test_a_draw_without_noise_is_the_mean_given_its_end(y: int | None) -> None:
    ends, filled, chain = [], [], Langevin(2, 0.5)
    x = torch.tensor([[0.4, math.nan]]).expand(50, -1)
    for noise in (0.0, NOISE):
        prior = CoupledDiffusionPrior(2, 2, Classes(2, 2, 8), chain, levels=8, noise=noise)
        ends.append(prior.sample(500, y=y, generator=seeded()))
        filled.append(prior.draw_unknown(x, ~x.isnan(), generator=seeded()))
    noisy, clean = ends
    means = torch.tensor([[mean, 0.0] for mean in MEANS])
    of_class = (STD**2 * noisy[:, None] + NOISE**2 * means) / (STD**2 + NOISE**2)
    classes = prior.logits(noisy).softmax(-1) if y is None else torch.eye(2)[[y]]
    assert torch.allclose(clean, (classes[..., None] * of_class).sum(1), atol=1e-5)
    assert bool((filled[1][:, 0] == 0.4).all())
    wanted = filled[0][:, 1] * STD**2 / (STD**2 + NOISE**2)
    assert torch.allclose(filled[1][:, 1], wanted, atol=1e-5)


def test_a_draw_is_freed_of_the_noise_that_was_learned_or_of_none() -> None:
    priors = {
        noise: CoupledDiffusionPrior(2, 2, {"hidden": [8]}, levels=5, noise=noise)
        for noise in (0.0, NOISE, 0.2)
    }
    for noise in (0.0, NOISE):
        LevelScoreMatching(NOISE).check(priors[noise])
    with pytest.raises(UsageError, match=r"prior\.noise = 0\.2 .* learning\.prior\.sigma = 0\.3"):
        LevelScoreMatching(NOISE).check(priors[0.2])
