"""Windows of equal length, cut from recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lebm_core.data.disk.tensors import CHUNK, DiskTensor, chunks_of
from lebm_trajectories.data.clocks import Clock, usual_step
from lebm_trajectories.data.recordings import Point

__all__ = ["Windows", "apart", "cut", "join", "nearest"]

PART = CHUNK  # trajectories that a pass over those on disk holds at once
Place = tuple[float, float]
Frames = dict[int, dict[int, Place]]  # frame -> agent -> where


@dataclass
class Windows:
    """Trajectories of equal length, cut from recordings.

    Positions are in the unit of the recording, relative to the centre of each scene: large
    coordinates would lose their last digits in float32.

    Attributes:
        positions: (N, T, 2).
        near: (N, K, 2, 2) positions of the nearest others in the last two observed steps, whether
            or not they stay to the end.
        there: (N, K) which of them exist.
        group: (N,) id of the window: trajectories with the same id are there at the same time.
        agents: (N,) ids in the recording.
        scenes: (N,) index into `names`.
        names: of the scenes.
        left_out: counts of what was not used.
        y: (N,) class ids, or None.
        frames: (N,) the last observed frame of each, or None where it is not known.
    """

    positions: Tensor | DiskTensor
    near: Tensor | DiskTensor
    there: Tensor | DiskTensor
    group: Tensor
    agents: Tensor
    scenes: Tensor
    names: list[str]
    left_out: Counter[str]
    y: Tensor | None = None
    frames: Tensor | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def parts(self) -> Iterator[Windows]:
        """Yield all of them in memory at once; of those on disk so many at a time."""
        if isinstance(self.positions, Tensor):
            yield self
        else:
            rows = torch.arange(len(self))
            yield from (self.take(rows[part]) for part in chunks_of(len(self), PART))

    def take(self, rows: Tensor) -> Windows:
        """Select some of the trajectories."""
        return replace(
            self, positions=self.positions[rows], near=self.near[rows], there=self.there[rows],
            group=self.group[rows], agents=self.agents[rows], scenes=self.scenes[rows],
            y=None if self.y is None else self.y[rows],
            frames=None if self.frames is None else self.frames[rows],
        )  # fmt: skip


def cut(
    points: Iterable[Point],
    observed: int,
    predicted: int,
    neighbours: int = 0,
    *,
    least: int = 1,
    gaps: bool = False,
    clocks: Mapping[str, Clock] | None = None,
    every: int = 1,
    backwards: bool = False,
    name: str = "",
) -> Windows:
    """Cut windows of `observed` + `predicted` frames, stride 1, with the agents in all of them.

    Args:
        points: of one recording, or of several by `scene`.
        observed: frames.
        predicted: frames.
        neighbours: K, other agents in the context; they must be present in the last two observed
            frames only, since the future is not known then.
        least: agents that a window must have; 2 in the Social-GAN line of papers.
        gaps: also windows across missing frames, as in that line of papers: frames without agents
            are not in its files, and the frames before and after them count as adjacent.
        clocks: of each scene, as `clocks_of` finds them in more than these points; None for their
            own.
        every: use every n-th step only.
        backwards: in the other direction of time.
        name: of the scene, for points without one.
    """
    by_scene: dict[str, Frames] = {}
    for p in points:
        by_scene.setdefault(p.scene, {}).setdefault(p.frame, {})[p.agent] = (p.x, p.y)
    parts = []
    for scene, frames in by_scene.items():
        clock = clocks[scene] if clocks else Clock(min(frames), usual_step(frames))
        usual = every * clock.step
        off = 0
        if every > 1:
            off = sum(len(there) for at, there in frames.items() if (at - clock.first) % clock.step)
            frames = {at: frames[at] for at in frames if (at - clock.first) % usual == 0}
        if backwards:
            frames = {-at: there for at, there in frames.items()}
        lengths = observed, predicted, neighbours, least
        part = _windows(scene or name, frames, usual, *lengths, gaps)
        if off:
            part.left_out[f"points in frames between steps of {clock.step}"] = off
        parts.append(part)
    return join(parts, observed + predicted, neighbours)


def _windows(
    scene: str,
    frames: Frames,
    usual: int,
    observed: int,
    predicted: int,
    neighbours: int,
    least: int,
    gaps: bool,
) -> Windows:
    order, length = sorted(frames), observed + predicted
    left_out = Counter[str]()
    runs: dict[int, list[list[int]]] = {}  # of adjacent frames, by agent
    for i, frame in enumerate(order):
        follows = i > 0 and (gaps or frame - order[i - 1] == usual)
        if i > 0 and not follows:
            left_out[f"frames that are not {usual} after the one before"] += 1
        for agent in frames[frame]:
            own = runs.setdefault(agent, [])
            if own and follows and own[-1][-1] == i - 1:
                own[-1].append(i)
            else:
                own.append([i])
    starts: dict[int, list[int]] = {}
    for agent, own in runs.items():
        long = [run for run in own if len(run) >= length]
        if not long:
            left_out[f"agents without {length} frames in a row"] += 1
        left_out[f"points of stretches shorter than {length} frames"] += sum(
            len(run) for run in own if len(run) < length
        )
        for run in long:
            for first in run[: len(run) - length + 1]:
                starts.setdefault(first, []).append(agent)
    places = [place for there in frames.values() for place in there.values()]
    middle = torch.tensor(places, dtype=torch.float64).view(-1, 2).mean(0)
    positions: list[list[Place]] = []
    near, there, group, agents, seen = [], [], [], [], list[int]()
    for first in sorted(starts):
        members = starts[first]
        if len(members) < least:
            left_out[f"windows with fewer than {least} agents"] += 1
            continue
        window = order[first : first + length]
        positions += [[frames[frame][agent] for frame in window] for agent in members]
        two = [frames[frame] for frame in window[observed - 2 : observed]]
        others = [agent for agent in two[1] if agent in two[0]]
        last = torch.tensor([[step[a] for step in two] for a in others], dtype=torch.float64)
        place = {agent: i for i, agent in enumerate(others)}
        rows, exist = nearest(last[:, 1], torch.tensor([place[a] for a in members]), neighbours)
        near.append((last[rows] - middle).float())
        there.append(exist)
        group += [first] * len(members)
        seen += [window[observed - 1]] * len(members)
        agents += members
    empty = torch.zeros(0, neighbours, dtype=torch.bool)
    return Windows(
        (torch.tensor(positions, dtype=torch.float64).view(-1, length, 2) - middle).float(),
        torch.cat(near) if near else torch.zeros(0, neighbours, 2, 2),
        torch.cat(there) if there else empty,
        torch.tensor(group, dtype=torch.long),
        torch.tensor(agents, dtype=torch.long),
        torch.zeros(len(agents), dtype=torch.long),
        [scene],
        +left_out,  # without zeros
        frames=torch.tensor(seen, dtype=torch.long),
    )


def nearest(places: Tensor, members: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k nearest others of each member: rows of `places` (m, k), and whether they exist.

    Args:
        places: (n, 2) of all agents.
        members: (m,) rows of `places`.
        k: how many.
    """
    rows = torch.zeros(len(members), k, dtype=torch.long)
    there = torch.zeros(len(members), k, dtype=torch.bool)
    count = min(k, len(places) - 1)
    if count > 0:
        distance = apart(places[members], places)
        distance[torch.arange(len(members)), members] = torch.inf
        rows[:, :count] = distance.topk(count, largest=False).indices
        there[:, :count] = True
    return rows, there


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Compute distances (..., n, m), without the inner products that lose digits far from 0."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def join(parts: Sequence[Windows], length: int, neighbours: int) -> Windows:
    """Join several recordings; groups stay distinct."""
    if not parts:
        none = torch.zeros(0, dtype=torch.long)
        there = torch.zeros(0, neighbours, dtype=torch.bool)
        near = torch.zeros(0, neighbours, 2, 2)
        return Windows(torch.zeros(0, length, 2), near, there, none, none, none, [], Counter())
    names: list[str] = []
    shifted, left_out = 0, Counter[str]()
    groups, scenes = [], []
    for part in parts:
        groups.append(part.group + shifted)
        scenes.append(part.scenes + len(names))
        shifted += int(part.group.max()) + 1 if len(part) else 0
        names += part.names
        left_out += part.left_out
    return Windows(
        torch.cat([part.positions[:] for part in parts]),
        torch.cat([part.near[:] for part in parts]),
        torch.cat([part.there[:] for part in parts]),
        torch.cat(groups),
        torch.cat([part.agents for part in parts]),
        torch.cat(scenes),
        names,
        left_out,
        frames=torch.cat([part.frames for part in parts if part.frames is not None])
        if all(part.frames is not None for part in parts)
        else None,
    )
