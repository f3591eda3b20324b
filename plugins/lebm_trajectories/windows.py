"""Windows of equal length, cut out of recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_trajectories.recordings import Point

__all__ = ["Windows", "cut", "join"]


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
