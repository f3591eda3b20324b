"""Glow: its inverse, its volume, its density, and how ActNorm begins."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lebm_core.contracts.toys import Points
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM
from lebm_foils.networks.glow import ActNorm, Coupling, Mixing, Step
from lebm_foils.priors.glow import GlowPrior


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(module: nn.Module, by: float = 0.2) -> None:
    with torch.no_grad():
        for p in module.parameters():
            p.add_(by * torch.randn(p.shape, generator=seeded(1), dtype=p.dtype))


def glow(shape: list[int], squeezes: int, width: int = 8) -> GlowPrior:
    torch.manual_seed(0)
    prior = GlowPrior(math.prod(shape), shape, squeezes, steps=2, width=width).double()
    shaken(prior)
    return prior


SHAPES = [([1, 8, 8], 2), ([1, 8, 8], 3), ([3, 4, 4], 1), ([2, 3, 1], 0)]


@pytest.mark.parametrize(("shape", "squeezes"), SHAPES)
def test_the_inverse_comes_back_and_the_volume_is_the_jacobians(
    shape: list[int], squeezes: int
) -> None:
    prior = glow(shape, squeezes)
    z = torch.randn(3, prior.latent_dim, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        u, volume = prior.standardised(z)
        assert torch.allclose(prior.generated(u), z, atol=1e-9)
    for row in range(3):
        jacobian = torch.autograd.functional.jacobian(
            lambda x: prior.standardised(x[None])[0][0], z[row]
        )
        assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(
            float(volume[row]), abs=1e-8
        )


@pytest.mark.parametrize("part", [ActNorm(4), Mixing(4), Coupling(5, 8), Step(4, 8)])
def test_each_part_has_its_inverse(part: nn.Module) -> None:
    shaken(part)
    x = torch.randn(5, 5 if isinstance(part, Coupling) else 4, 2, 3, generator=seeded())
    with torch.no_grad():
        y, volume = part(x)
        assert volume.shape == (5,)
        assert not torch.allclose(y, x, atol=1e-2)
        assert torch.allclose(part.inverse(y), x, atol=1e-5)  # type: ignore[operator]


def test_the_density_integrates_to_one_in_the_plane() -> None:
    prior = glow([2, 1, 1], 0)
    axis = torch.linspace(-12, 12, 481, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = prior.log_prob(grid).exp().sum() * (24 / 480) ** 2
    assert float(total) == pytest.approx(1, abs=2e-3)


def test_draws_have_the_density() -> None:
    """-E log p of draws is the entropy of N(0, I) plus E log |dx/du|, paired, to 5 errors."""
    prior = glow([1, 4, 4], 2)
    with torch.no_grad():
        u = torch.randn(4000, 16, generator=seeded(), dtype=torch.float64)
        x = prior.generated(u)
        expected = prior.reference.log_prob(u) + prior.standardised(x)[1]
        assert torch.allclose(prior.log_prob(x), expected, atol=1e-8)
    assert torch.equal(
        prior.float().sample(7, generator=seeded()), prior.sample(7, generator=seeded())
    )


class Blobs(Points):
    """Images of unequal means and spreads."""

    def __init__(self) -> None:
        super().__init__()
        spread = torch.rand(1, 1, 4, 4, generator=seeded(2))
        self.x = {"train": 0.1 + 3 * spread * torch.randn(300, 1, 4, 4, generator=seeded())}


def test_actnorm_begins_at_mean_0_and_variance_1_of_the_data() -> None:
    torch.manual_seed(0)
    prior = GlowPrior(16, [1, 4, 4], 2, 2, 8)
    data = Blobs()
    prior.initialise(data)
    seen: list[torch.Tensor] = []
    for module in prior.modules():
        if isinstance(module, ActNorm):
            module.register_forward_hook(lambda _, __, out: seen.append(out[0]))
    with torch.no_grad():
        prior.standardised(data.x["train"].flatten(1))
    assert len(seen) == 4
    for out in seen:
        assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(out.shape[1]), atol=1e-4)
        assert torch.allclose(out.std((0, 2, 3)), torch.ones(out.shape[1]), atol=1e-3)


def test_it_is_a_model_of_x_with_an_exact_density() -> None:
    model = EBM(glow([1, 4, 4], 1).float(), [1, 4, 4]).eval()
    x = model.sample(6, generator=seeded())
    assert x.shape == (6, 1, 4, 4)
    found = model.log_prob(x)
    assert found.method == "exact"
    assert float(found.standard_error.max()) == 0


def test_scales_are_bounded() -> None:
    """Weights that would overflow exp leave a finite density."""
    prior = glow([1, 4, 4], 2)
    with torch.no_grad():
        for name, p in prior.named_parameters():
            if "net" in name or "moments" in name:
                p.mul_(1e4)
    assert bool(prior.log_prob(torch.randn(5, 16, generator=seeded()).double()).isfinite().all())


def test_refusals_name_the_key() -> None:
    for shape, squeezes, key in (([1, 6, 6], 2, "squeezes"), ([1, 4, 4], 0, "squeezes")):
        with pytest.raises(UsageError, match=rf"prior\.{key}"):
            GlowPrior(math.prod(shape), shape, squeezes)
    with pytest.raises(UsageError, match="images"):
        GlowPrior(3, [3])
