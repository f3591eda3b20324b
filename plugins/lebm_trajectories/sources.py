"""The registered data sets. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from lebm_core.data import SPLITS
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.run.datasets import DataFiles, open_text
from lebm_trajectories.crowd import CrowdDataset, simulate
from lebm_trajectories.dataset import TrajectoryDataset, TrajectoryOptions
from lebm_trajectories.preparation import prepare
from lebm_trajectories.recordings import check_unit, read_points
from lebm_trajectories.windows import Windows, cut, join

__all__ = ["crowd", "eth_ucy", "file", "sdd"]

SCENES = ("eth", "hotel", "univ", "zara1", "zara2")
UNITS = ("metres", "pixels")
OF_SPLIT = {"train": "train", "valid": "val", "test": "test"}


def eth_ucy(
    *,
    files: DataFiles,
    seed: int,
    scene: str = "zara1",
    observed: int = 8,
    predicted: int = 12,
    neighbours: int = 8,
    heading: bool = True,
    flip: bool = True,
    reverse: bool = False,
    rotations: int = 0,
    train_trajectories: int = 0,
    eval_trajectories: int = 0,
) -> TrajectoryDataset:
    """ETH-UCY in the windows of the Social-GAN line of papers, one scene left out for the test.

    Args:
        scene: the scene of the test: eth, hotel, univ, zara1 or zara2
    """
    if scene not in SCENES:
        raise UsageError(
            f'data.scene = "{scene}" is not one of {", ".join(SCENES)}.'
            + did_you_mean(scene, SCENES)
        )
    options = TrajectoryOptions(
        observed, predicted, neighbours, heading, flip, reverse, rotations, train_trajectories,
        eval_trajectories,
    )  # fmt: skip
    how = "Lines of frame, id, x, y; splits.json has the line numbers of the published splits."
    at = files.find("trajectories.eth_ucy", ["eth_ucy/splits.json"], how)
    try:
        wanted = json.loads("".join(line for _, line in open_text(at)))["splits"][scene]
        parts = {
            split: [(p["file"], range(p["first_line"], p["end_line"])) for p in wanted[name]]
            for split, name in OF_SPLIT.items()
        }
    except (ValueError, KeyError, TypeError):
        raise UsageError(f'{at} does not hold the line numbers of the scene "{scene}".') from None
    splits: dict[str, Windows] = {}
    for split, found in parts.items():
        cuts = []
        for name, lines in found:
            plain = name.removesuffix(".gz")
            path = files.find("trajectories.eth_ucy", [f"eth_ucy/{plain}"], how)
            points = read_points(path, lines)
            place = plain.removesuffix(".txt")
            cuts.append(cut(points, options.length, least=2, gaps=True, name=place))
        splits[split] = join(cuts, options.length)
    facts = {"scene of the test": scene}
    return prepare(splits, "ETH-UCY", facts, options, seed=seed)


def sdd(
    *,
    files: DataFiles,
    seed: int,
    observed: int = 8,
    predicted: int = 12,
    neighbours: int = 8,
    heading: bool = True,
    flip: bool = True,
    reverse: bool = True,
    rotations: int = 0,
    train_trajectories: int = 0,
    eval_trajectories: int = 0,
    valid_share: float = 0.1,
) -> TrajectoryDataset:
    """Stanford Drone in the split of TrajNet, in pixels.

    Args:
        valid_share: of the trajectories of training, the last ones of each scene
    """
    options = TrajectoryOptions(
        observed, predicted, neighbours, heading, flip, reverse, rotations, train_trajectories,
        eval_trajectories,
    )  # fmt: skip
    _check_shares(valid_share, 0.0)
    how = "A table of scene, frame, track_id, x_px, y_px; tracks of 20 steps."
    parts = {}
    for part in ("train", "test"):
        path = files.find("trajectories.sdd", [f"sdd_trajnet/{part}.csv"], how)
        parts[part] = cut(read_points(path), options.length)
    train, valid = _last(parts["train"], valid_share)
    splits = {"train": train, "valid": valid, "test": parts["test"]}
    return prepare(splits, "Stanford Drone (TrajNet)", {}, options, unit="pixels", seed=seed)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    unit: str = "metres",
    observed: int = 8,
    predicted: int = 12,
    neighbours: int = 8,
    heading: bool = True,
    flip: bool = True,
    reverse: bool = False,
    rotations: int = 0,
    train_trajectories: int = 0,
    eval_trajectories: int = 0,
    valid_share: float = 0.1,
    test_share: float = 0.2,
) -> TrajectoryDataset:
    """Any recording of frame, id, x, y, as text or csv, cut in time: the last part is the test.

    Args:
        source: the file
        unit: metres or pixels
        valid_share: of the frames
        test_share: of the frames
    """
    if not source:
        raise UsageError("data.source is empty: trajectories.file needs one, data.source=my.csv.")
    if unit not in UNITS:
        raise UsageError(
            f'data.unit = "{unit}" is not one of {", ".join(UNITS)}.' + did_you_mean(unit, UNITS)
        )
    _check_shares(valid_share, test_share)
    options = TrajectoryOptions(
        observed, predicted, neighbours, heading, flip, reverse, rotations, train_trajectories,
        eval_trajectories,
    )  # fmt: skip
    path = Path(source).expanduser()
    points = list(read_points(path))
    check_unit(points, unit, path)
    frames = sorted({p.frame for p in points})
    ends = [1 - valid_share - test_share, 1 - test_share, 1.0]
    splits, first = {}, 0
    for split, end in zip(SPLITS, ends, strict=True):
        last = round(end * len(frames))
        inside = set(frames[first:last])  # no window stands across two splits
        some = (p for p in points if p.frame in inside)
        splits[split] = cut(some, options.length, name=path.stem)
        first = last
    return prepare(splits, source, {}, options, unit=unit, seed=seed)


def crowd(
    *,
    files: Any,
    seed: int,
    observed: int = 8,
    predicted: int = 12,
    neighbours: int = 4,
    heading: bool = True,
    flip: bool = False,
    train: int = 20_000,
    valid: int = 2_000,
    test: int = 2_000,
) -> CrowdDataset:
    """A simulated crowd at a crossing, whose distribution of futures is known.

    Args:
        files: not used: the crowd is simulated.
        train: trajectories to learn from
        valid: trajectories to choose by
        test: trajectories to judge by
    """
    sizes = {"train": train, "valid": valid, "test": test}
    for split, n in sizes.items():
        if n < 1:
            raise UsageError(f"data.{split} must be at least 1, not {n}.")
    options = TrajectoryOptions(observed, predicted, neighbours, heading, flip)
    generator = torch.Generator().manual_seed(seed)
    splits = {s: simulate(n, options, generator) for s, n in sizes.items()}
    made = prepare(splits, "simulated crowd", {}, options, seed=seed)
    return CrowdDataset(made.windows, options, made.scale, made.unit, made.summary)


def _check_shares(valid_share: float, test_share: float) -> None:
    for name, share in (("valid", valid_share), ("test", test_share)):
        if not 0 <= share < 1 or valid_share + test_share >= 1:
            raise UsageError(
                f"data.{name}_share = {share} must be from 0 to 1, and leave something to train on."
            )


def _last(windows: Windows, share: float) -> tuple[Windows, Windows]:
    """The windows without the last `share` of each scene's groups, and those."""
    held = torch.zeros(len(windows), dtype=torch.bool)
    for scene in windows.scenes.unique():
        mine = windows.scenes == scene
        groups = windows.group[mine].unique()
        late = groups[len(groups) - round(share * len(groups)) :]
        held |= mine & torch.isin(windows.group, late)
    return windows.take((~held).nonzero().squeeze(1)), windows.take(held.nonzero().squeeze(1))
