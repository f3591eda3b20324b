"""Chains amortised by a denoising model: of the posterior, and of the prior."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import MCMC, DensityRatio, LatentEBM, TwoPart, Variational
from lebm_core.base.randomness import fork
from lebm_core.contracts import toys
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder, gaussian_code
from lebm_core.learning.contrastive import ShortRunChains
from lebm_core.learning.symbol import Symbols
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.run.cli import main
from lebm_diffusion.latent.amortized import DiffusionAmortized
from lebm_diffusion.learning.amortized import AmortizedChains
from lebm_diffusion.priors.amortized import AmortizedPrior

NOISE = 0.5  # of x = z^2


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Square(Decoder):
    """x = z^2 + eps / 2: z and -z explain x equally well."""

    def __init__(self, latent_dim: int = 1) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self, z: Tensor) -> Independent[Normal]:  # type: ignore[override]
        return Independent(Normal(z.square(), NOISE, validate_args=False), 1)


class Wide(Encoder):
    """A network of one layer."""

    def __init__(self, latent_dim: int = 1) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 2))

    def forward(self, x: Tensor) -> Independent[Normal]:  # type: ignore[override]
        return gaussian_code(self.net(x))


def exact(x: float) -> tuple[float, float]:
    """Mean and standard deviation of |z| given x, by quadrature."""
    z = torch.linspace(-5, 5, 20_001, dtype=torch.float64)
    log_p = -(z**2) / 2 - (x - z**2) ** 2 / (2 * NOISE**2)
    p = (log_p - log_p.logsumexp(0)).exp()
    mean = float((p * z.abs()).sum())
    return mean, math.sqrt(float((p * z**2).sum()) - mean**2)


def test_a_learned_start_has_both_modes_of_a_posterior() -> None:
    with fork(seeded()):
        inference = DiffusionAmortized(1, {"name": "mala", "steps": 10, "step_size": 0.3}, width=32)
        model = LatentEBM(GaussianPrior(1), Square(), Wide(), inference)
    adam = torch.optim.Adam(
        [*inference.parameters(), *model.need_encoder("a test").parameters()], 1e-2
    )
    generator, rule = seeded(1), MCMC()
    for step in range(200):
        adam.param_groups[0]["lr"] = 1e-2 * (1 - step / 200)
        z = torch.randn(128, 1, generator=generator)
        x = z.square() + NOISE * torch.randn(128, 1, generator=generator)
        losses = rule(model, Batch(x), Symbols(), 0.0, generator).losses
        adam.zero_grad()
        (losses["inference"] + losses["encoder"]).backward()
        adam.step()
    alone = inference.replaced(sampler={"name": "langevin", "steps": 1, "step_size": 0.01})
    alone.load_state_dict(inference.state_dict())
    model.eval()
    for value in (1.0, 3.0):
        (mean, deviation), batch = exact(value), Batch(torch.full((4000, 1), value))
        z = alone(model, batch, generator=generator)
        assert 0.25 < float((z > 0).float().mean()) < 0.75
        assert float(z.abs().mean()) == pytest.approx(mean, abs=0.15)
    between = float((z.abs() < 0.7).float().mean())  # 6 standard deviations off either mode
    q = model.need_encoder("a test")(batch.x)  # one Gaussian has to have mass there
    assert between < 0.1 and float((q.sample().abs() < 0.7).float().mean()) > 0.2
    untrained = alone.replaced()(model, batch, generator=generator)
    assert float((untrained.abs() < 0.7).float().mean()) > 0.4
    refined = inference(model, batch, generator=generator)
    assert deviation - 0.02 < float(refined.abs().std()) < float(z.abs().std())


def far_modes(n: int, seed: int) -> Tensor:
    """0.3 at -2.5 and 0.7 at 2.5 in z_1, of standard deviation 0.2; z_2 = N(0, 1)."""
    generator = seeded(seed)
    side = torch.where(torch.rand(n, generator=generator) < 0.3, -2.5, 2.5)
    first = side + 0.2 * torch.randn(n, generator=generator)
    return torch.stack([first, torch.randn(n, generator=generator)], 1)


def test_chains_of_the_prior_start_with_the_weights_of_far_modes() -> None:
    with fork(seeded()):
        prior = AmortizedPrior(2, energy={"hidden": [32]}, sampler={"steps": 5, "step_size": 0.1})
        same = EBMPrior(2, energy={"hidden": [32]})
    same.load_state_dict({k: v for k, v in prior.state_dict().items() if not k.startswith("net")})
    z = torch.randn(50, 2, generator=seeded(1))
    assert torch.equal(prior.log_tilt(z), same.log_tilt(z))  # the density is the plain one's
    before = prior.sample(4000, generator=seeded(2))
    assert abs(float((before[:, 0] < 0).float().mean()) - 0.5) < 0.05
    rule, generator, codes = AmortizedChains(), seeded(3), far_modes(4000, 4)
    adam = torch.optim.Adam(prior.parameters(), 3e-3)
    for _ in range(250):
        rows = torch.randint(4000, (200,), generator=generator)
        found = rule(prior, codes[rows], None, 0.0, generator)
        adam.zero_grad()
        found.loss.backward()
        adam.step()
    assert {"start", "f_posterior", "f_chain"} <= set(found.metrics)
    drawn = prior.sample(4000, generator=generator)
    assert float((drawn[:, 0] < 0).float().mean()) == pytest.approx(0.3, abs=0.08)
    assert float((drawn[:, 0].abs() > 1.5).float().mean()) > 0.9
    given = prior.sample(100, start=torch.zeros(100, 2), generator=generator)
    assert float(given[:, 0].abs().mean()) < 1.5  # a start that is given is used


def test_what_starts_some_chains_at_the_reference() -> None:
    prior = AmortizedPrior(2)
    with torch.no_grad():
        prior.net.leave.weight.fill_(1e-12)  # taught
        prior.net.leave.bias.fill_(-2.0)  # v = -2 for a quarter turn: draws are pi off noise
    shares = {}
    for share in (0.0, 0.5, 1.0):
        start = AmortizedChains(from_reference=share).start(prior, 4000, seeded())
        assert start is not None
        shares[share] = float(start[:, 0].mean())
    assert abs(shares[1.0]) < 0.06 and shares[0.0] > 2.5
    assert shares[0.5] == pytest.approx(shares[0.0] / 2, abs=0.15)


def test_what_does_not_go_together_is_refused() -> None:
    model = toys.latent_model(inference=DiffusionAmortized(2))
    with pytest.raises(UsageError, match=r'learning.decoder.name.*"mcmc"'):
        TwoPart(Variational(), DensityRatio()).check(model)
    TwoPart(MCMC(), DensityRatio()).check(model)
    with pytest.raises(UsageError, match='prior.name = "diffusion-amortized"'):
        AmortizedChains().check(EBMPrior(2))
    ShortRunChains().check(AmortizedPrior(2))
    AmortizedChains().check(GaussianPrior(2))  # of a baseline with f = 0: nothing to teach
    with pytest.raises(UsageError, match="latent_dim = 32, the prior 2"):
        toys.latent_model(inference=DiffusionAmortized())
    with pytest.raises(UsageError, match="inference.width"):
        DiffusionAmortized(2, width=0)
    with pytest.raises(UsageError, match="needs an encoder"):
        toys.latent_model(inference=DiffusionAmortized(2), encoder=False)


def test_a_checkpoint_holds_its_network_once() -> None:
    model, rule = (
        toys.latent_model(inference=DiffusionAmortized(2)),
        TwoPart(MCMC(), DensityRatio()),
    )
    rule.load_state_dict(rule.state_dict(), model)  # of a rule that taught nothing yet
    batch = toys.Points().batch("train", torch.arange(20))
    losses = rule(model, batch, generator=seeded()).losses
    assert losses["inference"].requires_grad
    assert not [key for key in rule.state_dict() if key.startswith("inference.")]
    assert [key for key in model.state_dict() if key.startswith("inference.net.")]


def test_its_network_is_a_part_that_is_trained_and_saved(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("a,b\n" + "1.0,2.0\n3.0,1.5\n" * 20)
    given: list[Any] = [
        "recipe", "table", f"data.source={tmp_path}/own.csv", "--preset", "smoke",
        "evaluation.baselines=['vae']", "evaluation.metrics=[]",
        "prior.name=diffusion-amortized", "inference.name=diffusion-amortized",
        "inference.width=16", "inference.sampler.steps=3", "learning.decoder.name=mcmc",
        "learning.prior.name=diffusion-amortized", "training.parts.inference.lr=0.01",
        "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert main(given) == 0
    model = LatentEBM.from_pretrained(tmp_path / "run" / "model")
    assert isinstance(model.inference, DiffusionAmortized)
    assert set(model.parts()) == {"prior", "decoder", "encoder", "inference"}
    assert bool(model.inference.net.leave.weight.any())  # it was 0 before the first step
    assert model.inference.options["width"] == 16
