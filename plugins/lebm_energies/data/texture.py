"""Data set "energies.texture-video": clips of waves or of noise that drifts, or of a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.checks import choice, whole
from lebm_core.data.files import DataFiles
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_energies.data.clips import Clip, read_clip, windows
from lebm_energies.data.generated import Generated

__all__ = ["SPREAD", "ClipData", "noise", "texture_video", "waves"]

COUNTS = SplitCounts(train=1000, valid=200, test=300)
KINDS = ("waves", "noise")
SPREAD = 0.4  # standard deviation of x: then almost all of it is in [-1, 1]
PICTURED = 4
WAVES = 4  # in a clip
SPEED = 1.0  # pixels a frame at which crests move
KEPT = 0.8  # of a frame of noise that the next one keeps
SHARES = {"train": (0.0, 0.7), "valid": (0.7, 0.85), "test": (0.85, 1.0)}  # of a file's frames


class ClipData(Generated):
    """Grey clips; x is (B, 1, T, H, W) of mean 0 and standard deviation 0.4."""

    figures: ClassVar[str] = "energies.clips"

    def raw(self, x: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Samples (N, T, H, W) in the values of the source."""
        values: np.ndarray[Any, np.dtype[np.float32]] = x[:, 0].numpy(force=True)
        return values / SPREAD * float(self.facts["std"]) + float(self.facts["mean"])

    def picture(self, x: Tensor, path: Path) -> Path | None:
        """Write the first 4 samples as strips of frames to `path` with the suffix .png."""
        from lebm_energies.pictures import draw_frames

        if not len(x):
            return None
        rows = [("", clip.numpy(force=True)) for clip in x[:PICTURED, 0]]
        return draw_frames(rows, path.with_name(path.name + ".png"))


def texture_video(
    *, files: DataFiles, seed: int, options: SplitCounts = COUNTS,
    kind: Literal["waves", "noise"] = "waves", frames: int = 16, side: int = 16, file: str = "",
) -> ClipData:  # fmt: skip
    """Clips of a dynamic texture, generated or cut out of a file.

    Args:
        files: places where a relative `file` is looked for.
        seed: of the clips, or of the places where they are cut out.
        kind: waves (crests that drift one way) or noise (a smooth field that fades and drifts)
        frames: of a clip
        side: pixels of a frame, along each axis
        file: a folder of frames, an .npy (T, H, W) or a .gif to cut clips out of; the first 70 %
            of its frames are to learn from; empty: generate

    Raises:
        UsageError: for a file that cannot be read or is too small, or sizes that are not possible.
    """
    choice("data.kind", kind, KINDS)
    whole("data.frames", frames, 2, 256)
    whole("data.side", side, 4, 256)
    rng = np.random.default_rng(seed)
    source: Clip | None = read_clip(file, files) if file else None
    drawn: dict[str, Clip] = {}
    for split, n in options.sizes.items():
        if source is None:
            make = waves if kind == "waves" else noise
            drawn[split] = make(n, frames, side, rng)
        else:
            low, high = (round(len(source) * end) for end in SHARES[split])
            part = source[low:high]
            if len(part) < frames or min(source.shape[1:]) < side:
                t, h, w = part.shape
                raise UsageError(
                    f"data.file has {t} frames of {w} x {h} for the split {split}, and clips are "
                    f"of {frames} frames of {side} x {side}: use smaller ones, or a longer clip."
                )
            drawn[split] = windows(part, n, frames, side, rng)
    mean, std = float(drawn["train"].mean()), float(drawn["train"].std())
    if not std:
        raise UsageError("data.file shows the same grey everywhere: there is nothing to learn.")
    x = {s: torch.from_numpy((v - mean) / std * SPREAD).float()[:, None] for s, v in drawn.items()}
    summary = {
        "source": f"cut out of {Path(file).name}" if file else f"generated: {kind}",
        "counts": options.sizes,
    }
    return ClipData(x, {}, (), summary, {"mean": mean, "std": std})


def waves(n: int, frames: int, side: int, rng: np.random.Generator) -> Clip:
    """n clips of a few plane waves each, whose crests drift to about one side, (n, T, S, S).

    Wave vectors are 1 to 2.5 cycles in 16 pixels long and point to the right, give or take 25
    degrees; every crest moves at the same speed.
    """
    size = (n, WAVES, 1, 1, 1)
    length = 2 * math.pi * rng.uniform(1.0, 2.5, size) / 16
    angle = rng.normal(0, math.radians(25), size)
    phase, amplitude = rng.uniform(0, 2 * math.pi, size), rng.rayleigh(1.0, size)
    t = np.arange(frames)[:, None, None]
    down, right = np.arange(side)[:, None], np.arange(side)
    along = np.cos(angle) * right + np.sin(angle) * down - SPEED * t
    clips: Clip = (amplitude * np.cos(length * along + phase)).sum(1).astype(np.float32)
    return clips


def noise(n: int, frames: int, side: int, rng: np.random.Generator) -> Clip:
    """n clips of smooth noise, each frame the last one moved by a pixel, and new noise."""
    from scipy.ndimage import gaussian_filter

    def field() -> np.ndarray[Any, Any]:
        drawn = gaussian_filter(rng.normal(size=(n, side, side)), (0, 1.5, 1.5), mode="wrap")
        return np.asarray(drawn / drawn.std())

    clip = [field()]
    for _ in range(frames - 1):
        fresh = math.sqrt(1 - KEPT**2) * field()
        clip.append(KEPT * np.roll(clip[-1], 1, axis=2) + fresh)
    return np.stack(clip, axis=1).astype(np.float32)
