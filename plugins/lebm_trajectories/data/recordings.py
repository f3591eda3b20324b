"""Recordings of people who walk: files of `frame id x y`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lebm_core.data.classes import is_missing
from lebm_core.data.files import open_lines
from lebm_core.errors import UsageError, shown

__all__ = ["Point", "read_points"]

COLUMNS = ("frame", "id", "x", "y")
# A table's own names of the columns; case does not count.
NAMES = (
    ("frame", "frame_id", "frame_num"),
    ("id", "track_id", "ped_id", "agent_id"),
    ("x", "x_m", "x_px", "pos_x"),
    ("y", "y_m", "y_px", "pos_y"),
)
LARGEST = 1e8  # of a coordinate; national grids are below
EXACT = 2**53  # beyond it a float is not exact
WHOLE = 2**63
LONGEST = 40  # characters of a field in a message


@dataclass(frozen=True)
class Point:
    """The position of an agent in one frame, from `line` of the file."""

    line: int
    frame: int
    agent: int
    x: float
    y: float
    scene: str = ""


@dataclass(frozen=True)
class _Layout:
    """The places of the columns of a file."""

    width: int
    order: list[int]
    scene: int | None
    header: bool


def read_points(
    path: Path, lines: range | None = None, *, in_order: bool = False
) -> Iterator[Point]:
    """Read a file of `frame id x y`, separated by tabs, blanks, commas or semicolons.

    The first line may name the columns; then they may be in any order, there may be others, and
    `scene` separates recordings. Further lines that start with # are comments.

    Args:
        path: plain or gzipped.
        lines: only these lines, counted from 0.
        in_order: the lines of a scene follow each other, so that no more than a scene of them is
            kept in mind.

    Raises:
        UsageError: with file and line, for a line without its columns, a frame or id that is not a
            whole number, a coordinate that is not finite, an agent twice in a frame, or a frame
            that goes back.
    """
    layout: _Layout | None = None
    seen: dict[tuple[str, int, int], int] = {}
    last: tuple[int, int] | None = None
    ended: dict[str, int] = {}  # scenes, and their last lines
    for number, text in open_lines(path):
        if lines is not None and number - 1 not in lines:
            continue
        fields = _fields(text.removeprefix("#") if layout is None else text)
        if not fields or (layout is not None and text.startswith("#")):
            continue
        where = f"{path}, line {number}"
        if layout is None:
            layout = _layout(fields, where)
            if layout.header:
                continue
        if len(fields) != layout.width:
            raise UsageError(
                f"{where}: {len(fields)} columns, not {layout.width} ({', '.join(COLUMNS)})."
            )
        frame, agent, x, y = (fields[at] for at in layout.order)
        point = Point(
            number, _whole(frame, "frame", where), _whole(agent, "id", where),
            _coordinate(x, "x", where), _coordinate(y, "y", where),
            "" if layout.scene is None else fields[layout.scene],
        )  # fmt: skip
        if in_order and seen and (before := next(iter(seen))[0]) != point.scene:
            assert last is not None
            ended[before] = last[1]
            seen.clear()
        if point.scene in ended:
            raise UsageError(
                f"{where}: scene {shown(point.scene, LONGEST)} ended in line "
                f'{ended[point.scene]}; data.keep = "disk" reads scene by scene: sort the file by '
                "scene."
            )
        key = (point.scene, point.frame, point.agent)
        if key in seen:
            raise UsageError(
                f"{where}: agent {point.agent} is in frame {point.frame} a second time, first in "
                f"line {seen[key]}."
            )
        seen[key] = number
        if layout.scene is None and last is not None and point.frame < last[0]:
            raise UsageError(
                f"{where}: frame {point.frame} comes after frame {last[0]} (line {last[1]}); sort "
                "the file by frame, and give each recording a file or a column scene."
            )
        last = (point.frame, number)
        yield point


def _fields(text: str) -> list[str]:
    for separator in (",", ";"):
        if separator in text:
            return [field.strip().strip('"') for field in text.split(separator)]
    return text.split()


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _whole(text: str, name: str, where: str) -> int:
    """Read a frame or an id; 10.0 is accepted, 0.4 is not."""
    try:
        whole = int(text.replace("_", "?"))  # int() reads 1_000
    except ValueError:
        value = _number(text)
        if value is None or not math.isfinite(value):
            raise UsageError(
                f"{where}: the {name} {shown(text, LONGEST)} is not a number."
            ) from None
        if value != int(value) or abs(value) >= EXACT:
            raise UsageError(
                f"{where}: the {name} {shown(text, LONGEST)} is not a whole number; number "
                "frames and agents."
            ) from None
        whole = int(value)
    if abs(whole) >= WHOLE:
        raise UsageError(f"{where}: the {name} {shown(text, LONGEST)} is too large.")
    return whole


def _coordinate(text: str, name: str, where: str) -> float:
    value = _number(text)
    if is_missing(text):
        raise UsageError(
            f"{where}: the {name} {shown(text, LONGEST)} is missing; leave out lines without a "
            "position."
        )
    if value is None:
        raise UsageError(f"{where}: the {name} {shown(text, LONGEST)} is not a number.")
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise UsageError(
            f"{where}: the {name} {shown(text, LONGEST)} is not finite, or beyond {LARGEST:g}."
        )
    return value


def _layout(fields: Sequence[str], where: str) -> _Layout:
    """Find the columns frame, id, x, y and scene, by a header where the first line is one."""
    if all(_number(field) is not None for field in fields):
        if len(fields) != len(COLUMNS):
            raise UsageError(f"{where}: {len(fields)} columns, not 4 ({', '.join(COLUMNS)}).")
        return _Layout(len(fields), [0, 1, 2, 3], None, False)
    lower = [field.lower() for field in fields]
    order = []
    for names in NAMES:
        places = [at for at, name in enumerate(lower) if name in names]
        if not places:
            raise UsageError(
                f"{where}: {shown(' '.join(fields), LONGEST)} is neither four numbers "
                f"({', '.join(COLUMNS)}, separated by tabs, blanks, commas or semicolons) nor a "
                f"header with {' or '.join(names)}."
            )
        if len(places) > 1:
            raise UsageError(f'{where}: the column "{lower[places[0]]}" is there twice.')
        order.append(places[0])
    scene = lower.index("scene") if "scene" in lower else None
    return _Layout(len(fields), order, scene, True)
