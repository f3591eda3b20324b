"""The known maps of two domains, and what their data sets promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lebm_cooperative.data.images import digit_edges, edges, fonts
from lebm_cooperative.data.plane import moons, moons_rings, to_moons, to_rings
from lebm_cooperative.data.tokens import sorted_tokens
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError

FEW = SplitCounts(train=60, valid=5, test=40)
MADE: dict[str, Any] = {
    "plane": lambda **more: moons_rings(files=None, seed=0, options=FEW, **more),
    "edges": lambda **more: digit_edges(files=None, seed=0, **more),
    "fonts": lambda **more: fonts(files=None, seed=0, options=FEW, **more),
    "tokens": lambda **more: sorted_tokens(files=None, seed=0, options=FEW, **more),
}
each = pytest.mark.parametrize("name", MADE)


def test_the_map_of_the_plane_and_its_inverse_undo_each_other() -> None:
    a = moons(2000, np.random.default_rng(1))
    assert (to_moons(to_rings(a)) - a).abs().max() < 1e-5


def test_the_density_of_the_moons_has_none_of_their_symmetries() -> None:
    """Two thirds are of the upper moon, and half of an arc's points are in its last 29 %."""
    n = 40_000
    a = moons(n, np.random.default_rng(0), noise=0.0)
    x = a / torch.tensor([1.0, 1.5]) + torch.tensor([0.5, 0.25])
    upper = (x.norm(dim=1) - 1).abs() < 1e-5
    assert abs(float(upper.float().mean()) - 2 / 3) < 4 * (2 / 9 / n) ** 0.5
    t = torch.atan2(x[upper, 1], x[upper, 0]) / np.pi
    late = float((t > 0.5**0.5).float().mean())
    assert abs(late - 0.5) < 4 * (0.25 / int(upper.sum())) ** 0.5


def test_edges_of_a_step_of_a_corner_and_of_nothing() -> None:
    step = -torch.ones(1, 1, 6, 6)
    assert torch.equal(edges(step), step)
    step[..., 3:] = 1
    found = edges(step)[0, 0]
    # A full step seen by central differences is half of one grey level: sqrt(2)/2 of the largest.
    assert torch.allclose(found[2, 2:4], torch.full((2,), 2 * 0.5 * 2**0.5 - 1), atol=1e-6)
    assert torch.allclose(found[2, :2], -torch.ones(2), atol=1e-6)
    # At the corner both differences are there, against the black beyond the image: 1.
    assert abs(float(found[0, 3]) - 1) < 1e-6


@each
def test_test_rows_are_pairs_of_the_known_map(name: str) -> None:
    data = MADE[name]()
    a, b = data.domain("test", 0), data.domain("test", 1)
    if name == "plane":
        assert torch.equal(to_rings(a), b)
    elif name == "edges":
        assert torch.equal(edges(a), b)
    elif name == "tokens":
        assert torch.equal(a.flip(1), b)
        ids = a.argmax(-1)
        assert bool((ids.diff(dim=1) >= 0).all()) and bool((a.sum(-1) == 1).all())
    else:  # the same letter at the same place: far nearer than another letter
        apart = torch.cdist(a.flatten(1), b.flatten(1))
        assert float((apart.argmin(1) == torch.arange(len(a))).float().mean()) > 0.6


@each
def test_training_rows_are_no_pairs_and_share_no_item(name: str) -> None:
    data, paired = MADE[name](), MADE[name](paired=True)
    a, b = data.domain("train", 0), data.domain("train", 1)
    assert torch.equal(a, paired.domain("train", 0))
    assert torch.equal(data.partners, paired.domain("train", 1))
    assert torch.equal(data.domain("test", 1), paired.domain("test", 1))
    if name in ("plane", "fonts"):  # of the others two items may be alike
        apart = torch.cdist(data.partners.flatten(1), b.flatten(1))
        assert float(apart.min()) > 0


def test_equal_frequencies_let_tokens_be_complemented() -> None:
    """What the option skew is for: without it the complement of A has the density of B."""
    n, tokens = 20_000, 5
    counts = SplitCounts(train=n, valid=1, test=1)
    for skew, alike in ((0.0, True), (1.0, False)):
        data = sorted_tokens(
            files=None, seed=0, options=counts, vocabulary=tokens, tokens=3, skew=skew
        )
        complement = data.domain("train", 0).flip(-1).mean((0, 1))
        truth = data.domain("train", 1).mean((0, 1))
        error = 4 * (2 * 0.25 / (3 * n)) ** 0.5
        assert (float((complement - truth).abs().max()) < error) is alike


def test_sizes_that_are_not_possible() -> None:
    for call, key in (
        (lambda: digit_edges(files=None, seed=0, side=7), "data.side"),
        (lambda: digit_edges(files=None, seed=0, valid=900, test=897), "data.valid"),
        (lambda: fonts(files=None, seed=0, side=4), "data.side"),
        (lambda: moons_rings(files=None, seed=0, share=1.5), "data.share"),
        (lambda: sorted_tokens(files=None, seed=0, vocabulary=1), "data.vocabulary"),
    ):
        with pytest.raises(UsageError, match=key):
            call()


def test_larger_digits() -> None:
    data = digit_edges(files=None, seed=0, side=12)
    assert data.x["test"].shape[1:] == (2, 1, 12, 12)
    assert float(data.x["test"].abs().max()) <= 1
