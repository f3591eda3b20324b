"""The scores that are fitted to normal images alone: tails and typicality."""

from __future__ import annotations

import torch
from torch.special import log_ndtr

from lebm_images.anomaly import STATISTICS, TAILS, tails, typicality


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


def test_tails_of_normal_images_are_those_of_two_probabilities() -> None:
    """Parts are N(100, 5^2): each adds -log Phi(-t / s), t ~ N(0, 1), kernel in s."""
    n, m = 4_000, 2_000
    s = (1 + m**-0.4) ** 0.5
    t = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    weight = torch.softmax(-t.square() / 2, 0)
    each = -log_ndtr(-t / s)
    mean = float((weight * each).sum())
    spread = float((weight * (each - mean).square()).sum()) ** 0.5
    found = tails(parts(m, {}, 0), parts(n, {}, 1))
    assert abs(mean - 1) < 0.05  # of an exact probability it would be 1
    assert abs(float(found.mean()) - 2 * mean) < 4.5 * 2**0.5 * spread * (1 / n + 1 / m) ** 0.5


def test_tails_ask_on_one_side_and_in_no_unit() -> None:
    normal = parts(2_000, {}, 0)
    usual, seen = tails(normal, parts(500, {}, 1)), parts(500, {}, 2)
    for name in TAILS:
        worse, better = (tails(normal, parts(500, {name: by}, 2)) for by in (30.0, -30.0))
        assert bool((worse > usual.quantile(0.95)).all())
        assert bool((better < worse).all()) and float(better.mean()) < float(usual.mean())
    scaled = [{**part, "reconstruction": 1024 * part["reconstruction"]} for part in (normal, seen)]
    torch.testing.assert_close(tails(*scaled), tails(normal, seen))
    # what they do not look at changes nothing
    assert tails(normal, {**seen, "reference": 1e6 + seen["reference"]}).equal(tails(normal, seen))


def test_tails_of_f_0_are_those_of_the_reconstruction() -> None:
    normal, seen = parts(500, {}, 0), parts(50, {}, 1)
    alone = tails(normal, seen)
    normal["tilt"], seen["tilt"] = torch.zeros(500), torch.zeros(50)
    flat = tails(normal, seen)
    order = seen["reconstruction"].argsort()
    assert bool((flat[order].diff() >= 0).all())
    assert bool((flat < alone).all())
