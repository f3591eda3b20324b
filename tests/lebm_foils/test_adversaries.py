"""Rules "joint.gan" and "joint.moment-matching": losses by formula, no leaks, known optima."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core import EBMPrior, Energy, GaussianPrior, LatentEBM
from lebm_core.base.statistics import squared_mmd
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.chains import ShortRun
from lebm_foils.learning.gan import GAN, slope_penalty
from lebm_foils.learning.moment_matching import MomentMatching
from lebm_foils.networks.perceptron import PerceptronDecoder, PerceptronEncoder

MEAN = torch.tensor([1.0, -0.5])
ROOT = torch.tensor([[0.9, 0.0], [0.4, 0.7]])  # of the covariance


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(n: int, generator: torch.Generator) -> Tensor:
    return MEAN + torch.randn(n, 2, generator=generator) @ ROOT.T


class Quadratic(Energy):
    """F(x) = x' A x + b . x: with it a critic tells Gaussians apart by mean and covariance."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.a = nn.Parameter(torch.zeros(latent_dim, latent_dim))
        self.b = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return ((z @ self.a * z).sum(-1) + z @ self.b)[:, None]


def model(energy: Any = None, **options: Any) -> EnergyGenerator:
    torch.manual_seed(0)
    given = {"hidden": [8]} if energy is None else energy
    descriptor = EBMPrior(2, given, bound=0.0, **options)
    decoder = PerceptronDecoder(2, [2], hidden=[])
    return EnergyGenerator(GaussianPrior(2), decoder, descriptor=descriptor, refine=False)


def fit(rule: Any, taught: Any, steps: int, batch: int, lr: float = 1e-2) -> None:
    generator = seeded()
    optimizer = torch.optim.Adam(taught.parameters(), lr, betas=(0.5, 0.9))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / steps)
        found = rule(taught, Batch(data(batch, generator)), generator=generator)
        optimizer.zero_grad()
        torch.stack(list(found.losses.values())).sum().backward()
        optimizer.step()


def check_recovered(taught: Any, mean: float, covariance: float) -> None:
    weight, bias = (p.detach() for p in taught.decoder.net.parameters())
    assert (bias - MEAN).abs().max() < mean
    assert (weight @ weight.T - ROOT @ ROOT.T).abs().max() < covariance


@pytest.mark.parametrize("loss", ["logistic", "wasserstein", "hinge"])
def test_losses_are_those_of_the_papers(loss: str) -> None:
    taught, batch = model(), Batch(data(6, seeded(1)))
    found = GAN(loss)(taught, batch, generator=seeded(2)).losses
    z = torch.randn(6, 2, generator=seeded(2))
    with torch.no_grad():
        weight, bias = taught.decoder.net.parameters()
        up = taught.descriptor.log_tilt(batch.x)
        down = taught.descriptor.log_tilt(z @ weight.T + bias)
        critic, generator = {
            "logistic": (
                -(torch.sigmoid(up).log().mean() + (1 - torch.sigmoid(down)).log().mean()),
                -torch.sigmoid(down).log().mean(),
            ),
            "wasserstein": (down.mean() - up.mean(), -down.mean()),
            "hinge": (
                (1 - up).clamp(min=0).mean() + (1 + down).clamp(min=0).mean(), -down.mean()
            ),
        }[loss]  # fmt: skip
    assert torch.allclose(found["descriptor"], critic, atol=1e-6)
    assert torch.allclose(found["decoder"], generator, atol=1e-6)


def test_gradients_do_not_leak_and_the_reference_has_no_part() -> None:
    taught, batch = model(), Batch(data(6, seeded(1)))
    losses = GAN()(taught, batch, generator=seeded(2)).losses
    for part, other in (("descriptor", "decoder"), ("decoder", "descriptor")):
        parameters = [p for p in getattr(taught, other).parameters() if p.requires_grad]
        leaked = torch.autograd.grad(losses[part], parameters, retain_graph=True, allow_unused=True)
        assert all(g is None for g in leaked)
    far = GAN()(model(reference_std=0.01), batch, generator=seeded(2)).losses
    assert torch.equal(far["decoder"], losses["decoder"])


def test_penalties_of_a_critic_of_known_slope() -> None:
    slope = torch.tensor([0.6, -1.1], requires_grad=True)
    x = data(5, seeded())
    length = slope.norm()
    assert torch.allclose(slope_penalty(lambda x: x @ slope, x, 1.0), (length - 1) ** 2)
    squared = slope_penalty(lambda x: x @ slope, x, 0.0)
    assert torch.allclose(squared, length**2)
    assert torch.allclose(torch.autograd.grad(squared, slope)[0], 2 * slope)  # it teaches
    taught = model(Quadratic())
    with torch.no_grad():
        taught.descriptor.energies[0].b.copy_(slope)  # type: ignore[operator]
    for loss, penalty in (("logistic", 0.5 * length**2), ("wasserstein", (length - 1) ** 2)):
        plain, weighted = (
            GAN(loss, weight)(taught, Batch(x), generator=seeded(2)).losses["descriptor"]
            for weight in (0.0, 3.0)
        )
        assert torch.allclose(weighted - plain, 3 * penalty, atol=1e-5)


def test_the_generator_learns_at_every_kth_step_and_after_a_resume() -> None:
    taught, batch, rule = model(), Batch(data(4, seeded())), GAN(critic_steps=3)
    turns = ["decoder" in rule(taught, batch, generator=seeded()).losses for _ in range(4)]
    assert turns == [False, False, True, False]
    other = GAN(critic_steps=3)
    other.load_state_dict(rule.state_dict())
    turns = ["decoder" in other(taught, batch, generator=seeded()).losses for _ in range(2)]
    assert turns == [False, True]


def test_a_linear_generator_finds_the_gaussian() -> None:
    """Batches of 300: a mean is known to .06, which rates that fall to 0 bring down further."""
    taught = model(Quadratic())
    fit(GAN(gradient_penalty=0.1), taught, 600, 300, 3e-2)
    check_recovered(taught, 0.12, 0.2)


def test_collapse_is_said() -> None:
    assert "collapsed" in GAN().warnings({"spread": 0.01})[0]
    assert not GAN().warnings({"spread": 0.9})


def test_the_discrepancy_is_unbiased() -> None:
    """Of two Gaussians E k has a closed form; the mean of 400 batches is within 4 errors of it."""
    mean, spread, widths, generator = torch.tensor([0.7, 0.0]), 1.3, [0.5, 2.0], seeded()

    def kernel(distance: float, variance: float) -> float:
        terms = [w**2 / (w**2 + variance) * math.exp(-0.5 * distance / (w**2 + variance))
                 for w in widths]  # fmt: skip
        return sum(terms) / len(terms)

    square = float(mean.square().sum())
    truth = kernel(0, 2) + kernel(0, 2 * spread**2) - 2 * kernel(square, 1 + spread**2)
    found, biased = [], []
    for _ in range(400):
        x = torch.randn(20, 2, generator=generator)
        y = mean + spread * torch.randn(20, 2, generator=generator)
        found.append(squared_mmd(x, y, widths, unit=1.0))
        biased.append(squared_mmd(x, y, widths, unit=1.0, biased=True))
    values, error = torch.stack(found), torch.stack(found).std() / 20
    assert abs(float(values.mean()) - truth) < 4 * error
    assert error < 0.1 * truth  # the test can tell
    assert torch.stack(biased).min() >= 0
    assert torch.stack(biased).mean() - truth > 10 * error


def test_bandwidths_are_in_units_of_the_median_distance() -> None:
    x, y = data(30, seeded(1)), data(40, seeded(2))
    for biased in (False, True):
        one = squared_mmd(x, y, [0.3, 1.0], biased=biased)
        assert torch.allclose(one, squared_mmd(7 * x, 7 * y, [0.3, 1.0], biased=biased), atol=1e-5)
    unit = float(torch.pdist(y).median())
    assert torch.allclose(squared_mmd(x, y, [0.3], unit=unit), squared_mmd(x, y, [0.3]), atol=1e-2)


@pytest.mark.parametrize("root", [False, True])
def test_a_linear_generator_matches_the_moments(root: bool) -> None:
    torch.manual_seed(0)
    taught = LatentEBM(GaussianPrior(2), PerceptronDecoder(2, [2], hidden=[]), None, ShortRun())
    rule = MomentMatching(root=root)
    rule.check(taught)
    fit(rule, taught, 150, 200, 1e-1)
    check_recovered(taught, 0.15, 0.25)


def test_what_cannot_be_taught_is_refused() -> None:
    decoder = PerceptronDecoder(2, [2], hidden=[])
    encoder = PerceptronEncoder(2, [2], hidden=[])
    tilted = EBMPrior(2, {"hidden": [4]})
    descriptor = EBMPrior(2, {"hidden": [4]})
    for taught, words in (
        (LatentEBM(GaussianPrior(2), decoder), "energy-generator"),
        (EnergyGenerator(GaussianPrior(2), decoder, encoder, None, descriptor), "encoder.name"),
        (EnergyGenerator(tilted, decoder, None, None, descriptor), "prior.name"),
    ):
        with pytest.raises(UsageError, match=words):
            GAN().check(taught)
    GAN().check(model())
    for taught, words in (
        (LatentEBM(GaussianPrior(2), decoder, encoder), "encoder.name"),
        (LatentEBM(tilted, decoder), "prior.name"),
    ):
        with pytest.raises(UsageError, match=words):
            MomentMatching().check(taught)
    for wrong in ({"bandwidths": []}, {"bandwidths": [0.0]}, {"draws": 1}):
        with pytest.raises(UsageError, match="learning"):
            MomentMatching(**wrong)  # type: ignore[arg-type]
