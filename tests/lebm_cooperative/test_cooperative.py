"""The rule "joint.cooperative": losses by formula, no leaks, and two Gaussian models that agree."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from lebm_cooperative.learning.cooperative import Cooperative
from lebm_cooperative.learning.teachers import Lesson
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_cooperative.priors.class_mixture import ClassMixture
from lebm_core import EBMPrior, Energy, GaussianPrior, log_z
from lebm_core.data.dataset import Batch
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.priors.base import Prior
from lebm_core.priors.coupled import CoupledPrior
from lebm_foils.networks.perceptron import PerceptronDecoder, PerceptronEncoder

MEAN = torch.tensor([1.0, -0.5])
COVARIANCE = torch.tensor([[0.9, 0.2], [0.2, 0.7]])
SIGMA = 0.3
N = 500  # of the data, and of a batch


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Quadratic(Energy):
    """F(x) = -x' A x / 2 + b . x, A symmetric: the tilt of N(0, I) has precision I + A."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.a = nn.Parameter(torch.zeros(latent_dim, latent_dim))
        self.b = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return (-0.5 * (z @ self.a * z).sum(-1) + z @ self.b)[:, None]

    def gaussian(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance."""
        covariance = torch.linalg.inv(torch.eye(2) + 0.5 * (self.a + self.a.T).detach())
        return covariance @ self.b.detach(), covariance


def linear(
    prior: Prior | None = None, descriptor: EBMPrior | None = None, **sampler: Any
) -> EnergyGenerator:
    torch.manual_seed(0)
    prior = GaussianPrior(2) if prior is None else prior
    chain = {"name": "mala", "steps": 10, "step_size": 0.9, **sampler}
    descriptor = EBMPrior(2, Quadratic(), chain, bound=0.0) if descriptor is None else descriptor
    d = prior.latent_dim
    decoder = PerceptronDecoder(d, [2], hidden=[], sigma=SIGMA)
    encoder = PerceptronEncoder(d, [2], hidden=[])
    return EnergyGenerator(prior, decoder, encoder, descriptor=descriptor).train()


def lesson(model: EnergyGenerator, n: int = 64, y: Tensor | None = None) -> Lesson:
    z = model.prior.sample(n, y=y, generator=seeded(1))
    return Lesson(z, MEAN + torch.randn(n, 2, generator=seeded(2)), y, None)


def test_the_same_code_is_taught_by_the_squared_error() -> None:
    model = linear()
    given = lesson(model)
    losses, _ = Cooperative().teach(model, given)
    error = (given.x - model.decoder(given.z).mean).square().sum(1) / (2 * SIGMA**2)
    constant = math.log(2 * math.pi * SIGMA**2)  # two numbers, each half of it
    assert torch.allclose(losses["decoder"], error.mean() + constant, rtol=1e-5)


def test_langevin_moves_codes_to_the_posterior() -> None:
    """A linear generator: p(z | x) is N(V W'(x - c) / sigma^2, V), V = (I + W'W / sigma^2)^-1."""
    model = linear()
    n = 4000
    with torch.no_grad():
        model.decoder.net[0].weight.copy_(torch.tensor([[0.3, 0.15], [-0.15, 0.3]]))
    x = MEAN.expand(n, 2)
    z = model.prior.sample(n, generator=seeded(1))
    rule = Cooperative("langevin", inference_steps=100, inference_step_size=0.2)
    losses, metrics = rule.teach(model, Lesson(z, x, None, None), seeded(3))
    loss = float(losses["decoder"].detach())
    w, c = model.decoder.net[0].weight.detach(), model.decoder.net[0].bias.detach()
    v = torch.linalg.inv(torch.eye(2) + w.T @ w / SIGMA**2)
    mean = v @ w.T @ (MEAN - c) / SIGMA**2
    # E -log p(x | z) over it: the error at its mean, and the spread of W z.
    wanted = ((MEAN - c - w @ mean).square().sum() + (w @ v @ w.T).trace()) / (2 * SIGMA**2)
    wanted = wanted + math.log(2 * math.pi * SIGMA**2)
    each = (x - model.decoder(z).mean.detach()).square().sum(1) / (2 * SIGMA**2)
    # V is .44 in each direction, and a step of .2 widens it by 2 %.
    assert abs(loss - float(wanted)) < 5 * float(each.std()) / n**0.5 + 0.02
    assert loss < float(each.mean()) + math.log(2 * math.pi * SIGMA**2) - 0.5
    assert float(metrics["code_moved"]) > 0.1


@pytest.mark.parametrize("classes", [0, 3])
def test_the_bound_is_its_formula(classes: int) -> None:
    n = 20_000
    prior = ClassMixture(2, 3, scale=1.0, width=0.5) if classes else GaussianPrior(2)
    model = linear(prior)
    y = torch.arange(n) % 3 if classes else None
    given = lesson(model, n, y)
    losses, _ = Cooperative("variational", kl_weight=2.0).teach(model, given, seeded(3))
    q = model.encoder(given.x)  # type: ignore[misc]
    if isinstance(prior, ClassMixture):
        own = Independent(Normal(prior.means[y], prior.std), 1)
        each = kl_divergence(q, own) + math.log(3)  # the class of a uniform three
    else:
        each = kl_divergence(q, prior.reference)
    error = abs(float((losses["encoder"] - 2 * each.mean()).detach()))
    assert error < 5 * 2.0 * float(each.std().detach()) / n**0.5
    w = model.decoder.net[0].weight
    apart = (given.x - model.decoder(q.mean).mean).square().sum(1)
    spread = (q.variance[:, None] * w.square()).sum((1, 2))
    expected = ((apart + spread) / (2 * SIGMA**2) + math.log(2 * math.pi * SIGMA**2)).detach()
    error = abs(float(losses["decoder"].detach() - expected.mean()))
    assert error < 5 * float(expected.std()) / n**0.5


@pytest.mark.parametrize("teacher", ["same-code", "langevin", "variational"])
def test_no_loss_reaches_another_part(teacher: Any) -> None:
    model = linear()
    data = Batch(torch.randn(32, 2, generator=seeded(4)))
    losses = Cooperative(teacher, noise=0.1)(model, data, generator=seeded()).losses
    reached = {"descriptor": {"descriptor"}, "decoder": {"decoder"}, "encoder": {"encoder"}}
    if teacher == "variational":
        reached["decoder"] = {"decoder", "encoder"}  # through z, as in every such bound
    for name, loss in losses.items():
        model.zero_grad()
        loss.backward(retain_graph=True)
        found = {
            part
            for part, module in model.parts().items()
            for p in module.parameters()
            if p.grad is not None and bool(p.grad.any())
        }
        assert found == reached[name], f"{teacher}: the loss of {name}"


def learned(rule: Cooperative, model: EnergyGenerator, n: int, steps: int) -> tuple[Tensor, ...]:
    """Mean and covariance of the two models, their weights averaged over the last third."""
    root = torch.linalg.cholesky(COVARIANCE)
    data = MEAN + torch.randn(n, 2, generator=seeded(5)) @ root.T
    adam = torch.optim.Adam(model.parameters(), 0.05, betas=(0.5, 0.99))
    fall = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    generator = seeded(6)
    found: list[tuple[Tensor, ...]] = []
    for step in range(steps):
        outcome = rule(model, Batch(data), progress=step / steps, generator=generator)
        adam.zero_grad()
        torch.stack(list(outcome.losses.values())).sum().backward()
        adam.step()
        fall.step()
        if step >= 2 * steps // 3:
            w, c = model.decoder.net[0].weight.detach(), model.decoder.net[0].bias.detach()
            marginal = w @ w.T + SIGMA**2 * torch.eye(2)
            energy: Any = model.descriptor.energies[0]  # type: ignore[attr-defined]
            found.append((*energy.gaussian(), c.clone(), marginal))
    truth = data.mean(0), data.T.cov()
    return *truth, *(torch.stack(each).mean(0) for each in zip(*found, strict=True))


def error_of(covariance: Tensor) -> float:
    """Two standard errors of a variance by one batch; weights are means over 100 of them."""
    return 2 * float(covariance.diagonal().max()) * (2 / N) ** 0.5


@pytest.mark.parametrize("teacher", ["langevin", "variational"])
def test_both_models_learn_a_gaussian(teacher: Any) -> None:
    """The descriptor, and the marginal N(c, WW' + sigma^2 I) of a linear generator."""
    rule = Cooperative(teacher, inference_steps=18, inference_step_size=0.21)
    mean, covariance, *found = learned(rule, linear(), N, 300)
    close = error_of(covariance)
    for name, own_mean, own in (("descriptor", *found[:2]), ("generator", *found[2:])):
        assert torch.allclose(own_mean, mean, atol=close), name
        assert torch.allclose(own, covariance, atol=close), f"{name}: {own} and {covariance}"


def test_the_same_code_keeps_the_mean_and_loses_the_spread_that_the_chain_forgets() -> None:
    """E[x~ | z] is nearer the mean than g(z) by the chain's own forgetting: g contracts."""
    mean, covariance, *found = learned(Cooperative(), linear(), N, 300)
    close = error_of(covariance)
    assert torch.allclose(found[0], mean, atol=close)
    assert torch.allclose(found[1], covariance, atol=close)  # the descriptor is right all the same
    assert torch.allclose(found[2], mean, atol=close)
    assert float((found[3] - SIGMA**2 * torch.eye(2)).trace()) < 0.2 * float(covariance.trace())


def test_a_class_goes_through_both() -> None:
    prior = ClassMixture(3, 2, scale=2.0, width=0.2)
    coupled = {"name": "mala", "steps": 3, "step_size": 0.3}
    descriptor = CoupledPrior(2, 2, {"hidden": [8]}, coupled)
    model = linear(prior, descriptor)
    y = torch.arange(40) % 2
    rule = Cooperative()
    revised = rule.revise(model, 40, y, generator=seeded())
    assert torch.equal(prior.logits(revised.z).argmax(1), y)
    x = torch.randn(40, 2, generator=seeded(1))
    outcome = rule(model, Batch(x, y), generator=seeded())
    f = [descriptor.log_tilt(each, y).mean() for each in (revised.end, x)]
    assert torch.allclose(outcome.losses["descriptor"], f[0] - f[1], atol=1e-5)
    with pytest.raises(UsageError, match="class of some examples is not known"):
        rule(model, Batch(x, y - 1), generator=seeded())
    model.eval()
    drawn = model.sample(6, y=1, generator=seeded(2), refine=False)
    by_class = model.decode_mode(prior.sample(6, y=1, generator=seeded(2)))
    assert torch.equal(drawn, by_class)
    with pytest.raises(UsageError, match="cannot tell classes"):
        model.classify(x)


def test_what_cannot_be_taught_is_refused() -> None:
    rule = Cooperative()
    with pytest.raises(UsageError, match='teaches the model "energy-generator"'):
        rule.check(object())
    with pytest.raises(UsageError, match="prior.name.*would have to be learned"):
        rule.check(linear(EBMPrior(2, {"hidden": [4]})))
    with pytest.raises(UsageError, match="The prior has 2 classes and the descriptor 0"):
        rule.check(linear(ClassMixture(2, 2)))
    model = linear()
    model.encoder = None
    rule.check(model)
    with pytest.raises(UsageError, match="needs an encoder"):
        Cooperative("variational").check(model)
    with pytest.raises(UsageError, match='learning.teacher = "nobody" is unknown'):
        Cooperative("nobody")  # type: ignore[arg-type]
    assert not rule.warnings({"f_posterior": 5.0, "f_chain": 4.0, "chain_spread": 1.0})
    assert rule.warnings({"f_posterior": 2000.0, "f_chain": 0.0})
    for gone in ({"f_posterior": 2e4, "f_chain": 0.0}, {"chain_spread": 11.0}):
        with pytest.raises(DivergenceError):
            rule.warnings(gone)


def test_the_density_of_this_family_is_the_descriptor_s() -> None:
    """log p by quadrature of the plane: what `tabular.density` measures, and no other part."""
    model = linear().eval()
    energy: Any = model.descriptor.energies[0]  # type: ignore[attr-defined]
    with torch.no_grad():
        energy.a.copy_(torch.tensor([[1.0, 0.3], [0.3, 0.5]]))
        energy.b.copy_(torch.tensor([0.4, -0.2]))
    x = torch.randn(20, 2, generator=seeded())
    norm = log_z(model.density.prior, method="quadrature")
    value = model.log_prob(x, log_z=norm).value
    truth = MultivariateNormal(*(each.double() for each in energy.gaussian()))
    assert torch.allclose(value, truth.log_prob(x.double()), atol=1e-3)
