"""Augmentations, and the consistency loss between p(y | x) and p(y | augmented x)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lebm_core import Batch, CoupledPrior, LatentEBM
from lebm_core.errors import UsageError
from lebm_core.learning.consistency import consistency_loss
from lebm_images.networks.augmentations import augment
from lebm_images.networks.decoder import DeconvDecoder
from lebm_images.networks.encoder import ConvEncoder

SIDE, HIGH, WIDE, MANY = 8, 6, 10, 2000


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def numbered(n: int = MANY, high: int = HIGH, wide: int = WIDE) -> Tensor:
    """Images of which no two pixels are equal, and none is 0."""
    one = torch.arange(1.0, 3 * high * wide + 1).view(1, 3, high, wide)
    return one.repeat(n, 1, 1, 1)


def test_nothing_asked_nothing_changed() -> None:
    x = numbered(5)
    seen = augment(x, 0.0, 0, False, generator())
    assert torch.equal(seen, x)
    assert seen.data_ptr() != x.data_ptr()


def test_every_second_image_is_mirrored() -> None:
    x = numbered()
    seen = augment(x, 0.0, 0, True, generator())
    same = (seen == x).flatten(1).all(1)
    turned = (seen == x.flip(3)).flatten(1).all(1)
    assert bool((same ^ turned).all())
    assert abs(float(turned.float().mean()) - 0.5) < 4 * 0.5 / MANY**0.5


def test_shifts_go_each_way_as_far_as_said_and_the_border_fills() -> None:
    x, shift = numbered(), 2
    seen = augment(x, 0.0, shift, False, generator())
    found = torch.zeros(MANY, dtype=torch.long)
    for down in range(-shift, shift + 1):
        for right in range(-shift, shift + 1):
            rows = (torch.arange(HIGH) + down).clamp(0, HIGH - 1)
            columns = (torch.arange(WIDE) + right).clamp(0, WIDE - 1)
            expected = x[:, :, rows][..., columns]
            is_this = (seen == expected).flatten(1).all(1)
            expect, error = MANY / 25, (MANY / 25 * 24 / 25) ** 0.5
            assert abs(int(is_this.sum()) - expect) < 5 * error
            found += is_this
    assert torch.equal(found, torch.ones(MANY, dtype=torch.long))


@pytest.mark.parametrize(
    ("hidden", "high", "wide", "most_high", "most_wide"),
    [
        (0.01, 8, 8, 1, 1), (0.1, 8, 8, 1, 1), (0.25, 8, 8, 3, 3), (0.5, 8, 8, 5, 5),
        (0.25, 32, 32, 15, 15), (0.3, 6, 10, 3, 5),
    ],
)  # fmt: skip
def test_a_square_of_at_most_that_share_is_hidden(
    hidden: float, high: int, wide: int, most_high: int, most_wide: int
) -> None:
    x = numbered(20000, high, wide)
    gone = augment(x, hidden, 0, False, generator()) == 0
    assert torch.equal(gone[:, :1].expand_as(gone), gone)  # in all channels
    assert bool(((augment(x, hidden, 0, False, generator()) == x) | gone).all())
    gone = gone[:, 0]
    rows, columns = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(rows * columns, gone.sum((1, 2)))  # a rectangle, cut by the border
    assert (int(rows.max()), int(columns.max())) == (most_high, most_wide)
    # Every pixel is the centre equally often, so one in the middle is hidden in as many images as
    # the square has pixels, of as many as the image has; in a corner only by the square's quarter.
    middle = most_high * most_wide / (high * wide)
    corner = (most_high + 1) * (most_wide + 1) / 4 / (high * wide)
    for share, (row, column) in ((middle, (high // 2, wide // 2)), (corner, (0, wide - 1))):
        error = (share * (1 - share) / len(x)) ** 0.5
        assert abs(float(gone[:, row, column].float().mean()) - share) < 4 * error


def test_the_consistency_loss_compares_with_the_augmented_image() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(4, 1, SIDE, width=4, mirror=True, half=False)
    decoder = DeconvDecoder(4, 1, SIDE, width=0.1)
    model = LatentEBM(CoupledPrior(4, 3, {"hidden": [16]}), decoder, encoder)
    x = torch.rand(64, 1, SIDE, SIDE) * 2 - 1
    symmetric = x + x.flip(3)

    def apart(images: Tensor, hidden: float) -> float:
        return float(consistency_loss(model, Batch(images), hidden, generator()).detach())

    assert apart(symmetric, 0.0) == pytest.approx(0, abs=1e-6)
    assert apart(x, 0.0) > 1e-4
    assert apart(symmetric, 0.25) > 1e-4


@pytest.mark.parametrize("shift", [-1, SIDE, 1.5])
def test_a_shift_out_of_the_image_is_refused(shift: int) -> None:
    with pytest.raises(
        UsageError, match=rf"shift = {shift} (is not possible|must be an integer from 0)"
    ):
        ConvEncoder(4, 1, SIDE, shift=shift)


def test_a_mirror_is_true_or_false() -> None:
    with pytest.raises(UsageError, match="encoder.mirror = 'no' must be true or false"):
        ConvEncoder(4, 1, SIDE, mirror="no")  # type: ignore[arg-type]
