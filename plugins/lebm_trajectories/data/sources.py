"""The registered recordings. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from lebm_core.base.checks import at_least, choice, whole
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles, open_lines
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError, shown
from lebm_trajectories.data.clocks import Clock, clocks_of
from lebm_trajectories.data.dataset import UNITS, TrajectoryDataset
from lebm_trajectories.data.new import Reading
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.prepare import prepare
from lebm_trajectories.data.recordings import Point, read_points
from lebm_trajectories.data.units import check_unit
from lebm_trajectories.data.windows import Windows, cut, join

__all__ = ["eth_ucy", "file", "sdd"]

SCENES = ("eth", "hotel", "univ", "zara1", "zara2")
PEOPLE, REVERSED = TrajectoryOptions(), TrajectoryOptions(reverse=True)
OF_SPLIT = {"train": "train", "valid": "val", "test": "test"}

ETH_UCY = Needs(
    "trajectories.eth_ucy",
    ["eth_ucy/splits.json", "eth_ucy/biwi_eth.txt", "eth_ucy/biwi_hotel.txt",
     "eth_ucy/crowds_zara01.txt", "eth_ucy/crowds_zara02.txt", "eth_ucy/crowds_zara03.txt",
     "eth_ucy/students001.txt", "eth_ucy/students003.txt", "eth_ucy/uni_examples.txt"],
    how="Lines of frame, id, x, y; splits.json has the line numbers of the published splits.",
    address="https://github.com/StanfordASL/Trajectron-plus-plus, experiments/pedestrians/raw",
    licence="repository MIT; the recordings are published for research",
)  # fmt: skip
SDD = Needs(
    "trajectories.sdd",
    ["sdd_trajnet/train.csv", "sdd_trajnet/test.csv"],
    how="A table of scene, frame, track_id, x_px, y_px; tracks of 20 steps; from "
    "metres, divided by the scale of the scene in H_SDD.txt.",
    address="https://github.com/xupei0610/SocialVAE, data/sdd",
    licence="CC BY-NC-SA 3.0, as commonly stated",
)
FILE = Needs("trajectories.file", source="FILE, lines of frame, id, x, y")


def eth_ucy(
    *,
    files: DataFiles,
    seed: int,
    scene: Literal["eth", "hotel", "univ", "zara1", "zara2"] = "zara1",
    options: TrajectoryOptions = PEOPLE,
) -> TrajectoryDataset:
    """ETH-UCY in the windows of the Social-GAN line of papers, one scene left out for the test.

    Args:
        scene: the scene of the test: eth, hotel, univ, zara1 or zara2
    """
    choice("data.scene", scene, SCENES)
    index, *_ = ETH_UCY.find(files)
    try:
        wanted = json.loads("".join(line for _, line in open_lines(index)))["splits"][scene]
        parts = {split: [_part(each) for each in wanted[name]] for split, name in OF_SPLIT.items()}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise UsageError(
            f'{index} does not hold the line numbers of the scene "{scene}".'
        ) from None
    splits: dict[str, Windows] = {}
    for split, recordings in parts.items():
        cuts = []
        for name, lines in recordings:
            plain = name.removesuffix(".gz")
            path = files.find(ETH_UCY.dataset, [f"eth_ucy/{plain}"], ETH_UCY.how)
            points = list(read_points(path, lines))
            place = plain.removesuffix(".txt")
            cuts.append(_cut(points, options, split, least=2, gaps=True, name=place))
        splits[split] = join(cuts, options.length, options.neighbours)
    facts = {"scene of the test": scene}
    return prepare(splits, "ETH-UCY", facts, options, seed=seed, reading=Reading(gaps=True))


def sdd(
    *,
    files: DataFiles,
    seed: int,
    options: TrajectoryOptions = REVERSED,
    valid_share: float = 0.1,
) -> TrajectoryDataset:
    """Stanford Drone in the split of TrajNet, in pixels.

    Args:
        valid_share: of the tracks of training, the last ones of each scene
    """
    _check_shares(valid_share, 0.0)
    training, test = (list(read_points(path)) for path in SDD.find(files))
    train, valid = _last_tracks(training, valid_share)
    parts = {"train": train, "valid": valid, "test": test}
    splits = {split: _cut(points, options, split) for split, points in parts.items()}
    return prepare(splits, "Stanford Drone (TrajNet)", {}, options, unit="pixels", seed=seed)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    unit: Literal["metres", "pixels", "units"] = "metres",
    every: int = 1,
    fastest: float = 4.0,
    slowest: float = 0.01,
    options: TrajectoryOptions = PEOPLE,
    valid_share: float = 0.1,
    test_share: float = 0.2,
) -> TrajectoryDataset:
    """Any recording of frame, id, x, y, as text or csv, cut in time: the last part is the test.

    Args:
        source: the file
        unit: metres, pixels, or units of any other length, such as of coordinates from 0 to 1
        every: use every n-th frame only, for recordings of more frames than steps
        fastest: largest plausible median step in metres; 0 for no check
        slowest: smallest plausible median step in metres; 0 for no check
        valid_share: of the frames
        test_share: of the frames
    """
    FILE.check(source)
    choice("data.unit", unit, UNITS)
    _check_shares(valid_share, test_share)
    whole("data.every", every, 1)
    at_least("data.fastest", fastest, 0)
    at_least("data.slowest", slowest, 0)
    path = Path(source).expanduser()
    points = list(read_points(path))
    check_unit(points, unit, path, fastest, slowest, every)
    clocks = clocks_of(points)
    splits = {}
    for split, part in _in_time(points, valid_share, test_share).items():
        splits[split] = _cut(part, options, split, clocks=clocks, every=every, name=path.stem)
        share = {"valid": valid_share, "test": test_share}.get(split)
        if share and not len(splits[split]):
            frames = len({(p.scene, p.frame) for p in part})
            raise UsageError(
                f"{path}: the {split} split, {share:.0%} of the frames, are {frames} frames, and "
                f"no agent is in {options.length} of them in a row: set data.{split}_share, or "
                "record longer."
            )
    steps = Counter(clock.step * every for clock in clocks.values())
    told = (
        next(iter(steps))
        if len(steps) == 1
        else ", ".join(f"{step} in {n} scenes" for step, n in steps.most_common())
    )
    facts = {"frames from one step to the next": told}
    reading = Reading(every=every, fastest=fastest, slowest=slowest)
    data = prepare(splits, source, facts, options, unit=unit, seed=seed, reading=reading)
    _say_left_out(path, splits, clocks, options.length)
    return data


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


def _part(told: dict[str, Any]) -> tuple[str, range]:
    """The name of a file and its lines."""
    name, lines = told["file"], range(told["first_line"], told["end_line"])
    if not isinstance(name, str) or Path(name).name != name or not 0 <= lines.start <= lines.stop:
        raise ValueError(name)
    return name, lines


def _cut(points: list[Point], options: TrajectoryOptions, split: str, **how: Any) -> Windows:
    """Cut the windows of a split; those of training also backwards where options say so."""
    o = options
    windows = cut(points, o.observed, o.predicted, o.neighbours, **how)
    if split != "train" or not o.reverse:
        return windows
    back = cut(points, o.observed, o.predicted, o.neighbours, backwards=True, **how)
    back.left_out.clear()  # counted once already
    return join([windows, back], o.length, o.neighbours)


def _check_shares(valid_share: float, test_share: float) -> None:
    for name, share in (("valid", valid_share), ("test", test_share)):
        if not 0 <= share < 1:
            raise UsageError(f"data.{name}_share = {share} must be at least 0 and below 1.")
    if valid_share + test_share >= 1:
        raise UsageError(
            f"data.valid_share + data.test_share = {valid_share + test_share:g} leaves nothing to "
            "train on."
        )


def _in_time(points: list[Point], valid_share: float, test_share: float) -> dict[str, list[Point]]:
    """Split the points by time: the last frames of each scene are the test."""
    scenes: dict[str, set[int]] = {}
    for p in points:
        scenes.setdefault(p.scene, set()).add(p.frame)
    borders = {}
    for scene, frames in scenes.items():
        order = sorted(frames)
        ends = [round((1 - share) * len(order)) for share in (valid_share + test_share, test_share)]
        borders[scene] = [*(order[end] if end < len(order) else math.inf for end in ends), math.inf]
    parts: dict[str, list[Point]] = {split: [] for split in SPLITS}
    for p in points:
        place = next(i for i, border in enumerate(borders[p.scene]) if p.frame < border)
        parts[SPLITS[place]].append(p)
    return parts


def _last_tracks(points: list[Point], share: float) -> tuple[list[Point], list[Point]]:
    """Separate the last `share` of each scene's tracks from the others."""
    begun: dict[str, dict[int, int]] = {}
    for p in points:
        tracks = begun.setdefault(p.scene, {})
        tracks[p.agent] = min(p.frame, tracks.get(p.agent, p.frame))
    late = set()
    for scene, tracks in begun.items():
        order = sorted(tracks, key=lambda agent: (tracks[agent], agent))
        late |= {(scene, agent) for agent in order[len(order) - round(share * len(order)) :]}
    kept = [p for p in points if (p.scene, p.agent) not in late]
    return kept, [p for p in points if (p.scene, p.agent) in late]
