"""Data set "cooperative.moons-rings": two moons, and the same moons wound round a ring."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_cooperative.data.domains import DomainData, split_items
from lebm_core.base.checks import at_least, within
from lebm_core.data.splits import SplitCounts

__all__ = ["moons", "moons_rings", "to_moons", "to_rings"]

COUNTS = SplitCounts(train=2000, valid=300, test=1000)
CENTRE, SCALE = (0.5, 0.25), (1.0, 1.5)  # of the moons, so that A has about unit variance
# Of the map: clockwise from the top by TURN x, to the radius exp(GROWTH y); both in units of A.
TURN, GROWTH, TOP = 1.1, 0.35, math.pi / 2
RINGS = (0.0, 0.4), 1.3  # where the middle of B is, and its scale, so that it has about that of A


def moons(n: int, rng: np.random.Generator, noise: float = 0.05, share: float = 2 / 3) -> Tensor:
    """Points (n, 2) of two moons, without the symmetries that two moons of equal weight have.

    Equal moons with uniform arcs look the same turned by half a circle, and with each arc run
    through from its other end: a map would be known only up to these. Here the upper moon has the
    share `share` of the points, and along each arc they grow denser linearly.

    Args:
        n: how many.
        rng: source of all randomness.
        noise: standard deviation of the points about the arcs, of radius 1.
        share: of the upper moon.
    """
    t = math.pi * np.sqrt(rng.random(n))
    upper = rng.random(n) < share
    x = np.where(upper, np.cos(t), 1 - np.cos(t))
    y = np.where(upper, np.sin(t), 0.5 - np.sin(t))
    points = np.stack([x, y], 1) + noise * rng.standard_normal((n, 2))
    return torch.from_numpy((points - CENTRE) * SCALE).float()


def to_rings(a: Tensor) -> Tensor:
    """The known map A -> B, (n, 2): the first coordinate is an angle, the second a log radius."""
    angle, radius = TOP - TURN * a[:, 0], (GROWTH * a[:, 1]).exp()
    on_rings = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return (on_rings - on_rings.new_tensor(RINGS[0])) * RINGS[1]


def to_moons(b: Tensor) -> Tensor:
    """The known map B -> A, (n, 2), the inverse of `to_rings` where |a_1| < pi / 1.1."""
    on_rings = b / RINGS[1] + b.new_tensor(RINGS[0])
    turned = TOP - torch.atan2(on_rings[:, 1], on_rings[:, 0])
    angle = torch.remainder(turned + math.pi, 2 * math.pi) - math.pi
    return torch.stack([angle / TURN, on_rings.norm(dim=1).log() / GROWTH], dim=1)


def moons_rings(
    *, files: Any, seed: int, options: SplitCounts = COUNTS, paired: bool = False,
    noise: float = 0.05, share: float = 2 / 3,
) -> DomainData:  # fmt: skip
    """Two moons (A), and their images on rings (B): an angle and a log radius, a smooth map.

    Any map that keeps the density is as good by the two densities alone; no symmetry of the plane
    (turning, mirroring, running through an arc from its other end) is one of them, for the moons
    have unequal shares and arcs of growing density. What is left is a matter of the networks.

    Args:
        files: not used: the points are generated.
        seed: of the points.
        paired: pair the training examples, for regression
        noise: standard deviation of the points about the arcs
        share: of the points on the upper moon; at 0.5 the moons can change places

    Raises:
        UsageError: for a share or a noise that is not possible.
    """
    at_least("data.noise", noise, 0)
    within("data.share", share, 0, 1)
    counts = options.sizes
    total = counts["test"] + counts["valid"] + 2 * counts["train"]
    a = moons(total, np.random.default_rng(seed), noise, share)
    pairs = torch.stack([a, to_rings(a)], dim=1)
    source = "generated: two moons, and their images on rings"
    return split_items(pairs, counts, paired=paired, source=source, facts={"kind": "plane"})
