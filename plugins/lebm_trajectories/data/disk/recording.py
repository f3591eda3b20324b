"""A user's own recording: its windows by split, in memory or scene by scene on disk."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lebm_core.base.files import workplace
from lebm_core.data.dataset import SPLITS
from lebm_core.data.disk.prepared import prepared
from lebm_core.errors import UsageError, shown
from lebm_trajectories.data.clocks import Clock, clocks_of
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.disk.windows import WindowWriter, joined
from lebm_trajectories.data.new import Reading
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.prepare import prepare
from lebm_trajectories.data.recordings import Point, read_points
from lebm_trajectories.data.splits import in_time
from lebm_trajectories.data.units import check_unit
from lebm_trajectories.data.windows import Windows, cut, join

__all__ = ["Recording", "cut_split"]


@dataclass(frozen=True)
class Recording:
    """A file of frame, id, x, y, and how it is read.

    Attributes:
        path: of the file.
        source: what the report calls it.
        unit: of the coordinates.
        reading: every n-th frame, and which steps are plausible.
        options: of the windows.
        valid_share, test_share: of the frames.
    """

    path: Path
    source: str
    unit: str
    reading: Reading
    options: TrajectoryOptions
    valid_share: float
    test_share: float

    def read(self, seed: int) -> TrajectoryDataset:
        """Read all of it into memory.

        Raises:
            UsageError: as `read_points` and `prepare`; steps as of another unit; a split without
                a trajectory.
        """
        return self._dataset([list(read_points(self.path))], seed, None)

    def on_disk(self, seed: int) -> TrajectoryDataset:
        """Prepare it on disk, a scene at a time; see `prepared`.

        Raises:
            UsageError: as `read`; the lines of a scene do not follow each other.
        """

        def make(folder: Path) -> None:
            with workplace(folder) as place:
                points = read_points(self.path, in_order=True)
                scenes = (list(own) for _, own in itertools.groupby(points, lambda p: p.scene))
                self._dataset(scenes, seed, place).keep(folder)

        asked = asdict(self) | {"reading": self.reading._asdict(), "seed": seed}
        return TrajectoryDataset.kept(prepared("trajectories.file", asked, [self.path], make))

    def _dataset(
        self, recordings: Iterable[list[Point]], seed: int, place: Path | None
    ) -> TrajectoryDataset:
        with ExitStack() as open_files:
            cuts = _Cuts(self, place, open_files)
            for points in recordings:
                cuts.add(points)
            splits = cuts.windows()
        for split, share in (("valid", self.valid_share), ("test", self.test_share)):
            if share and not len(splits[split]):
                raise UsageError(
                    f"{self.path}: the {split} split, {share:.0%} of the frames, are "
                    f"{cuts.frames[split]} frames, and no agent is in {self.options.length} of "
                    f"them in a row: set data.{split}_share, or record longer."
                )
        steps = Counter(clock.step * self.reading.every for clock in cuts.clocks.values())
        told = (
            next(iter(steps))
            if len(steps) == 1
            else ", ".join(f"{step} in {n} scenes" for step, n in steps.most_common())
        )
        data = prepare(
            splits, self.source, {"frames from one step to the next": told}, self.options,
            unit=self.unit, seed=seed, reading=self.reading, place=place,
        )  # fmt: skip
        _say_left_out(self.path, splits, cuts.clocks, self.options.length)
        return data


class _Cuts:
    """The windows of recordings that come one after another.

    Args:
        recording: how they are read.
        place: a folder for the windows; None for memory.
        open_files: closes those in `place`.
    """

    def __init__(self, recording: Recording, place: Path | None, open_files: ExitStack) -> None:
        self.recording, self.place, self.open_files = recording, place, open_files
        self.clocks: dict[str, Clock] = {}
        self.frames = dict.fromkeys(SPLITS, 0)
        ways = {s: 1 + (s == "train" and recording.options.reverse) for s in SPLITS}
        self._held: dict[str, list[list[Windows]]] = {
            split: [[] for _ in range(n)] for split, n in ways.items()
        }
        self._files: dict[str, list[WindowWriter]] = {}
        if place is not None:
            o = recording.options
            self._files = {
                split: [
                    open_files.enter_context(
                        WindowWriter(place, f"{split}.{i}", o.length, o.neighbours)
                    )
                    for i in range(n)
                ]
                for split, n in ways.items()
            }

    def add(self, points: list[Point]) -> None:
        """Cut the windows of points that hold whole scenes."""
        r = self.recording
        check_unit(points, r.unit, r.path, r.reading.fastest, r.reading.slowest, r.reading.every)
        clocks = clocks_of(points)
        self.clocks |= clocks
        how = {"clocks": clocks, "every": r.reading.every, "name": r.path.stem}
        for split, part in in_time(points, r.valid_share, r.test_share).items():
            self.frames[split] += len({(p.scene, p.frame) for p in part})
            for i, windows in enumerate(_ways(part, r.options, split, **how)):
                if self._files:
                    self._files[split][i].add(windows)
                else:
                    self._held[split][i].append(windows)

    def windows(self) -> dict[str, Windows]:
        """All windows by split; nothing can be added after."""
        self.open_files.close()
        o = self.recording.options
        sizes = o.length, o.neighbours
        if self.place is None:
            return {
                split: join([join(way, *sizes) for way in ways], *sizes)
                for split, ways in self._held.items()
            }
        return {
            split: joined((file.windows() for file in files), self.place, split, *sizes)
            for split, files in self._files.items()
        }


def _say_left_out(
    path: Path, splits: dict[str, Windows], clocks: dict[str, Clock], length: int
) -> None:
    """Warn of positions that are in no trajectory, and of scenes of which nothing is left."""
    said = []
    for split, windows in splits.items():
        points = sum(n for what, n in windows.left_out.items() if what.startswith("points"))
        gaps = sum(n for what, n in windows.left_out.items() if what.startswith("frames"))
        if points:
            after = f" (gaps between frames: {gaps:,})" if gaps else ""
            said.append(f"{points:,} in {split}{after}")
    if said:
        warnings.warn(
            f"{path}: left out are positions of agents not there in {length} frames in a row: "
            f"{', '.join(said)}.",
            stacklevel=3,
        )
    kept = {w.names[i] for w in splits.values() for i in w.scenes.unique().tolist()}
    if empty := sorted(scene for scene in clocks if scene and scene not in kept):
        few = ", ".join(shown(scene, 40) for scene in empty[:3])
        warnings.warn(
            f"{path}: nobody in {len(empty)} of {len(clocks)} scenes is there in {length} frames "
            f"in a row, so that they are left out: {few}{', ...' if empty[3:] else ''}.",
            stacklevel=3,
        )


def cut_split(points: list[Point], options: TrajectoryOptions, split: str, **how: Any) -> Windows:
    """Cut the windows of a split; those of training also backwards where options say so."""
    return join(_ways(points, options, split, **how), options.length, options.neighbours)


def _ways(points: list[Point], options: TrajectoryOptions, split: str, **how: Any) -> list[Windows]:
    """The windows of a split forwards, and backwards too where those are trained on."""
    o = options
    ways = [cut(points, o.observed, o.predicted, o.neighbours, **how)]
    if split == "train" and o.reverse:
        ways.append(cut(points, o.observed, o.predicted, o.neighbours, backwards=True, **how))
        ways[1].left_out.clear()  # counted once already
    return ways
