"""foils.bits against closed forms: levels exactly, a density by noise, an energy by AIS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lebm_core import EBMPrior, GaussianPrior, LatentEBM
from lebm_core.contracts import toys
from lebm_core.errors import UsageError
from lebm_core.evaluation.values import Value
from lebm_core.models.ebm import EBM
from lebm_core.priors.energy import Energy
from lebm_foils.metrics.bits import bits
from lebm_foils.models.denoising import DenoisingAutoencoder
from lebm_foils.networks.perceptron import PerceptronDecoder, PerceptronEncoder
from lebm_foils.networks.pixelcnn import PixelCNN
from lebm_foils.networks.pixels import level_width, value_of

LEVELS = 5
WIDTH = level_width(LEVELS)


class Levels(toys.Points):
    """Images of 4 x 4 pixels, each of five levels, the middle ones the likelier."""

    def __init__(self) -> None:
        super().__init__()
        share = torch.tensor([1.0, 2.0, 4.0, 2.0, 1.0])
        generator = torch.Generator().manual_seed(0)
        level = share.multinomial(200 * 16, True, generator=generator).view(-1, 1, 4, 4)
        self.x = {"train": value_of(level, LEVELS), "test": value_of(level, LEVELS)}


class Quadratic(Energy):
    """F(z) = -k |z|^2 / 2, so that with p0 = N(0, I) the density is N(0, 1 / (1 + k))."""

    latent_dim, outputs, context_dim = 16, 1, 0

    def __init__(self, k: float = 10.0) -> None:
        super().__init__()
        self.k = k

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return -0.5 * self.k * z.square().sum(1, keepdim=True)


def measured(folder: Path, model: object, **options: int) -> Mapping[str, Value]:
    evaluation = toys.evaluation(folder, model, Levels())
    return bits(levels=LEVELS, timed_samples=2, **options)(evaluation)


def by_noise(x: Tensor, variance: float) -> float:
    """The bits of N(0, variance), its log averaged over uniform noise, in closed form."""
    square = x.square().mean() + WIDTH**2 / 12
    nats = 0.5 * math.log(2 * math.pi * variance) + 0.5 * float(square) / variance
    return (nats - math.log(WIDTH)) / math.log(2)


def test_even_levels_cost_their_logarithm(tmp_path: Path) -> None:
    decoder = PixelCNN(0, [1, 4, 4], LEVELS, width=4, layers=1)
    with torch.no_grad():
        for p in decoder.out[-1].parameters():  # type: ignore[union-attr]
            p.zero_()
    found = measured(tmp_path, LatentEBM(GaussianPrior(0), decoder).eval())
    assert found["bits"].value == pytest.approx(math.log2(LEVELS), abs=1e-5)
    assert found["bits"].standard_error == pytest.approx(0, abs=1e-6)
    assert "exact" in found["bits"].definition
    assert (found["milliseconds"].value or 0) > 0
    with pytest.raises(UsageError, match=r"decoder\.levels"):
        measured(tmp_path, LatentEBM(GaussianPrior(0), PixelCNN(0, [1, 4, 4], 7)).eval())


def test_a_density_is_bounded_by_noise(tmp_path: Path) -> None:
    model = EBM(GaussianPrior(16, 0.5), [1, 4, 4]).eval()
    found, x = measured(tmp_path, model, bits_draws=50)["bits"], Levels().x["test"]
    # log p varies by x u / s^2 within a level: an error below WIDTH / s^2 / sqrt(12 N), in bits.
    error = WIDTH / 0.25 / (12 * 50 * x.numel()) ** 0.5 / math.log(2)
    assert found.value == pytest.approx(by_noise(x, 0.25), abs=5 * error)
    # The exact probability of a level is larger: the bound is on the right side.
    normal = torch.distributions.Normal(0.0, 0.5)
    exact = (normal.cdf(x + WIDTH / 2) - normal.cdf(x - WIDTH / 2)).log2().mean()
    assert -float(exact) < (found.value or 0) < -float(exact) + 0.1


def test_an_energy_that_the_core_refuses_has_its_bits_by_annealing(tmp_path: Path) -> None:
    prior = EBMPrior(16, Quadratic(1.0), {"name": "mala", "steps": 5, "step_size": 0.3}, bound=0)
    easy = measured(tmp_path, EBM(prior, [1, 4, 4]).eval())
    assert easy["bits"].value == pytest.approx(by_noise(Levels().x["test"], 0.5), abs=0.03)
    prior = EBMPrior(16, Quadratic(), {"name": "mala", "steps": 5, "step_size": 0.25}, bound=0)
    found = measured(tmp_path, EBM(prior, [1, 4, 4]).eval(), ais_steps=1200, ais_chains=500)
    assert found["bits"].value is None
    assert "effective draws" in (found["bits"].refused or "")
    expected = by_noise(Levels().x["test"], 1 / 11)
    error = 5 * (found["bits_ais"].standard_error or 0) + 0.1
    assert found["bits_ais"].value == pytest.approx(expected, abs=error)
    extra = found["bits_ais"].extra
    most = 5 * extra["log_z_error"] + 0.2
    assert extra["log_z"] == pytest.approx(-8 * math.log(11), abs=most)
    short = measured(tmp_path, EBM(prior, [1, 4, 4]).eval(), ais_steps=4)
    assert short["bits_ais"].value is None


def test_a_code_is_integrated_over(tmp_path: Path) -> None:
    """A decoder that ignores z has p(x | z) = p(x)."""
    decoder = PerceptronDecoder(2, [1, 4, 4], [], sigma=0.5)
    encoder = PerceptronEncoder(2, [1, 4, 4], [])
    with torch.no_grad():
        for p in (*decoder.net.parameters(), *encoder.net.parameters()):
            p.zero_()
    model = LatentEBM(GaussianPrior(2), decoder, encoder).eval()
    found = measured(tmp_path, model, bits_draws=20, bits_codes=10)["bits"]
    assert found.value == pytest.approx(by_noise(Levels().x["test"], 0.25), abs=0.02)
    assert "importance" in found.definition


def test_what_has_no_density_is_refused(tmp_path: Path) -> None:
    decoder, encoder = PerceptronDecoder(2, [1, 4, 4], [4]), PerceptronEncoder(2, [1, 4, 4], [4])
    model = DenoisingAutoencoder(GaussianPrior(2), decoder, encoder, chain_steps=2).eval()
    found = measured(tmp_path, model)
    assert found["bits"].value is None
    assert "no density" in (found["bits"].refused or "")
    assert (found["milliseconds"].value or 0) > 0
    with pytest.raises(UsageError, match="from -1 to 1"):
        bits(levels=LEVELS)(toys.evaluation(tmp_path))
