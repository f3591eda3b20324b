"""The typicality score, which is fitted to normal images alone."""

from __future__ import annotations

import torch

from lebm_images.anomaly import STATISTICS, typicality


def parts(n: int, shift: dict[str, float], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 100 + 5 * torch.randn(n, generator=generator) + shift.get(name, 0)
        for name in STATISTICS
    }


def test_too_good_is_as_strange_as_too_bad() -> None:
    normal = parts(2_000, {}, 0)
    usual = typicality(normal, parts(500, {}, 1))
    for name in STATISTICS:
        for shift in (-30.0, 30.0):  # six standard deviations
            strange = typicality(normal, parts(500, {name: shift}, 2))
            assert float((strange > usual.quantile(0.99)).float().mean()) > 0.9
    # -log N(x; 0, 1 + h^2) of x ~ N(0, 1), h = 2000^(-1/5), is 1.419 on average, and .7 spread
    assert abs(float(usual.mean()) - 3 * 1.419) < 4.5 * (3 * 0.5 * (1 / 500 + 1 / 2_000)) ** 0.5


def test_a_part_without_spread_is_left_out() -> None:
    normal, seen = parts(500, {}, 0), parts(50, {}, 1)
    normal["tilt"], seen["tilt"] = torch.zeros(500), torch.zeros(50)
    assert bool(typicality(normal, seen).isfinite().all())
