"""Energies that see a level of noise: their scale, the order of points, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch

from lebm_core import Energy
from lebm_core.errors import UsageError
from lebm_energies.networks.levels import Levels
from lebm_energies.networks.noisy_sets import NoisySet, Round
from lebm_energies.networks.reconstruction import Reconstruction


def energies() -> list[Energy]:
    torch.manual_seed(0)
    return [
        Reconstruction(60, 16, 1, outputs=3, context_dim=5),
        NoisySet(60, [20, 3], 16, 1, outputs=3, context_dim=5),
    ]


def test_precisions_are_one_over_the_variance_of_a_level() -> None:
    kept, precision = Levels(4, 0.1).of(torch.eye(4))
    for t in range(4):
        share = math.cos(math.pi * t / 8)
        assert float(kept[t]) == pytest.approx(share, abs=1e-6)
        assert float(precision[t]) == pytest.approx(1 / (1 - share**2 * 0.99), rel=1e-4)


def test_a_reconstruction_that_knows_x_has_its_score() -> None:
    """Where R is a constant m, grad f - z is that of N(k m, s^2) at every level."""
    energy = Reconstruction(6, 8, 1, 0.2, outputs=1, context_dim=3)
    with torch.no_grad():
        energy.leave.weight.zero_()
        energy.classes.weight.zero_()
    z = torch.randn(3, 6, requires_grad=True)
    (slope,) = torch.autograd.grad(energy(z, torch.eye(3)).sum(), z)
    kept, precision = energy.levels.of(torch.eye(3))
    wanted = precision * (kept * energy.leave.bias - z)
    assert torch.allclose(slope - z, wanted, atol=1e-4)


def test_a_set_whose_points_move_alike_has_the_score_of_that() -> None:
    """Where the network of each point is a constant m, R = k z + s m: a Gaussian again."""
    energy = NoisySet(6, [2, 3], 8, 1, least=0.2, outputs=1, context_dim=3)
    with torch.no_grad():
        for layer in (energy.leave, energy.last, energy.classes):
            layer.weight.zero_()
    z = torch.randn(3, 6, requires_grad=True)
    (slope,) = torch.autograd.grad(energy(z, torch.eye(3)).sum(), z)
    kept, precision = energy.levels.of(torch.eye(3))
    moved = kept * energy.leave.bias.repeat(2) / precision.sqrt()
    lost = 1 - kept.square()
    assert torch.allclose(slope - z, precision * lost * (moved - lost * z), atol=1e-4)


@pytest.mark.parametrize(("place", "n"), [(0, 60), (1, 20)])
def test_classes_differ_by_the_scale_of_a_level(place: int, n: int) -> None:
    """By kept_t sqrt(n) / sigma_t, n numbers or points: nothing tells them apart in pure noise."""
    energy = energies()[place]
    with torch.no_grad():
        energy.classes.weight.zero_()
        energy.classes.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    levels = torch.eye(5)
    kept, precision = energy.levels.of(levels)
    logits = energy(torch.randn(5, 60), levels)
    for c in (0, 1):
        apart = logits[:, c] - logits[:, c + 1]
        assert torch.allclose(apart, (kept * (n * precision).sqrt())[:, 0], rtol=1e-3)


@pytest.mark.parametrize("place", [0, 1])
def test_no_context_is_level_zero(place: int) -> None:
    energy, x = energies()[place], torch.randn(4, 60)
    assert torch.equal(energy(x), energy(x, torch.eye(5)[:1]))
    assert not torch.allclose(energy(x), energy(x, torch.eye(5)[3:4]))
    assert energy(x).shape == (4, 3) and energy.flat_features(x).shape[0] == 4


def test_the_order_of_points_does_not_matter_and_each_sees_the_others() -> None:
    energy = energies()[1]
    x, order = torch.randn(4, 20, 3), torch.randperm(20)
    assert torch.allclose(energy(x.flatten(1)), energy(x[:, order].flatten(1)), atol=1e-4)
    a, b = (x.clone().flatten(1) for _ in range(2))
    b[:, 30:] += 0.5  # other points
    slopes = []
    for z in (a, b):
        z.requires_grad_()
        slopes.append(torch.autograd.grad(energy(z)[:, 0].sum(), z)[0][:, :3])
    assert float((slopes[0] - slopes[1]).abs().max()) > 1e-3


def test_a_point_sees_the_extremes_of_a_set_beside_its_mean() -> None:
    torch.manual_seed(0)
    near = torch.zeros(1, 5, 8)
    far = near.clone()
    far[0, 1], far[0, 2] = 1.0, -1.0  # the same mean
    each = Round(8)
    before, after = each(near)[0, 0], each(far)[0, 0]
    assert torch.equal(near.mean(1), far.mean(1)) and not torch.allclose(before, after)


def test_weights_are_drawn_again_and_what_is_refused() -> None:
    for energy in energies():
        before = energy.enter.weight.clone()
        energy.reset(torch.Generator().manual_seed(1))
        assert not torch.equal(before, energy.enter.weight)
    with pytest.raises(UsageError, match=r"prior\.stages"):
        Reconstruction(6).start_at_zero()
    with pytest.raises(UsageError, match=r"prior\.stages"):
        NoisySet(6, [2, 3]).start_at_zero()
    with pytest.raises(UsageError, match=r"energy\.least"):
        NoisySet(60, [20, 3], least=0.0, context_dim=2)
    with pytest.raises(UsageError, match="takes points"):
        NoisySet(60, [60], context_dim=2)
