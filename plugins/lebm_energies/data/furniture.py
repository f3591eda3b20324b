"""Chairs, tables and lamps of random proportions, built of parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lebm_energies.data.parts import Box, Frustum, Part, Torus

__all__ = ["CLASSES", "Kind", "furniture"]

Kind = Callable[[np.random.Generator], list[Part]]
FLOOR = -0.95  # height on which all stand, in a room from -1 to 1
THIN = 0.14  # the least thickness: above the side of a voxel of 16, so that no part falls through


def _legs(width: float, depth: float, high: float, thick: float) -> list[Part]:
    """Make four legs under the corners of a plate, whose half width and depth are given."""
    legs: list[Part] = []
    for x in (-width, width - thick):
        for y in (-depth, depth - thick):
            legs.append(Box((x, y, FLOOR), (x + thick, y + thick, high)))
    return legs


def _chair(rng: np.random.Generator) -> list[Part]:
    width, depth = rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.7)
    seat, top = rng.uniform(-0.35, 0.1), rng.uniform(0.55, 0.95)
    thick, plate = rng.uniform(THIN, 0.2), rng.uniform(THIN, 0.25)
    parts: list[Part] = [
        Box((-width, -depth, seat), (width, depth, seat + plate)),
        Box((-width, depth - plate, seat), (width, depth, top)),
        *_legs(width, depth, seat + THIN / 2, thick),
    ]
    if rng.random() < 0.35:  # arms
        rest = seat + plate + rng.uniform(0.25, 0.4)
        for x in (-width, width - thick):
            parts.append(Box((x, -depth, seat), (x + thick, depth, rest)))
    return parts


def _table(rng: np.random.Generator) -> list[Part]:
    top, plate = rng.uniform(-0.15, 0.6), rng.uniform(THIN, 0.25)
    width, depth = rng.uniform(0.55, 0.95), rng.uniform(0.55, 0.95)
    if rng.random() < 0.4:  # a round plate on one foot
        foot, pole = rng.uniform(0.3, 0.5), rng.uniform(0.11, 0.18)
        return [
            Frustum((0, 0), top, top + plate, width, width),
            Frustum((0, 0), FLOOR, top + plate / 2, pole, pole),
            Frustum((0, 0), FLOOR, FLOOR + THIN, foot, foot),
        ]
    thick = rng.uniform(THIN, 0.22)
    plate_box = Box((-width, -depth, top), (width, depth, top + plate))
    return [plate_box, *_legs(width, depth, top + THIN / 2, thick)]


def _lamp(rng: np.random.Generator) -> list[Part]:
    foot, pole = rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.14)
    low, high = rng.uniform(0.1, 0.4), rng.uniform(0.7, 0.95)
    wide, narrow = rng.uniform(0.5, 0.8), rng.uniform(0.15, 0.4)
    parts: list[Part] = [
        Frustum((0, 0), FLOOR, FLOOR + rng.uniform(THIN, 0.25), foot, foot),
        Frustum((0, 0), FLOOR, (low + high) / 2, pole, pole),
    ]
    if rng.random() < 0.3:  # a ring of light in the place of a shade
        tube, height = rng.uniform(0.13, 0.2), (low + high) / 2
        ring = rng.uniform(0.5, 0.7)
        bar = Box((-ring, -THIN / 2, height - THIN / 2), (ring, THIN / 2, height + THIN / 2))
        return [*parts, bar, Torus((0, 0, height), ring, tube)]
    return [*parts, Frustum((0, 0), low, high, wide, narrow)]


KINDS: dict[str, Kind] = {"chair": _chair, "table": _table, "lamp": _lamp}
CLASSES = tuple(KINDS)


def furniture(kind: str, rng: np.random.Generator) -> list[Part]:
    """Draw a piece of furniture.

    Args:
        kind: of `CLASSES`.
        rng: source of its proportions.
    """
    return KINDS[kind](rng)
