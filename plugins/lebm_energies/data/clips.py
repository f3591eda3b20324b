"""Grey clips from files: a folder of frames, an array, an animated GIF."""

from __future__ import annotations

import os
import re
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from lebm_core.data.files import DataFiles, own_path
from lebm_core.errors import UsageError, shown

__all__ = ["Clip", "read_clip", "windows"]

Clip = np.ndarray[Any, np.dtype[np.float32]]
FRAMES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".pgm")
GREY = (0.299, 0.587, 0.114)  # luminance of red, green and blue (ITU-R BT.601)
MOST = 10**9  # numbers of a clip


def read_clip(file: str, files: DataFiles) -> Clip:
    """Read a clip, (T, H, W), grey, in the values of the file.

    Args:
        file: a folder of frames, in the order of their names; an .npy of (T, H, W) or
            (T, H, W, C); or an animated .gif. A relative path is looked for as it is, and then
            where data files are.
        files: the places of data files.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    path = _find(file, files)
    if os.path.isdir(path):
        return _from_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _from_array(path)
    if suffix == ".gif":
        return _grey(_gif(path), path)
    raise UsageError(f"{shown(path, 300)} is no clip: use a folder of frames, an .npy or a .gif.")


def _find(file: str, files: DataFiles) -> Path:
    path = own_path(file)
    tries = [path, *(folder / path for _, folder in files.places() if folder is not None)]
    for each in tries:
        if os.path.exists(each):
            return each
    raise UsageError(f"data.file = {shown(file, 300)} is neither here nor where data files are.")


def _from_array(path: Path) -> Clip:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, tokenize.TokenError):
        raise UsageError(f"{shown(path, 300)} cannot be read as an array of numbers.") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        raise UsageError(f"{shown(path, 300)} holds no array of numbers.")
    return _grey(array, path)


def _from_folder(path: Path) -> Clip:
    found = [each for each in path.iterdir() if each.suffix.lower() in FRAMES]
    names = sorted(found, key=lambda each: _number(each.name))
    if not names:
        raise UsageError(f"{shown(path, 300)} has no frames: use PNG or JPEG files.")
    frames = [_frames(each)[0] for each in names]
    for name, frame in zip(names, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise UsageError(
                f"{shown(name, 300)} has the size {frame.shape[1]} x {frame.shape[0]}, and the "
                f"first frame {frames[0].shape[1]} x {frames[0].shape[0]}: use frames of one size."
            )
    return _grey(np.stack(frames), path)


def _number(name: str) -> list[tuple[int, str]]:
    """What sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _gif(path: Path) -> Clip:
    return np.stack(_frames(path))


def _frames(path: Path) -> list[np.ndarray[Any, Any]]:
    """The frames of an image file, each (H, W, 3)."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            deep = image.mode in ("I", "F") or image.mode.startswith("I;")  # RGB would cut them off
            frames = ImageSequence.Iterator(image)
            return [np.asarray(each if deep else each.convert("RGB")) for each in frames]
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        raise UsageError(f"{shown(path, 300)} cannot be read as an image.") from None


def _grey(array: np.ndarray[Any, Any], path: Path) -> Clip:
    if array.ndim == 4 and array.shape[3] in (1, 3, 4):
        array = array[..., 0] if array.shape[3] == 1 else array[..., :3] @ np.array(GREY)
    if array.ndim != 3 or not 0 < array.size <= MOST:
        raise UsageError(
            f"{shown(path, 300)} has the shape {array.shape}: use (frames, height, width), with "
            "1 or 3 channels behind or none."
        )
    clip: Clip = array.astype(np.float32)
    if not np.isfinite(clip).all():
        raise UsageError(f"{shown(path, 300)} holds numbers that are not finite.")
    return clip


def windows(clip: Clip, n: int, frames: int, side: int, rng: np.random.Generator) -> Clip:
    """n windows of `frames` frames of side x side, at random places of a clip, (n, T, S, S)."""
    room = [size - wanted for size, wanted in zip(clip.shape, (frames, side, side), strict=True)]
    starts = np.stack([rng.integers(each + 1, size=n) for each in room], axis=1)
    return np.stack([clip[t : t + frames, i : i + side, j : j + side] for t, i, j in starts])
