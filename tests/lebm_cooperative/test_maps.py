"""The generator of a map: pictures are a piece of a stationary one."""

from __future__ import annotations

import pytest
import torch

from lebm_cooperative.networks.maps import MapDecoder, map_side
from lebm_core import GaussianPrior, LatentEBM
from lebm_core.errors import UsageError


def decoder_of(side: int = 20, depth: int = 2) -> MapDecoder:
    torch.manual_seed(0)
    return MapDecoder(depth * map_side(side, 2) ** 2, 1, side, [6, 4])


def test_a_map_that_moves_by_a_place_moves_the_picture_by_four_pixels() -> None:
    """With zeros around any layer the pixels near the border would differ."""
    decoder = decoder_of()
    z = torch.randn(3, 2, 9, 9)
    whole = decoder.picture_of(z)
    moved = decoder.picture_of(z[:, :, 1:, 1:])
    side = moved.shape[2]
    assert torch.allclose(whole[:, :, 4 : 4 + side, 4 : 4 + side], moved, atol=1e-6)


def test_pixels_have_the_same_distribution_at_the_border_as_in_the_middle() -> None:
    decoder = decoder_of()
    p = decoder(torch.randn(20_000, decoder.latent_dim, generator=torch.Generator().manual_seed(0)))
    x = p.mean.detach()[:, 0]
    error = (x.square().var(0) / len(x)).sqrt()
    for phase in range(4):  # pixels of one place within a place of the map
        power = x.square().mean(0)[phase::4, phase::4]
        apart = (power - power.mean()).abs() / error[phase::4, phase::4]
        assert float(apart.max()) < 4.5


def test_a_larger_picture_has_the_given_one_in_its_corner() -> None:
    decoder = decoder_of()
    p = decoder(torch.randn(4, decoder.latent_dim))
    larger = p.sample(generator=torch.Generator().manual_seed(0), noise=False, side=50)
    assert larger.shape == (4, 1, 50, 50)
    assert torch.allclose(larger[:, :, :20, :20], p.mean, atol=1e-6)
    assert p.sample(side=9).shape == (4, 1, 9, 9)
    model = LatentEBM(GaussianPrior(decoder.latent_dim), decoder)
    assert model.sample(2, side=33, noise=False).shape == (2, 1, 33, 33)


@pytest.mark.parametrize(("side", "doublings"), [(1, 1), (8, 1), (25, 2), (32, 3), (33, 3)])
def test_the_map_is_the_least_that_makes_the_side(side: int, doublings: int) -> None:
    m = map_side(side, doublings)
    decoder = MapDecoder(m * m, 1, side, [2] * doublings)
    assert decoder.picture_of(torch.zeros(1, 1, m, m)).shape[2] >= side
    assert decoder(torch.zeros(1, m * m)).mean.shape == (1, 1, side, side)
    if m > 3:
        assert decoder.picture_of(torch.zeros(1, 1, m - 1, m - 1)).shape[2] < side


def test_a_code_that_is_no_map_is_refused() -> None:
    with pytest.raises(UsageError, match="prior.latent_dim = 100 is no multiple of 36.* use 108"):
        MapDecoder(100, 1, 32)
