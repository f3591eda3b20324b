"""Energies at levels of noise, their chains and their rule; and plain denoising."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lebm_core import MALA, DensityRatio, Energy, PersistentChains, Refit, TwoPart
from lebm_core.base.modules import frozen
from lebm_core.chains.trace import Chain
from lebm_core.contracts import toys
from lebm_core.errors import UsageError
from lebm_core.evaluation.two_sample import energy_distance
from lebm_core.learning.refit import check_refit
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.priors.tilt_target import LogSumExp
from lebm_diffusion.learning.recovery import RecoveryLikelihood
from lebm_diffusion.priors.coupled import CoupledDiffusionPrior
from lebm_diffusion.priors.denoising import DenoisingPrior
from lebm_diffusion.priors.levels import LevelTarget, noise_levels
from lebm_diffusion.priors.recovery import DiffusionPrior


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_modes(n: int, seed: int) -> Tensor:
    """0.3 N(-1.3, 0.35^2) + 0.7 N(0.8, 0.35^2) in z_1; z_2 = N(0, 1)."""
    generator = seeded(seed)
    left = torch.rand(n, generator=generator) < 0.3
    first = torch.where(left, -1.3, 0.8) + 0.35 * torch.randn(n, generator=generator)
    return torch.stack([first, torch.randn(n, generator=generator)], 1)


class Pull(Energy):
    """F(z) = -k |z - m|^2 / 2 at every level: everything about its chains is a Gaussian."""

    def __init__(self, latent_dim: int, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return -0.5 * 3.0 * (z - 0.7).square().sum(-1, keepdim=True)


def test_noise_keeps_the_variance_and_ends_as_noise_alone() -> None:
    kept, step = noise_levels(6)
    assert float(kept[0]) == 1 and float(kept[-1]) == 0 and float(step[-1]) == 0
    assert torch.allclose(kept[1:-1], step.cumprod(0)[:-1])
    prior, n = DiffusionPrior(3, levels=4), 40_000
    z = torch.randn(n, 3, generator=seeded())
    for t in range(4):
        for noised in prior.noised(z, torch.full((n,), t), seeded(t)):
            assert torch.allclose(noised.var(0), torch.ones(3), atol=4.5 * math.sqrt(2 / n))
    now, after = prior.noised(z, torch.full((n,), 1), seeded(3))
    wanted = float(prior.step[1])
    assert abs(float((now * after).mean()) - wanted) < 4.5 / math.sqrt(3 * n)
    assert abs(float((now * z).mean()) - float(prior.kept[1])) < 4.5 / math.sqrt(3 * n)


@pytest.mark.parametrize("bound", [None, 2.0])
@pytest.mark.parametrize("y", [None, 1])
def test_the_gradient_of_a_level_is_that_of_autograd(bound: float | None, y: int | None) -> None:
    prior = CoupledDiffusionPrior(3, 4, {"hidden": [16]}, bound=bound, levels=3)
    level = torch.tensor([0, 1, 2, 1, 0])
    step = prior.step[level][:, None]
    readout = LogSumExp(None if y is None else torch.full((5,), y))
    target = LevelTarget(
        prior.energies[0], prior.seen(level, None), torch.randn(5, 3, generator=seeded()),
        (1 - step.square()).sqrt(), bound, readout,
    )  # fmt: skip
    u = torch.randn(5, 3, generator=seeded(1)).requires_grad_()
    value = target(u)
    (expected,) = torch.autograd.grad(value.sum(), u)
    with torch.no_grad():
        found, gradient = target.value_and_gradient(u.detach())
    assert torch.allclose(found, value, atol=1e-5) and torch.allclose(gradient, expected, atol=1e-5)
    logits = prior.level_logits(level, target.z(u))
    tilt = logits.logsumexp(-1) if y is None else logits[:, y]
    p0 = -0.5 * u.square().sum(-1) - 1.5 * math.log(2 * math.pi)
    assert torch.allclose(value, tilt + p0, atol=1e-5)


def test_a_chain_of_a_level_draws_from_its_conditional() -> None:
    prior, n, t = DiffusionPrior(2, Pull(2, context_dim=4), levels=4), 8_000, 1
    after = torch.tensor([[1.5, -0.4]]).expand(n, -1)
    drawn = prior.denoise(
        after, torch.full((n,), t), sampler=MALA(30, 0.9),
        start=torch.randn(n, 2, generator=seeded()), generator=seeded(1),
    )  # fmt: skip
    a = float(prior.step[t])
    # exp(-3 |z - 0.7|^2 / 2) N(z; a z_{t+1}, 1 - a^2): precisions add.
    precision = 1 / (1 - a * a) + 3
    mean = (a * after[0] / (1 - a * a) + 3 * 0.7) / precision
    assert torch.allclose(drawn.mean(0), mean, atol=4.5 / math.sqrt(precision * n))
    assert torch.allclose(
        drawn.var(0) * precision, torch.ones(2), atol=4.5 * math.sqrt(2 / n) + 0.01
    )


def test_without_a_tilt_a_draw_is_standard_normal_and_its_trace_passes_all_levels() -> None:
    prior = DiffusionPrior(2, levels=3, sampler={"steps": 4})
    prior.forget(0)
    trace, n = Chain(keep=(0, 12)), 4_000
    z = prior.sample(n, generator=seeded(), trace=trace)
    assert torch.allclose(z.mean(0), torch.zeros(2), atol=4.5 / math.sqrt(n))
    assert torch.allclose(z.var(0), torch.ones(2), atol=4.5 * math.sqrt(2 / n))
    assert len(trace.log_prob) == 12 and trace.by_row
    assert torch.equal(trace.states[12], z)
    assert float(torch.stack(trace.acceptance).mean()) > 0.8
    assert torch.equal(prior.sample(8, generator=seeded(), stages=0),
                       prior.draw_reference(8, seeded()))  # fmt: skip


def learned(prior: DiffusionPrior, steps: int, rate: float = 1e-2) -> None:
    rule, data, generator = RecoveryLikelihood(), two_modes(20_000, 1), seeded()
    adam = torch.optim.Adam(prior.parameters(), rate, betas=(0.9, 0.99))
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        rows = torch.randint(len(data), (200,), generator=generator)
        loss, _ = rule(prior, data[rows], None, step / steps, generator)
        if prior.n_classes:
            labels = (data[rows, 0] > 0).long()
            loss = loss + torch.nn.functional.cross_entropy(prior.logits(data[rows]), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()


def test_the_rule_learns_draws_and_the_tilt_of_the_codes() -> None:
    torch.manual_seed(0)
    prior = DiffusionPrior(2, {"hidden": [64, 64]}, {"steps": 8}, levels=3)
    learned(prior, 300)
    drawn, fresh = prior.sample(4000, generator=seeded()), two_modes(4000, 3)
    far = float(energy_distance(torch.randn(4000, 2, generator=seeded()), fresh))
    assert float(energy_distance(drawn, fresh)) < 0.1 * far
    assert abs(float((drawn[:, 0] < -0.25).float().mean()) - 0.3) < 0.04
    axis = torch.linspace(-5, 5, 201)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        log_z = prior.log_prob(grid).double().logsumexp(0) + 2 * math.log(0.05)
        found = prior.log_prob(fresh).double().mean() - log_z
        unlearned = GaussianPrior(2).log_prob(fresh).mean()
    parts = torch.stack([math.log(0.3) - 0.5 * ((fresh[:, 0] + 1.3) / 0.35) ** 2,
                         math.log(0.7) - 0.5 * ((fresh[:, 0] - 0.8) / 0.35) ** 2])  # fmt: skip
    truth = parts.logsumexp(0) - math.log(0.35) - math.log(2 * math.pi) - 0.5 * fresh[:, 1] ** 2
    assert float(truth.mean() - found) < 0.08 < 0.3 < float(truth.mean() - unlearned)


def test_classes_are_learned_at_every_level() -> None:
    torch.manual_seed(0)
    prior = CoupledDiffusionPrior(2, 2, {"hidden": [64, 64]}, {"steps": 8}, levels=3)
    learned(prior, 200)
    for y, side in ((0, -1), (1, 1)):
        of_class = prior.sample(500, y=y, generator=seeded())
        assert float((of_class[:, 0].sign() == side).float().mean()) > 0.95
    # At the noisiest level z = 0.5 z_0 + 0.866 eps, p(y|z) follows from two Gaussians.
    z = torch.tensor([[-1.5, 0.0], [-0.65, 0.0], [0.4, 0.0], [1.5, 0.0]])
    variance = 0.75 + 0.25 * 0.35**2
    left = math.log(0.3) - (z[:, 0] + 0.65).square() / (2 * variance)
    right = math.log(0.7) - (z[:, 0] - 0.4).square() / (2 * variance)
    with torch.no_grad():
        found = prior.level_logits(torch.full((4,), 2), z).softmax(-1)[:, 0]
    assert torch.allclose(found, (left - right).sigmoid(), atol=0.1)


def test_rules_and_priors_that_do_not_go_together_are_refused() -> None:
    prior, codes = DiffusionPrior(2), two_modes(8, 0)
    for rule, name in ((DensityRatio(), "density-ratio"), (PersistentChains(), "persistent")):
        with pytest.raises(UsageError, match=f'"{name}" teaches no levels'):
            rule.check(prior)
    with pytest.raises(UsageError, match="coupled-diffusion"):
        RecoveryLikelihood()(EBMPrior(2), codes, None, 0.0, None)
    with pytest.raises(UsageError, match="teaches no levels"):
        check_refit(prior, Refit(steps=5))
    check_refit(prior, Refit(steps=5, rule={"name": "recovery-likelihood"}))
    with pytest.raises(UsageError, match="teaches no levels"):  # before a folder is made
        TwoPart(prior="density-ratio").check(toys.latent_model(prior))
    TwoPart(prior="recovery-likelihood").check(toys.latent_model(prior))
    loss, _ = RecoveryLikelihood()(GaussianPrior(2), codes, None, 0.0, None)
    assert not loss.requires_grad
    with pytest.raises(UsageError, match=r"prior\.levels"):
        DiffusionPrior(2, levels=0)
    with pytest.raises(UsageError, match="at least 2 classes"):
        CoupledDiffusionPrior(2, 1)
    with pytest.raises(UsageError, match="Class ids run from 0 to 1"):
        CoupledDiffusionPrior(2, 2).sample(3, y=2)


def test_the_chains_teach_the_negative_side_alone() -> None:
    """The gradient is that of f at noisy codes minus f at the ends of chains, as given."""
    prior, rule = DiffusionPrior(2, {"hidden": [8]}, levels=2), RecoveryLikelihood(1)
    loss, metrics = rule(prior, two_modes(64, 2), None, 0.0, seeded())
    loss.backward()
    assert float(loss) == pytest.approx(
        float(metrics["f_chain"]) - float(metrics["f_posterior"]), abs=1e-6
    )
    assert prior.energies[0].layers[-1].bias.grad.abs().max() < 1e-6  # a constant cancels


def test_denoising_is_noise_before_it_is_fitted_and_the_codes_after() -> None:
    prior = DenoisingPrior(2, 64, 2, fit_steps=300, steps=15)
    assert torch.equal(prior.sample(8, generator=seeded()), prior.draw_reference(8, seeded()))
    with torch.no_grad():  # v = 0 is the answer for standard normal codes
        at = torch.randn(5, 2)
        assert not prior.net(at, torch.full((5, 1), 0.3)).any()
    data, fresh = two_modes(20_000, 1), two_modes(4000, 3)
    prior.fit(data)
    drawn = prior.sample(4000, generator=seeded())
    far = float(energy_distance(torch.randn(4000, 2, generator=seeded()), fresh))
    assert float(energy_distance(drawn, fresh)) < 0.1 * far
    assert abs(float((drawn[:, 0] < -0.25).float().mean()) - 0.3) < 0.06
    again = DenoisingPrior(2, 64, 2, fit_steps=300, steps=15)
    again.fit(data)
    assert torch.equal(again.sample(8, generator=seeded()), prior.sample(8, generator=seeded()))
    assert not any(p.requires_grad for p in prior.parameters())
    with frozen(prior), pytest.raises(UsageError, match="1 codes"):
        prior.fit(data[:1])
