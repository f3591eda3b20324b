"""PixelCNN: probabilities that sum to 1, a receptive field that is causal, draws of its density."""

from __future__ import annotations

import itertools

import pytest
import torch

from lebm_core import GaussianPrior, LatentEBM
from lebm_core.errors import UsageError
from lebm_foils.networks.pixelcnn import PixelCNN
from lebm_foils.networks.pixels import level_of, value_of


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(latent_dim: int, shape: list[int], levels: int, layers: int = 2) -> PixelCNN:
    """One whose logits are far from even."""
    torch.manual_seed(0)
    decoder = PixelCNN(latent_dim, shape, levels, width=8, layers=layers, kernel=3)
    with torch.no_grad():
        for p in decoder.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=seeded(1)))
    return decoder.eval()


@pytest.mark.parametrize("shape", [[1, 2, 2], [2, 1, 2]])
@pytest.mark.parametrize("latent_dim", [0, 2])
def test_the_probabilities_of_all_images_sum_to_one(shape: list[int], latent_dim: int) -> None:
    decoder = network(latent_dim, shape, 3)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, *shape)
    z = torch.randn(1, latent_dim, generator=seeded()).expand(len(every), -1)
    with torch.no_grad():
        log_p = decoder(z).log_prob(value_of(every, 3)).double()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(log_p.std()) > 0.3  # they are not all alike, which would sum to 1 as well


@pytest.mark.parametrize("shape", [[1, 5, 4], [3, 4, 3]])
def test_logits_depend_on_all_pixels_before_and_on_none_after(shape: list[int]) -> None:
    decoder = network(0, shape, 4, layers=9)  # enough to see all, of three channels too
    channels, height, across = shape
    order = list(itertools.product(range(height), range(across), range(channels)))
    level = torch.randint(4, (1, *shape), generator=seeded())
    x, none = value_of(level, 4), torch.zeros(1, 0)

    def moved_by(row: int, column: int, channel: int) -> torch.Tensor:
        """How far the logits of each pixel move, in order, where one pixel changes."""
        other = level.clone()
        other[0, channel, row, column] = (other[0, channel, row, column] + 2) % 4
        with torch.no_grad():
            moved = (decoder.logits(value_of(other, 4), none) - decoder.logits(x, none)).abs()
        return torch.stack([moved[0, c, r, k].max() for r, k, c in order])

    for changed, place in enumerate(order):
        moved = moved_by(*place)
        assert float(moved[: changed + 1].max()) == 0, "an earlier pixel sees it"
        assert not len(moved[changed + 1 :]) or float(moved[changed + 1]) > 0, "the next does not"
    # Two stacks have no blind spot: the last pixel sees the end of the first row.
    assert float(moved_by(0, across - 1, 0)[-1]) > 0


def test_the_first_rows_alone_have_the_same_logits() -> None:
    decoder = network(0, [1, 5, 4], 4)
    x = 2 * torch.rand(2, 1, 5, 4, generator=seeded()) - 1
    with torch.no_grad():
        whole, part = decoder.logits(x, torch.zeros(2, 0)), None
        part = decoder.logits(x[:, :, :2], torch.zeros(2, 0))
    assert torch.allclose(whole[:, :, :2], part, atol=1e-6)


def test_draws_have_the_probabilities() -> None:
    """Of 20,000 draws each of 81 images has its share, by a chi-square test at 5 deviations."""
    decoder, n = network(0, [1, 2, 2], 3), 20_000
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 1, 2, 2)
    model = LatentEBM(GaussianPrior(0), decoder).eval()
    drawn = level_of(model.sample(n, generator=seeded(), batch_size=n), 3).flatten(1)
    number = (drawn * torch.tensor([27, 9, 3, 1])).sum(1)
    found = torch.bincount(number, minlength=81)
    log_p = model.log_prob(value_of(every, 3))
    assert log_p.method == "exact"
    expected = n * log_p.value.exp()
    kept = expected > 5
    chi = float(((found - expected).square() / expected)[kept].sum())
    freedom = int(kept.sum()) - 1
    assert abs(chi - freedom) < 5 * (2 * freedom) ** 0.5


def test_levels_come_back() -> None:
    """From bytes too: 17 levels scaled to 0..255 and rounded, as scikit-learn's digits are."""
    level = torch.arange(17)
    assert torch.equal(level_of(value_of(level, 17), 17), level)
    bytes_ = (level * 255 / 16).round()
    assert torch.equal(level_of(bytes_ / 127.5 - 1, 17), level)


def test_it_learns_what_pixels_have_in_common() -> None:
    """Two pixels that are always alike cost the entropy of one."""
    torch.manual_seed(0)
    decoder = PixelCNN(0, [1, 1, 2], 4, width=8, layers=1, kernel=3)
    adam = torch.optim.Adam(decoder.parameters(), 1e-2)
    level = torch.randint(4, (512, 1, 1, 1), generator=seeded()).expand(-1, -1, -1, 2)
    x, z = value_of(level, 4), torch.zeros(512, 0)
    for _ in range(300):
        adam.zero_grad()
        (-decoder(z).log_prob(x).mean()).backward()
        adam.step()
    share = torch.bincount(level[:, 0, 0, 0], minlength=4) / 512
    entropy = float(-(share * share.log()).sum())
    with torch.no_grad():
        loss = float(-decoder(z).log_prob(x).mean())
    assert entropy - 1e-4 < loss < entropy + 0.05


def test_refusals_name_the_key() -> None:
    with pytest.raises(UsageError, match="images"):
        PixelCNN(0, [4])
    with pytest.raises(UsageError, match=r"decoder\.kernel"):
        PixelCNN(0, [1, 4, 4], kernel=4)


@pytest.mark.parametrize("latent_dim", [0, 2])
def test_completion_is_refused_with_a_code_and_without(latent_dim: int) -> None:
    """The pixels before an unknown one say as much of it as those after, which it cannot heed."""
    model = LatentEBM(GaussianPrior(latent_dim), network(latent_dim, [1, 2, 2], 3)).eval()
    x = value_of(torch.zeros(1, 1, 2, 2, dtype=torch.long), 3)
    with pytest.raises(UsageError, match="PixelCNN gives"):
        model.complete(x, x > 0, steps=1)
