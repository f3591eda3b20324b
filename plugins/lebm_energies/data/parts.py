"""Boxes, frustums and tori: the parts that furniture is built of, in units of half a room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

__all__ = ["Box", "Frustum", "Numbers", "Part", "Torus", "inside", "on_surface"]

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
TRIES = 4  # candidates drawn for each point of a surface: parts hide some of each other's


class Part(Protocol):
    """A solid in space, whose third axis points up."""

    @property
    def area(self) -> float:
        """Of its surface."""

    def inside(self, points: Numbers, margin: float = 0.0) -> Flags:
        """Whether each of `points` (n, 3) is deeper inside than `margin`, (n,)."""

    def surface(self, n: int, rng: np.random.Generator) -> Numbers:
        """n points drawn uniformly on the surface, (n, 3)."""


@dataclass(frozen=True)
class Box:
    """A box with its sides along the axes.

    Attributes:
        low: its corner of least coordinates.
        high: the opposite corner.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def faces(self) -> Numbers:
        """The area of one of the two faces across each axis, (3,)."""
        a, b, c = np.subtract(self.high, self.low)
        return np.array([b * c, a * c, a * b])

    @property
    def area(self) -> float:
        return 2 * float(self.faces.sum())

    def inside(self, points: Numbers, margin: float = 0.0) -> Flags:
        low, high = np.array(self.low) + margin, np.array(self.high) - margin
        return np.asarray(((points > low) & (points < high)).all(1))

    def surface(self, n: int, rng: np.random.Generator) -> Numbers:
        points = rng.uniform(self.low, self.high, (n, 3))
        axis = rng.choice(3, n, p=self.faces / self.faces.sum())
        ends = np.stack([self.low, self.high])
        points[np.arange(n), axis] = ends[rng.integers(2, size=n), axis]
        return points


@dataclass(frozen=True)
class Frustum:
    """A piece of an upright cone; a cylinder where both radii are the same, a cone where one is 0.

    Attributes:
        centre: of its axis, in the plane.
        low: height of its base.
        high: height of its top.
        base: radius there.
        top: radius there.
    """

    centre: tuple[float, float]
    low: float
    high: float
    base: float
    top: float

    @property
    def areas(self) -> Numbers:
        """Of base, top and side, (3,)."""
        slant = math.hypot(self.high - self.low, self.base - self.top)
        side = math.pi * (self.base + self.top) * slant
        return np.array([math.pi * self.base**2, math.pi * self.top**2, side])

    @property
    def area(self) -> float:
        return float(self.areas.sum())

    def inside(self, points: Numbers, margin: float = 0.0) -> Flags:
        height = points[:, 2]
        share = (height - self.low) / (self.high - self.low)
        radius = self.base + (self.top - self.base) * share
        out = np.hypot(*(points[:, :2] - self.centre).T)
        flags: Flags = (
            (height > self.low + margin) & (height < self.high - margin) & (out < radius - margin)
        )
        return flags

    def surface(self, n: int, rng: np.random.Generator) -> Numbers:
        where = rng.choice(3, n, p=self.areas / self.area)
        u, angle = rng.random(n), rng.uniform(0, 2 * math.pi, n)
        # The share of the side below height t grows with the mean radius up to there.
        narrow = self.top - self.base
        even = abs(narrow) < 1e-9 * (self.base + self.top)
        total = self.top**2 - self.base**2
        radius_at = self.base if even else np.sqrt(self.base**2 + u * total)
        share = u if even else (radius_at - self.base) / narrow
        radius = np.choose(where, [self.base * np.sqrt(u), self.top * np.sqrt(u), radius_at])
        height = np.choose(where, [np.zeros(n), np.ones(n), share])
        x, y = self.centre
        up = self.low + (self.high - self.low) * height
        return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle), up], axis=1)


@dataclass(frozen=True)
class Torus:
    """A ring that lies flat.

    Attributes:
        centre: of the ring.
        radius: from there to the middle of the tube.
        tube: radius of the tube.
    """

    centre: tuple[float, float, float]
    radius: float
    tube: float

    @property
    def area(self) -> float:
        return 4 * math.pi**2 * self.radius * self.tube

    def inside(self, points: Numbers, margin: float = 0.0) -> Flags:
        x, y, z = (points - self.centre).T
        flags: Flags = np.hypot(np.hypot(x, y) - self.radius, z) < self.tube - margin
        return flags

    def surface(self, n: int, rng: np.random.Generator) -> Numbers:
        ratio = self.tube / self.radius
        kept: list[float] = []
        while len(kept) < n:  # the outer half of the tube is the larger one
            angle = rng.uniform(0, 2 * math.pi, 2 * n)
            taken = rng.random(2 * n) * (1 + ratio) < 1 + ratio * np.cos(angle)
            kept.extend(angle[taken])
        round_tube, round_ring = np.array(kept[:n]), rng.uniform(0, 2 * math.pi, n)
        out = self.radius + self.tube * np.cos(round_tube)
        ring = [out * np.cos(round_ring), out * np.sin(round_ring), self.tube * np.sin(round_tube)]
        return np.asarray(np.array(self.centre) + np.stack(ring, axis=1))


def inside(parts: Sequence[Part], points: Numbers) -> Flags:
    """Whether each of `points` (n, 3) is inside any part, (n,)."""
    flags: Flags = np.any([part.inside(points) for part in parts], axis=0)
    return flags


def on_surface(parts: Sequence[Part], n: int, rng: np.random.Generator) -> Numbers:
    """n points drawn uniformly on the surface of the union of all parts, (n, 3)."""
    areas = np.array([part.area for part in parts])
    found: list[Numbers] = []
    while sum(map(len, found)) < n:
        counts = rng.multinomial(TRIES * n, areas / areas.sum())
        for i, (part, count) in enumerate(zip(parts, counts, strict=True)):
            points = part.surface(int(count), rng)
            others = [other for j, other in enumerate(parts) if j != i]
            hidden = inside(others, points) if others else np.zeros(len(points), bool)
            found.append(points[~hidden])
    points = np.concatenate(found)
    return points[rng.permutation(len(points))[:n]]
