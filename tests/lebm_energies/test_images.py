"""Energies of images: convolutions, FRAME; textures and the figures they are judged by."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from lebm_core import EBMPrior
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_energies.metrics.texture import autocorrelation, spectrum, values_apart
from lebm_energies.networks.convolution import Convolution
from lebm_energies.networks.frame import Frame, gabor_bank


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_pooled_energy_is_of_images_of_any_size() -> None:
    torch.manual_seed(0)
    small = Convolution(64, (1, 8, 8), [4, 4], pooled=True, hidden=[6])
    large = Convolution(4096, (1, 64, 64), [4, 4], pooled=True, hidden=[6])
    large.load_state_dict(small.state_dict())
    huge = Convolution(128 * 128, (1, 128, 128), [4, 4], pooled=True, hidden=[6])
    huge.load_state_dict(small.state_dict())
    first, second, third = (
        float(each(torch.full((1, each.latent_dim), 0.3)).detach()) for each in (small, large, huge)
    )
    # only the border differs, and its share is halved from 64 to 128 pixels, an eighth from 8 to 64
    assert abs(third - second) < 0.2 * abs(second - first)


def test_the_spectral_norm_bounds_each_convolution() -> None:
    torch.manual_seed(0)
    energy = Convolution(64, (1, 8, 8), [8, 8], spectral=True).train()
    for _ in range(50):  # power iterations
        energy(torch.randn(2, 64, generator=seeded()))
    for layer in energy.features[::2]:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert abs(float(largest.detach()) - 1) < 1e-2
    before = energy(torch.ones(1, 64)).detach()
    energy.reset(seeded(3))
    assert not torch.equal(energy(torch.ones(1, 64)), before)
    energy.start_at_zero()
    assert float(energy(torch.ones(1, 64)).abs()) == 0


def test_a_clipped_gradient_points_the_same_way() -> None:
    torch.manual_seed(0)
    free = Convolution(64, (1, 8, 8), [4, 4])
    cut = Convolution(64, (1, 8, 8), [4, 4], clip=0.01)
    cut.load_state_dict(free.state_dict())
    z = torch.randn(5, 64, generator=seeded())
    zero, one = torch.zeros(5, 64), torch.ones(5, 1)
    whole, short = (e.value_and_pullback(z)[1](one, zero) for e in (free, cut))
    assert whole.norm(dim=1).min() > 0.01
    torch.testing.assert_close(short, 0.01 * whole / whole.norm(dim=1, keepdim=True))
    assert torch.equal(free(z), cut(z))


@pytest.mark.parametrize("name", ["set", "voxels", "video", "convolution"])
def test_a_normalised_network_can_start_at_zero(name: str) -> None:
    shape = {"set": [5, 3], "convolution": [1, 8, 8]}.get(name, [1, 8, 8, 8])
    table = {"name": name, "shape": shape, "widths": [4, 4], "spectral": True}
    prior = EBMPrior(math.prod(shape), table, {"steps": 1}, stages=2)
    assert bool(prior.log_prob(torch.zeros(2, prior.latent_dim)).isfinite().all())


def test_gabor_filters_have_no_mean_and_length_one_and_see_their_wave() -> None:
    bank = gabor_bank(4, 5.0)
    assert bank.sum((1, 2, 3)).abs().max() < 1e-5
    torch.testing.assert_close(bank.square().sum((1, 2, 3)), torch.ones(8))
    columns = torch.arange(40.0)
    wave = (2 * math.pi * columns / 5.0).cos().expand(40, 40)
    answers = torch.nn.functional.conv2d(wave[None, None], bank)
    strength = answers.square().mean((0, 2, 3)).view(4, 2).sum(1)
    assert int(strength.argmax()) == 0  # the filters whose wave runs along the columns


def test_frame_is_linear_in_what_it_learns() -> None:
    energy = Frame(15 * 15, (1, 15, 15), 2, (3.0, 5.0))
    x = torch.randn(4, 15 * 15, generator=seeded())
    once = energy(x)
    with torch.no_grad():
        energy.weights.mul_(3)
    torch.testing.assert_close(energy(x), 3 * once)


def test_frame_with_potentials_of_pixels_is_a_density_of_single_pixels() -> None:
    """Potentials of the identity filter alone: f is a sum over pixels, wherever they stand."""
    energy = Frame(15 * 15, (1, 15, 15), 2, (3.0,))
    with torch.no_grad():
        energy.weights[:, 1:] = 0
        energy.weights[:, 0] = torch.randn(1, 13, generator=seeded())
    x = torch.randn(3, 15 * 15, generator=seeded(1))
    shuffled = x[:, torch.randperm(15 * 15, generator=seeded(2))]
    torch.testing.assert_close(energy(x), energy(shuffled), rtol=1e-4, atol=1e-4)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"takes images \(C, H, W\), and one x has the shape \(9,"):
        Convolution(9, (9,))
    with pytest.raises(UsageError, match=r"has the shape \(1, 3, 3\), 9 numbers, and the prior"):
        Convolution(8, (1, 3, 3))
    with pytest.raises(UsageError, match=r"energy.widths = \[\] is no network"):
        Convolution(9, (1, 3, 3), [])
    with pytest.raises(UsageError, match="energy.wavelengths = 1.0 is too small; use at least 2"):
        Frame(64, (1, 8, 8), wavelengths=[1.0])
    with pytest.raises(UsageError, match="wider than images of 8 x 8"):
        Frame(64, (1, 8, 8))


def test_the_spectrum_of_white_noise_is_flat_and_its_pixels_uncorrelated() -> None:
    x = torch.randn(400, 1, 32, 32, generator=seeded()).double()
    power = spectrum(x)[2:15, 2:15]
    # each is a mean of 400 draws of an exponential: its relative error is 1/20
    assert float((power / power.mean() - 1).abs().max()) < 5 / 20
    lags = autocorrelation(x, 3)
    centre = 3  # down 0, right 0
    assert abs(float(lags[centre]) - 1) < 1e-6
    others = torch.cat([lags[:centre], lags[centre + 1 :]])
    assert float(others.abs().max()) < 5 / math.sqrt(400 * 29 * 29)
    assert values_apart(x, x + 0.5) == pytest.approx(0.5, abs=1e-6)


def test_a_shift_of_the_image_is_seen_in_its_autocorrelation() -> None:
    base = torch.randn(300, 1, 32, 33, generator=seeded()).double()
    moved = base[..., 1:] + base[..., :-1]  # correlated with its right neighbour by one half
    lags = autocorrelation(moved, 2)
    assert float(lags[2 + 1]) == pytest.approx(0.5, abs=0.02)


textures = pytest.importorskip("lebm_images.data.derived.textures", reason="needs the images extra")


def test_splits_of_a_texture_are_of_different_parts_of_the_picture(tmp_path: Path) -> None:
    from PIL import Image

    picture = np.tile(np.arange(200, dtype=np.uint8), (60, 1))  # the column is the grey value
    Image.fromarray(picture).save(tmp_path / "own.png")
    data = textures.textures(
        files=None, seed=0, texture=str(tmp_path / "own.png"), side=8, smaller=1,
        options=SplitCounts(train=50, valid=50, test=50),
    )  # fmt: skip
    columns = {split: data.batch(split, torch.arange(50)).x for split in ("train", "valid", "test")}
    low, high = 1.99, 197.01  # the first and the last hundredth are stretched to -1 and 1
    half, quarter = ((2 * (column - low) / (high - low) - 1) for column in (100, 150))
    assert columns["train"].max() < half <= columns["valid"].min() + 0.01
    assert columns["valid"].max() < quarter <= columns["test"].min() + 0.01
    assert columns["train"].min() < -0.9 and columns["test"].max() > 0.9


def test_a_picture_of_sixteen_bits_keeps_its_greys(tmp_path: Path) -> None:
    from PIL import Image

    deep = np.tile(np.arange(200, dtype=np.uint16) * 300, (60, 1))
    Image.fromarray(deep).save(tmp_path / "deep.png")
    options = {"side": 8, "smaller": 1, "options": SplitCounts(50, 5, 5)}
    data = textures.textures(files=None, seed=0, texture=str(tmp_path / "deep.png"), **options)
    assert len(data.batch("train", torch.arange(50)).x.unique()) > 50
    Image.fromarray(np.full((60, 200), 7, np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(UsageError, match="is of one grey value"):
        textures.textures(files=None, seed=0, texture=str(tmp_path / "grey.png"), **options)


def test_carried_textures_are_classes() -> None:
    pytest.importorskip("skimage", reason="needs the images extra")
    data = textures.textures(files=None, seed=0, side=16, options=SplitCounts(4, 2, 2))
    assert tuple(data.classes) == ("brick", "grass", "gravel") and data.length("train") == 12
    again = textures.textures(files=None, seed=0, side=16, options=SplitCounts(4, 2, 2))
    rows = torch.arange(12)
    assert torch.equal(data.batch("train", rows).x, again.batch("train", rows).x)


def test_a_picture_that_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='"bricks" is neither a file nor one of.*Did you mean "br'):
        textures.textures(files=None, seed=0, texture="bricks")
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(UsageError, match="is no image that can be read"):
        textures.textures(files=None, seed=0, texture=str(tmp_path / "no.png"))
    pytest.importorskip("skimage", reason="needs the images extra")
    with pytest.raises(UsageError, match="no crop of data.side = 100 is in it"):
        textures.textures(files=None, seed=0, texture="brick", side=100)
