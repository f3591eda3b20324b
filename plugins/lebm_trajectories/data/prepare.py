"""Make a data set of windows: thin them, augment the training windows, find the unit of length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_trajectories.data.behaviour import BEHAVIOURS, behaviour
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.disk.windows import gathered
from lebm_trajectories.data.new import STEPS_OF_SCALE, Reading
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.windows import PART, Windows
from lebm_trajectories.frames import mean_step, turned

__all__ = ["STEPS_OF_SCALE", "prepare"]


def prepare(
    splits: dict[str, Windows],
    source: str,
    facts: dict[str, Any],
    options: TrajectoryOptions,
    *,
    unit: str = "metres",
    seed: int = 0,
    classes: Sequence[str] = (),
    reading: Reading = Reading(),  # noqa: B008 - it cannot be changed
    place: Path | None = None,
) -> TrajectoryDataset:
    """Augment the training windows, find the unit of length, and assign classes.

    Args:
        splits: windows by split.
        source: where they are from.
        facts: for the report.
        options: lengths, neighbours, augmentation and classes.
        unit: of the recording.
        seed: of all randomness.
        classes: names of the windows' own y, which `options.classes` replaces.
        reading: how the recording was read.
        place: a folder for windows that are on disk; None for memory.

    Raises:
        UsageError: where no training trajectory is left.
    """
    if not len(splits["train"]):
        why = "; ".join(f"{n} {what}" for what, n in splits["train"].left_out.items())
        raise UsageError(
            f"{source} has no training trajectory of {options.length} steps"
            + (f": {why}." if why else ".")
        )
    generator = torch.Generator().manual_seed(seed)
    kept = {}
    for split in SPLITS:
        limit = options.train_trajectories if split == "train" else options.eval_trajectories
        kept[split] = _some(splits[split], limit, generator, place, split)
    scale = STEPS_OF_SCALE * mean_step(part.positions[:] for part in kept["train"].parts())
    if not 0 < scale < math.inf:
        raise UsageError(f"{source}: no agent moves in the training trajectories.")
    summary = {
        "source": source,
        "trajectories": {split: len(windows) for split, windows in kept.items()},
        "windows": {split: len(windows.group.unique()) for split, windows in kept.items()},
        "observed and predicted steps": f"{options.observed} + {options.predicted}",
        "unit of length": f"{scale:.4g} {unit}",
        **facts,
    }
    for split, windows in splits.items():
        for what, n in windows.left_out.items():
            summary[f"{split}: {what}"] = n
    kept["train"] = _augmented(kept["train"], options, generator, place)
    summary["training trajectories with augmentation"] = len(kept["train"])
    if options.classes == "behaviour":
        step = scale / STEPS_OF_SCALE
        none = torch.zeros(0, dtype=torch.long)  # of a split without trajectories
        kept = {
            s: replace(
                w, y=torch.cat([none, *(behaviour(part.positions[:], step) for part in w.parts())])
            )
            for s, w in kept.items()
        }
        classes = BEHAVIOURS
    for split, windows in kept.items():
        if windows.y is not None and classes:
            counts = torch.bincount(windows.y, minlength=len(classes)).tolist()
            summary[f"classes of {split}"] = dict(zip(classes, counts, strict=True))
    return TrajectoryDataset(kept, options, scale, unit, summary, classes, reading)


def _some(
    windows: Windows, n: int, generator: torch.Generator, place: Path | None, split: str
) -> Windows:
    """Choose about n trajectories, whole windows at a time."""
    if not n or n >= len(windows):
        return windows
    groups = windows.group.unique()
    groups = groups[torch.randperm(len(groups), generator=generator)]
    sizes = torch.bincount(windows.group)[groups].cumsum(0)
    chosen = groups[: max(1, int((sizes <= n).sum()))]
    rows = torch.isin(windows.group, chosen).nonzero().squeeze(1)
    parts = (windows.take(some) for some in rows.split(len(rows) if place is None else PART))
    return gathered(parts, windows, place, f"{split}.some")


def _augmented(
    windows: Windows, options: TrajectoryOptions, generator: torch.Generator, place: Path | None
) -> Windows:
    """Add turned, mirrored and rescaled copies."""
    if not options.rotations and not options.flip and options.rescale == 1:
        return windows
    angles = torch.rand(options.rotations, generator=generator) * 2 * torch.pi
    turns = [torch.eye(2), *(_turn(float(angle)) for angle in angles)]
    if options.flip:
        mirror = torch.diag(torch.tensor([1.0, -1.0]))
        turns += [mirror @ turn for turn in turns]
    groups = int(windows.group.max()) + 1
    copies = [(turn, torch.ones(groups)) for turn in turns]  # with a scale of each window
    if options.rescale > 1:
        most = math.log(options.rescale)
        copies += [
            (turn, ((2 * torch.rand(groups, generator=generator) - 1) * most).exp())
            for turn in turns
        ]

    def changed() -> Iterator[Windows]:
        for i, (turn, sizes) in enumerate(copies):
            for part in windows.parts():
                size = sizes[part.group].view(-1, 1, 1)
                yield replace(
                    part, positions=size * turned(part.positions[:], turn),
                    near=size[..., None] * turned(part.near[:], turn),
                    group=part.group + i * groups, y=None, frames=None,
                )  # fmt: skip

    return gathered(changed(), windows, place, "train.copies")


def _turn(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s], [-s, c]])
