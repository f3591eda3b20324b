"""The synthetic densities integrate to one, and the draws follow them."""

from __future__ import annotations

import pytest
import torch

from lebm_core.base.statistics import squared_mmd
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_tabular.data.synthetic import EightGaussians, Pinwheel, Synthetic, eight_gaussians
from lebm_tabular.metrics.density import WIDTHS, density

KINDS = (EightGaussians, Pinwheel)


@pytest.mark.parametrize("kind", KINDS)
def test_density_integrates_to_one(kind: type[Synthetic]) -> None:
    data = kind({}, 0)
    line = torch.linspace(-4, 4, 161)
    cell = float(line[1] - line[0]) ** 2
    mass = data.log_prob(torch.cartesian_prod(line, line)).double().exp().sum() * cell
    # the rule's own error: the narrowest scale is .12 and .177, the cells .05
    assert float(mass) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_density(kind: type[Synthetic]) -> None:
    """The mass of 64 squares, by counting draws and by integrating the density."""
    n = 20_000
    data = kind({"test": n}, 1)
    x = data.points["test"]
    inside = (x.abs() < 2).all(1)
    cell = ((x[inside] + 2) / 0.5).long().clamp(0, 7)
    counts = torch.bincount(cell[:, 0] * 8 + cell[:, 1], minlength=64) / n
    fine = (torch.arange(80) + 0.5) * 0.05 - 2
    p = data.log_prob(torch.cartesian_prod(fine, fine)).exp().view(8, 10, 8, 10)
    p = p.sum((1, 3)).flatten() * 0.0025
    assert float(((counts - p).abs() - 5 * (p * (1 - p) / n).sqrt() - 0.002).max()) < 0


@pytest.mark.parametrize("kind", KINDS)
def test_distance_to_the_modes(kind: type[Synthetic]) -> None:
    data = kind({"test": 5_000}, 2)
    mode, distance = data.distance(data.points["test"])
    near = float((distance < 3).float().mean())
    assert near == pytest.approx(0.989, abs=4.5 * (0.011 / 5_000) ** 0.5)
    share = torch.bincount(mode, minlength=data.modes) / 5_000
    assert float((share * data.modes).min()) > 0.85
    assert float((data.distance(torch.tensor([[0.0, 0.0], [9.0, 9.0]]))[1]).min()) > 3


def test_mmd_tells_equal_from_different() -> None:
    data = EightGaussians({"train": 2_000, "test": 2_000}, 3)
    same = float(squared_mmd(data.points["train"], data.points["test"], WIDTHS))
    other = float(squared_mmd(torch.randn(2_000, 2), data.points["test"], WIDTHS))
    assert abs(same) < 1e-3  # 2,000 points: its standard deviation is below 4e-4
    assert other > 0.01


def test_sizes_are_checked() -> None:
    with pytest.raises(UsageError, match=r"data\.test = 0 .*use at least 1"):
        eight_gaussians(files=None, seed=0, options=SplitCounts(test=0))
    with pytest.raises(UsageError, match=r"data\.train = 1000000000000 is too large"):
        SplitCounts(train=10**12)


def test_a_measure_of_no_draws_or_one_point_is_refused_before_it_runs() -> None:
    for options, key in (({"draws": 0}, "draws"), ({"points": 1}, "points")):
        with pytest.raises(UsageError, match=f"evaluation.{key} = . is too small"):
            density(**options)
