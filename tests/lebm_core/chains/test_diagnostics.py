"""Diagnostics against processes whose answer is known."""

from __future__ import annotations

import pytest
import torch

from lebm_core import EBMPrior, GaussianPrior, Langevin, energy_profile
from lebm_core.chains.diagnostics import curvature, effective_sample_size, r_hat, step_size_warning
from lebm_core.errors import DivergenceError
from lebm_core.learning.drift import DriftGuard


def autoregression(rho: float, n: int, m: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n, m, generator=generator)
    x = [noise[0]]
    for e in noise[1:]:
        x.append(rho * x[-1] + (1 - rho**2) ** 0.5 * e)
    return torch.stack(x)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_sample_size_of_an_autoregression(rho: float) -> None:
    n, m = 4_000, 8
    found = float(effective_sample_size(autoregression(rho, n, m)))
    assert found / (n * m) == pytest.approx((1 - rho) / (1 + rho), rel=0.15)


def test_r_hat_is_one_for_agreeing_chains_and_large_for_chains_that_do_not_meet() -> None:
    x = autoregression(0.0, 1_000, 4)
    assert float(r_hat(x)) == pytest.approx(1, abs=0.01)
    assert float(r_hat(x + 3 * torch.arange(4))) > 2
    assert float(r_hat(x + torch.linspace(0, 5, 1_000)[:, None])) > 1.3  # one that wanders


def test_curvature_is_the_largest_eigenvalue() -> None:
    precision = torch.diag(torch.tensor([0.5, 2.0, 9.0]))
    found = curvature(
        lambda z: -0.5 * torch.einsum("bi,ij,bj->b", z, precision, z),
        torch.randn(4, 3),
        generator=torch.Generator().manual_seed(0),
    )
    assert torch.allclose(found, torch.full((4,), 9.0), rtol=1e-3)


@pytest.mark.parametrize(
    ("step_size", "said"), [(0.2, None), (0.5, "is biased"), (0.7, "cannot be stable")]
)
def test_step_size_is_held_against_the_curvature(step_size: float, said: str | None) -> None:
    """lambda = 9: stable below 2/3, accurate below 1/3."""
    found = step_size_warning(lambda z: -4.5 * z.square().sum(-1), torch.randn(8, 2), step_size)
    assert (found is None) if said is None else (found is not None and said in found)


def test_energy_profile_of_a_gaussian_stays_level_and_of_a_tilt_falls() -> None:
    generator = torch.Generator().manual_seed(0)
    sampler = Langevin(steps=10, step_size=0.3)
    level = energy_profile(GaussianPrior(4), 2_000, sampler=sampler, generator=generator)
    assert abs(level.energy[-1] - level.energy[0]) < 4.5 * (2 / 1_000) ** 0.5 * 2
    assert min(level.acceptance) > 0.95
    prior = EBMPrior(4, energy={"hidden": ()}, sampler={"steps": 30, "step_size": 0.3}, bound=None)
    with torch.no_grad():
        prior.tilts[0].layers[0].weight.fill_(1.5)
    falling = energy_profile(prior, 500, keep=(0, 30), generator=generator)
    assert len(falling.energy) == 30
    assert falling.energy[-1] < falling.energy[0] - 3
    assert set(falling.states) == {0, 30}


def test_drift_guard_warns_then_stops() -> None:
    guard = DriftGuard(5.0)
    assert guard({"f_posterior": 3.0, "f_chain": 0.0, "code_std": 1.0, "code_mean": 0.1}) == []
    (warning,) = guard({"f_posterior": 9.0, "f_chain": 0.0})
    assert "9.0 nats exceeds 5" in warning
    with pytest.raises(DivergenceError, match="run away.*88.0 nats"):
        guard({"f_posterior": 88.0, "f_chain": 0.0})
    (warning,) = guard({"code_std": 0.01})
    assert "standard deviation of 0.01" in warning
