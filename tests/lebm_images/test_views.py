"""Other views of an image, and that learning.consistency compares p(y | x) with p(y | view)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lebm_core import Batch, CoupledPrior, LatentEBM
from lebm_core.errors import UsageError
from lebm_core.smoothness import inconsistency
from lebm_images.networks import ConvEncoder, DeconvDecoder
from lebm_images.views import view

SIDE, MANY = 8, 2000


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def numbered(n: int = MANY, channels: int = 3) -> Tensor:
    """Images of which no two pixels are equal, and none is 0."""
    one = torch.arange(1.0, channels * SIDE * SIDE + 1).view(1, channels, SIDE, SIDE)
    return one.repeat(n, 1, 1, 1)


def test_nothing_asked_nothing_changed() -> None:
    x = numbered(5)
    seen = view(x, 0.0, 0, False, generator())
    assert torch.equal(seen, x)
    assert seen.data_ptr() != x.data_ptr()


def test_every_second_image_is_mirrored() -> None:
    x = numbered()
    seen = view(x, 0.0, 0, True, generator())
    same = (seen == x).flatten(1).all(1)
    turned = (seen == x.flip(3)).flatten(1).all(1)
    assert bool((same ^ turned).all())
    assert abs(float(turned.float().mean()) - 0.5) < 4 * 0.5 / MANY**0.5


def test_shifts_go_each_way_as_far_as_said_and_the_border_fills() -> None:
    x, shift = numbered(), 2
    seen = view(x, 0.0, shift, False, generator())
    places = torch.arange(SIDE)
    found = torch.zeros(MANY, dtype=torch.long)
    for down in range(-shift, shift + 1):
        for right in range(-shift, shift + 1):
            rows, columns = (places + down).clamp(0, 7), (places + right).clamp(0, 7)
            expected = x[:, :, rows][..., columns]
            is_this = (seen == expected).flatten(1).all(1)
            expect, error = MANY / 25, (MANY / 25 * 24 / 25) ** 0.5
            assert abs(int(is_this.sum()) - expect) < 5 * error
            found += is_this
    assert torch.equal(found, torch.ones(MANY, dtype=torch.long))


@pytest.mark.parametrize("hidden", [0.1, 0.25, 0.5])
def test_a_square_is_hidden_of_at_most_that_area(hidden: float) -> None:
    x = numbered(20000)
    seen = view(x, hidden, 0, False, generator())
    gone = seen == 0
    assert torch.equal(gone[:, :1].expand_as(gone), gone)  # in all channels
    assert bool(((seen == x) | gone).all())
    gone = gone[:, 0]
    high, wide = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(high * wide, gone.sum((1, 2)))  # a rectangle, cut by the border
    most = max(1, int(SIDE * hidden**0.5 + 1))
    assert int(high.max()) <= most and int(wide.max()) <= most
    # A pixel is hidden where the centre is within half a side of it, each way by itself.
    far = (torch.arange(SIDE)[:, None] - torch.arange(SIDE)).abs()
    near = far <= 0.5 * SIDE * hidden**0.5 - 0.5
    share = near.float().mean(1)
    expected = share[:, None] * share
    error = (expected * (1 - expected) / len(x)).sqrt()
    assert bool(((gone.float().mean(0) - expected).abs() < 5 * error).all())


def test_consistency_compares_with_the_view() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(4, 1, SIDE, width=4, mirror=True, half=False)
    decoder = DeconvDecoder(4, 1, SIDE, width=0.1)
    model = LatentEBM(CoupledPrior(4, 3, hidden=[16]), decoder, encoder)
    x = torch.rand(64, 1, SIDE, SIDE) * 2 - 1
    symmetric = x + x.flip(3)

    def apart(images: Tensor, hidden: float) -> float:
        return float(inconsistency(model, Batch(images), hidden, generator()).detach())

    assert apart(symmetric, 0.0) == pytest.approx(0, abs=1e-6)
    assert apart(x, 0.0) > 1e-4
    assert apart(symmetric, 0.25) > 1e-4


@pytest.mark.parametrize("shift", [-1, SIDE])
def test_a_shift_out_of_the_image_is_refused(shift: int) -> None:
    with pytest.raises(UsageError, match=f"encoder.shift = {shift} must be from 0 to below"):
        ConvEncoder(4, 1, SIDE, shift=shift)
