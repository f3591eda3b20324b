"""Adversarial rules of energies: losses by formula, no leaks, entropies, Gaussians that agree."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lebm_cooperative.learning.adversarial import Adversarial, DivergenceTriangle
from lebm_cooperative.learning.adversaries import (
    Draws,
    draws_of,
    encoder_entropy,
    neighbour_entropy,
)
from lebm_cooperative.learning.pair_energy import VariationalEnergy
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_cooperative.models.pair_energy import PairEnergyGenerator
from lebm_core import EBMPrior, Energy, GaussianPrior
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_foils.networks.perceptron import PerceptronDecoder, PerceptronEncoder

MEAN = torch.tensor([1.0, -0.5])
ROOT = torch.tensor([[0.9, 0.0], [0.3, 0.7]])  # of the covariance
NOISE = 0.3
RULES: dict[str, Any] = {
    "variational": Adversarial("variational", noise=NOISE),
    "neighbours": Adversarial("nearest-neighbour", noise=NOISE),
    "triangle": DivergenceTriangle(noise=NOISE),
    "pair": VariationalEnergy(noise=NOISE),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(n: int, generator: torch.Generator) -> Tensor:
    return MEAN + torch.randn(n, 2, generator=generator) @ ROOT.T


class Quadratic(Energy):
    """F(x) = -x' A x / 2 + b . x: the tilt of N(0, I) is Gaussian, of precision I + A."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.a = nn.Parameter(torch.zeros(latent_dim, latent_dim))
        self.b = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return (-0.5 * (z @ self.a * z).sum(-1) + z @ self.b)[:, None]

    def gaussian(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance."""
        a = 0.5 * (self.a + self.a.T).detach()
        covariance = torch.linalg.inv(torch.eye(self.latent_dim) + a)
        return covariance @ self.b.detach(), covariance


def model(encoder: bool = True, pair: bool = False, energy: Any = None) -> Any:
    torch.manual_seed(0)
    decoder = PerceptronDecoder(2, [2], hidden=[], sigma=NOISE)
    code = PerceptronEncoder(2, [2], hidden=[]) if encoder else None
    n = 4 if pair else 2
    given = Quadratic(n) if energy is None else energy
    descriptor = EBMPrior(n, given, bound=0.0)
    if pair:
        return PairEnergyGenerator(GaussianPrior(2), decoder, code, None, descriptor)
    return EnergyGenerator(GaussianPrior(2), decoder, code, None, descriptor, False)


def of(rule: Any, energy: Any = None) -> Any:
    encoder = not (isinstance(rule, Adversarial) and rule.entropy != "variational")
    return model(encoder, isinstance(rule, VariationalEnergy), energy)


def fit(rule: Any, taught: Any, steps: int, rates: dict[str, float], batch: int = 300) -> None:
    generator = seeded()
    groups = [
        {"params": list(part.parameters()), "base": rates.get(name, 2e-2)}
        for name, part in taught.parts().items() if list(part.parameters())
    ]  # fmt: skip
    optimizer = torch.optim.Adam(groups, 1e-3, betas=(0.5, 0.9))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * (1 - step / steps)
        found = rule(taught, Batch(data(batch, generator)), generator=generator)
        optimizer.zero_grad()
        torch.stack(list(found.losses.values())).sum().backward()
        optimizer.step()


def posterior_of(taught: Any, weight: Tensor, bias: Tensor) -> None:
    """Give the encoder the exact posterior of x = W z + b + noise, W of orthogonal columns."""
    precision = 1 + weight.square().sum(0) / NOISE**2
    back = weight.T / NOISE**2 / precision[:, None]
    (layer,) = (m for m in taught.encoder.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(torch.cat([back, torch.zeros(2, 2)]))
        layer.bias.copy_(torch.cat([-back @ bias, -0.5 * precision.log()]))
        for p, value in zip(taught.decoder.net.parameters(), (weight, bias), strict=True):
            p.copy_(value)


def test_the_bound_of_the_entropy_is_exact_for_the_exact_posterior() -> None:
    """Then log q(z | x) varies by 1 nat a draw: 8,000 draws know its mean to .011."""
    taught, turn = model(), 0.6
    rotation = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    weight, bias = rotation * torch.tensor([1.2, 0.5]), torch.tensor([0.3, -1.0])
    posterior_of(taught, weight, bias)
    covariance = weight @ weight.T + NOISE**2 * torch.eye(2)
    truth = 0.5 * float(torch.logdet(2 * math.pi * math.e * covariance))
    with torch.no_grad():
        draws = draws_of(taught, 8000, None, NOISE, seeded())
        bound = float(encoder_entropy(taught, taught.encoder, draws, None, NOISE))
        assert abs(bound - truth) < 4 * 0.011
        near = float(neighbour_entropy(draws.x[:2000]))  # varies by about 1.6 nats a draw
        assert abs(near - truth) < 4 * 1.6 / 2000**0.5
        (layer,) = (m for m in taught.encoder.modules() if isinstance(m, nn.Linear))
        layer.bias[2:] += 0.5  # too wide by exp(.5): the bound falls by d (.5 + (e^-1 - 1) / 2)
        lower = float(encoder_entropy(taught, taught.encoder, draws, None, NOISE))
    assert abs(bound - lower - 2 * (0.5 + 0.5 * (math.exp(-1) - 1))) < 4 * 0.011


def test_losses_by_formula() -> None:
    taught, rule = model(energy={"hidden": [8]}), DivergenceTriangle(0.7, 2.0, 0.5, NOISE, 0.3)
    batch = Batch(data(6, seeded(1)))
    losses = rule(taught, batch, generator=seeded(2)).losses
    g = seeded(2)
    x = batch.x + NOISE * torch.randn(6, 2, generator=g)
    z = torch.randn(6, 2, generator=g)
    with torch.no_grad():
        weight, bias = taught.decoder.net.parameters()
        drawn = z @ weight.T + bias + NOISE * torch.randn(6, 2, generator=g)
        up, down = (taught.descriptor.log_tilt(at) for at in (x, drawn))
        q = taught.encoder(x)
        code = q.mean + q.stddev * torch.randn(6, 2, generator=g)
        off = x - code @ weight.T - bias
        nll = (0.5 * off.square() / NOISE**2 + math.log(NOISE * (2 * math.pi) ** 0.5)).sum(1).mean()
        kl = (0.5 * (q.mean.square() + q.variance - 1) - q.stddev.log()).sum(1).mean()
        p0 = -0.5 * drawn.square().sum(1) - math.log(2 * math.pi)
        entropy = (
            2 * 0.5 * math.log(2 * math.pi * math.e) * (1 + 1) + 2 * math.log(NOISE)
            + taught.encoder(drawn).log_prob(z).mean()
        )  # fmt: skip
    l2 = 0.3 * (up.square().mean() + down.square().mean())
    expected = {
        "descriptor": down.mean() - up.mean() + l2,
        "decoder": nll - 0.5 * (down + p0).mean(),
        "encoder": 2.0 * kl,
        "entropy": -0.7 * entropy,
    }
    assert losses.keys() == expected.keys()
    for part, value in expected.items():
        assert torch.allclose(losses[part], value, atol=1e-4), part


@pytest.mark.parametrize("name", list(RULES))
def test_gradients_do_not_leak(name: str) -> None:
    rule = RULES[name]
    taught = of(rule, {"hidden": [8]})
    losses = rule(taught, Batch(data(6, seeded(1))), generator=seeded(2)).losses
    allowed = {"descriptor": {"descriptor"}, "decoder": {"decoder", "encoder"}}
    for loss, value in losses.items():
        for part, module in taught.parts().items():
            parameters = [p for p in module.parameters() if p.requires_grad]
            if not parameters:
                continue
            grads = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            if any(g is not None and bool(g.any()) for g in grads):
                assert part in allowed.get(loss, {"decoder", "encoder"}), (loss, part)
    only = torch.autograd.grad(
        losses["encoder"] if "encoder" in losses else losses["descriptor"],
        list(taught.decoder.net.parameters()), allow_unused=True,
    )  # fmt: skip
    assert all(g is None for g in only)


@pytest.mark.parametrize("name", ["variational", "triangle", "pair"])
def test_a_linear_generator_finds_the_gaussian(name: str) -> None:
    """Batches of 300: a mean is known to .06, which rates that fall to 0 bring down further."""
    rule = RULES[name]
    taught = of(rule)
    fit(rule, taught, 600, {"descriptor": 5e-2, "encoder": 5e-2})
    weight, bias = (p.detach() for p in taught.decoder.net.parameters())
    truth = ROOT @ ROOT.T
    assert (bias - MEAN).abs().max() < 0.12, bias
    assert (weight @ weight.T - truth).abs().max() < 0.2, weight @ weight.T
    if name != "pair":  # the descriptor's own density: of the data with noise
        mean, covariance = taught.descriptor.energies[0].gaussian()
        assert (mean - MEAN).abs().max() < 0.3, mean  # it swings about the truth
        assert (covariance - truth - NOISE**2 * torch.eye(2)).abs().max() < 0.3, covariance


@pytest.mark.parametrize("entropy", ["none", "nearest-neighbour"])
def test_without_the_entropy_the_generator_collapses(entropy: Any) -> None:
    """On a descriptor that stays as it is, N(0, I): to its mode, or to all of it."""
    rule, taught = Adversarial(entropy, noise=0.05), model(False)
    generator, spread = seeded(), 0.0
    optimizer = torch.optim.Adam(taught.decoder.parameters(), 3e-2)
    for _ in range(150):
        found = rule(taught, Batch(torch.randn(100, 2, generator=generator)), generator=generator)
        optimizer.zero_grad()
        torch.stack(list(found.losses.values())).sum().backward()
        optimizer.step()
        spread = float(found.metrics["chain_spread"])
    assert spread < 0.1 if entropy == "none" else 0.7 < spread < 1.3


def test_collapse_is_said() -> None:
    rule = RULES["neighbours"]
    assert "collapsed" in rule.warnings({"chain_spread": 0.05})[0]
    assert not rule.warnings({"chain_spread": 0.9})


def test_a_uniform_reference_reflects_draws_at_its_walls() -> None:
    taught = model()
    taught.descriptor = EBMPrior(2, {"hidden": [8]}, reference="uniform", reference_std=0.5)
    losses = RULES["variational"](taught, Batch(data(50, seeded())), generator=seeded()).losses
    assert all(bool(loss.isfinite()) for loss in losses.values())


def test_a_pair_model_is_saved_and_samples_means(tmp_path: Any) -> None:
    taught = model(pair=True, energy={"hidden": [8]}).eval()
    again = taught.decode(torch.zeros(2, 2))
    assert torch.equal(again, taught.decode(torch.zeros(2, 2)))  # no noise
    assert taught.sample(5, generator=seeded()).shape == (5, 2)
    x = data(5, seeded())
    taught.save_pretrained(tmp_path)
    loaded = PairEnergyGenerator.from_pretrained(tmp_path)
    assert torch.allclose(loaded.pair_energy(x), taught.pair_energy(x))
    z = taught.encoder(x).mean
    energy = -taught.descriptor.log_prob(torch.cat([x, z], 1))
    assert torch.allclose(taught.pair_energy(x), energy)


def test_what_cannot_be_taught_is_refused() -> None:
    for rule, taught, words in (
        (RULES["variational"], model(False), "encoder"),
        (RULES["neighbours"], model(), "teaches no encoder"),
        (RULES["triangle"], model(pair=True), "energy-generator"),
        (RULES["pair"], model(), "pair-energy-generator"),
    ):
        with pytest.raises(UsageError, match=words):
            rule.check(taught)
    for rule in RULES.values():
        rule.check(of(rule))
    taught = model(False)
    taught.prior = EBMPrior(2, {"hidden": [4]})
    with pytest.raises(UsageError, match="no prior"):
        RULES["neighbours"].check(taught)
    with pytest.raises(UsageError, match="6 dimensions|3 dimensions"):
        PairEnergyGenerator(
            GaussianPrior(2), PerceptronDecoder(2, [2]), PerceptronEncoder(2, [2]), None,
            EBMPrior(3, {"hidden": [4]}),
        )  # fmt: skip
    assert isinstance(draws_of(taught, 3, None, 0.0, seeded()), Draws)
