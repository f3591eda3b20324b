"""Make a data set of windows: thin them, augment the training windows, find the unit of length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_trajectories.data.behaviour import BEHAVIOURS, behaviour
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.new import STEPS_OF_SCALE, Reading
from lebm_trajectories.data.options import TrajectoryOptions
from lebm_trajectories.data.windows import Windows

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
        kept[split] = _some(splits[split], limit, generator)
    steps = kept["train"].positions.diff(dim=1).norm(dim=-1)
    scale = STEPS_OF_SCALE * float(steps.mean())
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
    kept["train"] = _augmented(kept["train"], options, generator)
    summary["training trajectories with augmentation"] = len(kept["train"])
    if options.classes == "behaviour":
        step = scale / STEPS_OF_SCALE
        kept = {s: replace(w, y=behaviour(w.positions, step)) for s, w in kept.items()}
        classes = BEHAVIOURS
    for split, windows in kept.items():
        if windows.y is not None and classes:
            counts = torch.bincount(windows.y, minlength=len(classes)).tolist()
            summary[f"classes of {split}"] = dict(zip(classes, counts, strict=True))
    return TrajectoryDataset(kept, options, scale, unit, summary, classes, reading)


def _some(windows: Windows, n: int, generator: torch.Generator) -> Windows:
    """Choose about n trajectories, whole windows at a time."""
    if not n or n >= len(windows):
        return windows
    groups = windows.group.unique()
    groups = groups[torch.randperm(len(groups), generator=generator)]
    sizes = torch.bincount(windows.group)[groups].cumsum(0)
    chosen = groups[: max(1, int((sizes <= n).sum()))]
    return windows.take(torch.isin(windows.group, chosen).nonzero().squeeze(1))


def _augmented(windows: Windows, options: TrajectoryOptions, generator: torch.Generator) -> Windows:
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
    changes = [(turn, size[windows.group].view(-1, 1, 1)) for turn, size in copies]
    return Windows(
        torch.cat([s * (windows.positions @ t) for t, s in changes]),
        torch.cat([s[..., None] * (windows.near @ t) for t, s in changes]),
        windows.there.repeat(len(copies), 1),
        torch.cat([windows.group + i * groups for i in range(len(copies))]),
        windows.agents.repeat(len(copies)),
        windows.scenes.repeat(len(copies)),
        windows.names,
        windows.left_out,
    )


def _turn(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, s], [-s, c]])
