"""Whether the coordinates of a recording are in metres, by how far its agents go in a step."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lebm_core.errors import UsageError, shown
from lebm_trajectories.data.recordings import Point

__all__ = ["check_unit"]

NARROW = 2.0  # metres, within which nobody walks for long
LONG = 20  # steps, fewer of which may well be within NARROW


def check_unit(
    points: Sequence[Point],
    unit: str,
    path: Path,
    fastest: float,
    slowest: float = 0.0,
    every: int = 1,
) -> None:
    """Refuse a recording in metres whose median step is no pedestrian's, scene by scene.

    Args:
        points: in any order.
        unit: of the coordinates.
        path: for the message.
        fastest: metres from one frame to the next; 0 for no check.
        slowest: metres of a step, of those that are steps at all; 0 for no check, nor one of how
            large the scene is.
        every: frames of a step.

    Raises:
        UsageError: naming the scene, the first long step's line, and the options.
    """
    if unit != "metres":
        return
    scenes: dict[str, list[Point]] = {}
    for p in points:
        scenes.setdefault(p.scene, []).append(p)
    for scene, members in scenes.items():
        where = f"{path}, scene {shown(scene, 40)}" if scene else str(path)
        steps = _steps(members)
        if steps and fastest:
            _check_long(steps, where, fastest)
        if steps and slowest:
            _check_short(members, [length for length, _ in steps], where, slowest, every)


def _steps(points: Sequence[Point]) -> list[tuple[float, Point]]:
    """The length of each step of the usual number of frames, and where it ends."""
    order = sorted(points, key=lambda p: (p.agent, p.frame))
    pairs = [(a, b) for a, b in zip(order, order[1:], strict=False) if a.agent == b.agent]
    if not pairs:
        return []
    frames = Counter(b.frame - a.frame for a, b in pairs)
    usual = min(frames, key=lambda n: (-frames[n], n))
    return [(math.hypot(b.x - a.x, b.y - a.y), b) for a, b in pairs if b.frame - a.frame == usual]


def _check_long(steps: Sequence[tuple[float, Point]], where: str, fastest: float) -> None:
    middle = sorted(length for length, _ in steps)[len(steps) // 2]
    long = [p.line for length, p in steps if length > fastest]
    if middle > fastest:
        raise UsageError(
            f"{where}: half of all steps are longer than {middle:.1f} metres, the first beyond "
            f'{fastest:g} in line {min(long)}: is it in pixels? Then set data.unit = "pixels"; if '
            "not, raise data.fastest."
        )
    if long:
        warnings.warn(
            f"{where}: {len(long):,} of {len(steps):,} steps are longer than {fastest:g} metres, "
            f"the first in line {min(long)}: do two agents share an id?",
            stacklevel=4,
        )


def _check_short(
    points: Sequence[Point], lengths: Sequence[float], where: str, slowest: float, every: int
) -> None:
    moving = sorted(every * length for length in lengths if length > 0)
    if not moving:
        return
    middle = moving[len(moving) // 2]
    wide, high = (max(each) - min(each) for each in ([p.x for p in points], [p.y for p in points]))
    if middle < slowest or (max(wide, high) <= NARROW and len(moving) >= LONG):
        raise UsageError(
            f"{where}: half of all steps are shorter than {middle:.2g} metres, in a scene of "
            f"{wide:.3g} x {high:.3g} metres: are the coordinates normalised, or degrees? Then set "
            'data.unit = "units"; if they are metres, set data.every for more frames a step, or '
            "lower data.slowest (0 for no check)."
        )
