"""Splits of recordings: published ones by lines, one's own by time or by track."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from lebm_core.data.dataset import SPLITS
from lebm_core.data.parsing import open_json
from lebm_core.errors import UsageError, shown
from lebm_trajectories.data.recordings import Point

__all__ = ["check_shares", "in_time", "last_tracks", "published"]

OF_SPLIT = {"train": "train", "valid": "val", "test": "test"}


def published(index: Path, scene: str) -> dict[str, list[tuple[str, range]]]:
    """The recordings of each split, and the lines of each, counted from 0.

    Raises:
        UsageError: `index` does not hold them, or has a line in two splits.
    """
    found = open_json(index)
    try:
        wanted = found["splits"][scene]
        parts = {split: [_part(each) for each in wanted[name]] for split, name in OF_SPLIT.items()}
    except (ValueError, KeyError, TypeError, OverflowError):
        raise UsageError(
            f'{index} does not hold the line numbers of the scene "{scene}".'
        ) from None
    every = sorted(
        (name, lines.start, lines.stop) for each in parts.values() for name, lines in each
    )
    for (name, _, end), (other, start, _) in itertools.pairwise(every):
        if name == other and start < end:
            raise UsageError(
                f'{index}, scene "{scene}": the line {start} of {shown(name)} is there twice, in '
                "one split or in two."
            )
    return parts


def _part(told: dict[str, Any]) -> tuple[str, range]:
    """The name of a file and its lines."""
    name, lines = told["file"], range(told["first_line"], told["end_line"])
    if not isinstance(name, str) or Path(name).name != name or not 0 <= lines.start <= lines.stop:
        raise ValueError(name)
    return name, lines


def check_shares(valid_share: float, test_share: float) -> None:
    for name, share in (("valid", valid_share), ("test", test_share)):
        if not 0 <= share < 1:
            raise UsageError(f"data.{name}_share = {share} must be at least 0 and below 1.")
    if valid_share + test_share >= 1:
        raise UsageError(
            f"data.valid_share + data.test_share = {valid_share + test_share:g} leaves nothing to "
            "train on."
        )


def in_time(points: list[Point], valid_share: float, test_share: float) -> dict[str, list[Point]]:
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


def last_tracks(points: list[Point], share: float) -> tuple[list[Point], list[Point]]:
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
