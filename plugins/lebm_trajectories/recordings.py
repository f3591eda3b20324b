"""Recordings of people who walk: files of `frame id x y`, and the windows cut out of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.run.datasets import open_text

__all__ = ["Point", "Windows", "check_unit", "cut", "join", "read_points"]

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


@dataclass
class Windows:
    """Trajectories of equal length, cut out of recordings.

    Attributes:
        positions: (N, T, 2), in the unit of the recording.
        group: (N,) which of them are in the same window, at the same time.
        agents: (N,) ids in the recording.
        scenes: (N,) index into `names`.
        names: of the scenes.
        left_out: what was not used, and how often.
    """

    positions: Tensor
    group: Tensor
    agents: Tensor
    scenes: Tensor
    names: list[str]
    left_out: Counter[str]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, rows: Tensor) -> Windows:
        """Some of the trajectories alone."""
        parts = (self.positions[rows], self.group[rows], self.agents[rows], self.scenes[rows])
        return Windows(*parts, self.names, self.left_out)


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


def cut(
    points: Iterable[Point], length: int, *, least: int = 1, gaps: bool = False, name: str = ""
) -> Windows:
    """Every window of `length` frames, stride 1, with the agents that are there in all of them.

    Args:
        points: of one recording, or of several by `scene`.
        length: frames, observed and predicted.
        least: agents that a window must have; 2 in the Social-GAN line of papers.
        gaps: also windows across missing frames, as that line has them: frames that hold nobody
            are not in its files, and the frames before and after count as neighbours.
        name: of the scene, where the points name none.
    """
    by_scene: dict[str, dict[int, dict[int, tuple[float, float]]]] = {}
    for p in points:
        by_scene.setdefault(p.scene or name, {}).setdefault(p.frame, {})[p.agent] = (p.x, p.y)
    found: list[Windows] = []
    for scene, frames in by_scene.items():
        found.append(_windows(scene, frames, length, least, gaps))
    return join(found, length)


def _windows(
    scene: str,
    frames: dict[int, dict[int, tuple[float, float]]],
    length: int,
    least: int,
    gaps: bool,
) -> Windows:
    order = sorted(frames)
    steps = Counter(b - a for a, b in zip(order, order[1:], strict=False))
    usual = min(steps, key=lambda step: (-steps[step], step)) if steps else 1
    place = {frame: i for i, frame in enumerate(order)}
    runs: dict[int, list[list[int]]] = {}  # the runs of neighbouring frames of each agent
    for frame in order:
        i = place[frame]
        joined = i > 0 and (gaps or frame - order[i - 1] == usual)
        for agent in frames[frame]:
            mine = runs.setdefault(agent, [])
            if mine and joined and mine[-1][-1] == i - 1:
                mine[-1].append(i)
            else:
                mine.append([i])
    starts: dict[int, list[int]] = {}
    left_out: Counter[str] = Counter()
    for agent, mine in runs.items():
        long = [run for run in mine if len(run) >= length]
        if not long:
            left_out[f"agents never seen in {length} frames in a row"] += 1
        for run in long:
            for first in run[: len(run) - length + 1]:
                starts.setdefault(first, []).append(agent)
    positions, group, agents = [], [], []
    for first in sorted(starts):
        if len(starts[first]) < least:
            left_out[f"windows with fewer than {least} agents"] += 1
            continue
        for agent in starts[first]:
            positions.append([frames[order[i]][agent] for i in range(first, first + length)])
            group.append(first)
            agents.append(agent)
    return Windows(
        torch.tensor(positions, dtype=torch.float64).view(-1, length, 2).float(),
        torch.tensor(group, dtype=torch.long),
        torch.tensor(agents, dtype=torch.long),
        torch.zeros(len(agents), dtype=torch.long),
        [scene],
        left_out,
    )


def join(parts: Sequence[Windows], length: int) -> Windows:
    """Several recordings as one; groups stay apart."""
    names: list[str] = []
    shifted, left_out = 0, Counter[str]()
    groups, scenes = [], []
    for part in parts:
        groups.append(part.group + shifted)
        scenes.append(part.scenes + len(names))
        shifted += int(part.group.max()) + 1 if len(part) else 0
        names += part.names
        left_out += part.left_out
    if not parts:
        empty = torch.zeros(0, dtype=torch.long)
        return Windows(torch.zeros(0, length, 2), empty, empty, empty, [], left_out)
    return Windows(
        torch.cat([part.positions for part in parts]),
        torch.cat(groups),
        torch.cat([part.agents for part in parts]),
        torch.cat(scenes),
        names,
        left_out,
    )
