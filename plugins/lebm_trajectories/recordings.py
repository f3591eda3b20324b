"""Recordings of people who walk: files of `frame id x y`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lebm_core.errors import UsageError
from lebm_core.run.datasets import open_text

__all__ = ["Point", "check_unit", "read_points"]

COLUMNS = "frame, id, x, y"
# A table's own names of the columns; case does not count.
NAMES = (
    ("frame", "frame_id", "frame_num"),
    ("id", "track_id", "ped_id", "agent_id"),
    ("x", "x_m", "x_px", "pos_x"),
    ("y", "y_m", "y_px", "pos_y"),
)
FASTEST = 4.0  # metres in a step of 0.4 s, 36 km/h: half of all steps beyond it are no metres


@dataclass(frozen=True)
class Point:
    """Where an agent is in one frame; `line` of the file says so."""

    line: int
    frame: int
    agent: int
    x: float
    y: float
    scene: str = ""


def read_points(path: Path, lines: range | None = None) -> Iterator[Point]:
    """The points of a file of `frame id x y`, separated by tabs, blanks or commas.

    A header line of column names is understood, and then the columns may stand in any order and
    `scene` may be one of them.

    Args:
        path: plain or gzipped.
        lines: only those lines, counted from 0.

    Raises:
        UsageError: for a line without four numbers, a coordinate that is not finite, an agent that
            is twice in a frame, or a frame that goes back; with file and line.
    """
    order: list[int] | None = None
    scene_at: int | None = None
    seen: dict[tuple[str, int, int], int] = {}
    last: dict[str, tuple[int, int]] = {}
    for number, text in open_text(path):
        if lines is not None and number - 1 not in lines:
            continue
        fields = [field.strip() for field in text.split(",")] if "," in text else text.split()
        if not fields:
            continue
        where = f"{path}, line {number}"
        if order is None:
            order, scene_at = _columns(fields, where)
            if scene_at is not None or not _number(fields[order[0]]):
                continue
        width = len(order) + (scene_at is not None)
        if len(fields) < width or (scene_at is None and len(fields) != len(order)):
            raise UsageError(f"{where}: {len(fields)} columns, not {width} ({COLUMNS}).")
        values = []
        for name, at in zip(COLUMNS.split(", "), order, strict=True):
            if not _number(fields[at]):
                raise UsageError(f'{where}: the {name} "{fields[at]}" is not a number.')
            values.append(float(fields[at]))
        frame, agent, x, y = values
        if not all(math.isfinite(value) for value in values):
            raise UsageError(f"{where}: {' '.join(fields)} holds a value that is not finite.")
        if frame != int(frame) or agent != int(agent):
            raise UsageError(f"{where}: frame {frame} and id {agent} must be whole numbers.")
        scene = "" if scene_at is None else fields[scene_at]
        key = (scene, int(frame), int(agent))
        if key in seen:
            raise UsageError(
                f"{where}: agent {key[2]} is in frame {key[1]} a second time, first in line "
                f"{seen[key]}."
            )
        seen[key] = number
        if scene_at is None and scene in last and frame < last[scene][0]:
            raise UsageError(
                f"{where}: frame {key[1]} comes after frame {last[scene][0]} (line "
                f"{last[scene][1]}); sort the file by frame, and give each recording a file."
            )
        last[scene] = (key[1], number)
        yield Point(number, key[1], key[2], x, y, scene)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(fields: Sequence[str], where: str) -> tuple[list[int], int | None]:
    """Where frame, id, x, y and the scene stand, by a header where the first line is one."""
    if all(_number(field) for field in fields):
        if len(fields) != 4:
            raise UsageError(f"{where}: {len(fields)} columns, not 4 ({COLUMNS}).")
        return [0, 1, 2, 3], None
    lower = [field.lower() for field in fields]
    order = []
    for names in NAMES:
        at = next((lower.index(name) for name in names if name in lower), None)
        if at is None:
            raise UsageError(
                f'{where}: "{" ".join(fields)}" is neither four numbers ({COLUMNS}) nor a header '
                f"with {' or '.join(names)}."
            )
        order.append(at)
    return order, lower.index("scene") if "scene" in lower else None


def check_unit(points: Sequence[Point], unit: str, path: Path) -> None:
    """Refuses a recording in metres in which people run faster than anyone can.

    Raises:
        UsageError: where half of all steps are longer than `FASTEST` metres.
    """
    if unit != "metres":
        return
    before: dict[tuple[str, int], Point] = {}
    steps: list[tuple[float, Point]] = []
    for point in points:
        old = before.get((point.scene, point.agent))
        if old is not None:
            steps.append((math.hypot(point.x - old.x, point.y - old.y), point))
        before[point.scene, point.agent] = point
    lengths = sorted(length for length, _ in steps)
    if lengths and (middle := lengths[len(lengths) // 2]) > FASTEST:
        first = next(point for length, point in steps if length > FASTEST)
        raise UsageError(
            f"{path}: half of all steps are longer than {middle:.1f} metres, the first such one "
            f'in line {first.line}: is it in pixels? Then set data.unit = "pixels".'
        )
