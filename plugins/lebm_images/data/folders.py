"""The user's own images: a folder of files, read batch by batch, or an .npz of arrays.

What is wrong with single images is said in a warning that names them; the others are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.files import open_text
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels
from lebm_images.data.readers import (
    FilePixels,
    Images,
    check_array,
    fitted,
    form,
    image_files,
    npz,
    open_image,
)

__all__ = ["BoxPixels", "cut_rows", "folder_dataset", "npz_dataset"]

SHOWN = 5  # images that a warning names one by one
Labels = tuple[Tensor, list[str]]  # (N,) class ids, -1 for unknown, and the names of the classes


class BoxPixels(FilePixels):
    """Image files of which a fixed box is used.

    Args:
        files, channels, side: as `FilePixels`.
        box: left, top, right, bottom.
    """

    def __init__(
        self, files: Sequence[Path], channels: int, side: int, box: tuple[int, int, int, int]
    ) -> None:
        super().__init__(files, channels, side)
        self.box = box

    def one(self, file: Path) -> Images:
        left, top, right, bottom = self.box
        image = open_image(file, self.channels)
        if image.shape[0] < bottom or image.shape[1] < right:
            raise UsageError(f"{file} is smaller than the box {self.box} that is cut out of it.")
        return fitted(image[top:bottom, left:right], self.side)


def folder_dataset(
    folder: Path,
    channels: int,
    side: int,
    valid: float,
    test: float,
    seed: int,
    *,
    labels: str = "",
    box: tuple[int, int, int, int] | None = None,
) -> ImageDataset:
    """The images below a folder; the folders right below it are the classes, where there are some.

    Every file is opened once. What cannot be read is left out.

    Args:
        folder: where the files are.
        channels: 1 or 3.
        side: of the images.
        valid: share, or number from 1 on, of images to choose by.
        test: share, or number from 1 on, of images to judge by.
        seed: of the splits.
        labels: a file of lines "NAME,CLASS", which names the classes instead; empty for none.
        box: see `BoxPixels`; None for the centre square.

    Raises:
        UsageError: where no file can be read, or too few for three splits.
    """
    if channels not in (1, 3):
        raise UsageError(f"data.channels must be 1 or 3, not {channels}.")

    def pixels_of(some: Sequence[Path]) -> FilePixels:
        if box is None:
            return FilePixels(some, channels, side)
        return BoxPixels(some, channels, side, box)

    files = image_files(folder)
    good = _readable(files, pixels_of(files))
    rows = cut_rows(len(good), valid, test, seed, str(folder))
    _describe(good, channels, side)
    known = _from_file(Path(labels), folder, good) if labels else _from_folders(folder, good)
    pixels: dict[str, Pixels] = {
        s: pixels_of([good[i] for i in r.tolist()]) for s, r in rows.items()
    }
    return _dataset(pixels, channels, side, rows, known, folder.name, len(files) - len(good))


def npz_dataset(path: Path, valid: float, test: float, seed: int) -> ImageDataset:
    """The images of an .npz file: "x" (N, H, H) or (N, H, H, C), and class ids "y" (N,) if any.

    Images with a pixel that is not a number are left out.

    Args:
        path: the file.
        valid, test, seed: as `folder_dataset`.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    found = npz(path)
    if "x" not in found:
        held = ", ".join(found) or "nothing"
        raise UsageError(f'{path} has no array "x": it holds {held}.')
    x, y = found["x"], found.get("y")
    if y is not None and (len(y) != len(x) or not np.issubdtype(y.dtype, np.integer)):
        raise UsageError(
            f'{path} has {len(x)} images but {len(y)} labels of type {y.dtype} in "y": accepted '
            "are as many integers as images, or no y."
        )
    n = len(x)
    if np.issubdtype(x.dtype, np.floating) and n:
        whole = np.isfinite(x).reshape(n, -1).all(1)
        _warn(
            [f"image {i}" for i in np.flatnonzero(~whole)],
            f"{path}: {{n}} of {n} images have a pixel that is not a number and are left out: ",
        )
        x, y = x[whole], y if y is None else y[whole]
    images = check_array(x, f'{path}, "x"')
    rows = cut_rows(len(images), valid, test, seed, str(path))
    known = None
    if y is not None:
        known = torch.from_numpy(y.astype(np.int64)), [str(c) for c in range(int(y.max()) + 1)]
    pixels: dict[str, Pixels] = {s: ArrayPixels(images[r]) for s, r in rows.items()}
    channels, side = images.shape[3], images.shape[1]
    return _dataset(pixels, channels, side, rows, known, path.name, n - len(images))


def cut_rows(
    n: int, valid: float, test: float, seed: int, where: str
) -> dict[str, np.ndarray[Any, Any]]:
    """Row numbers of the three splits; `valid` and `test` are shares, or numbers from 1 on.

    Raises:
        UsageError: where one of the splits would be empty.
    """
    a, b = (round(x if x >= 1 else x * n) for x in (test, valid))
    if valid <= 0 or test <= 0 or min(a, b) < 1 or a + b >= n:
        raise UsageError(
            f"{where}: {n} images do not make a train, a valid and a test split with "
            f"data.valid = {valid:g} and data.test = {test:g}."
        )
    order = np.random.default_rng(seed).permutation(n)
    return {"test": order[:a], "valid": order[a : a + b], "train": order[a + b :]}


def _dataset(
    pixels: dict[str, Pixels],
    channels: int,
    side: int,
    rows: dict[str, np.ndarray[Any, Any]],
    known: Labels | None,
    source: str,
    left_out: int,
) -> ImageDataset:
    summary = {
        "source": source, "counts": {s: len(r) for s, r in rows.items()}, "left out": left_out,
    }  # fmt: skip
    if known is None:
        return ImageDataset(pixels, channels, side, summary)
    y, classes = known
    labels = {s: y[torch.from_numpy(r)] for s, r in rows.items()}
    return ImageDataset(pixels, channels, side, summary, labels, classes)


def _readable(files: Sequence[Path], pixels: FilePixels) -> list[Path]:
    good, bad = [], []
    for file in files:
        try:
            pixels.one(file)
            good.append(file)
        except UsageError as error:
            bad.append(str(error).rstrip("."))
    _warn(bad, f"{{n}} of {len(files)} files are left out: ")
    return good


def _describe(files: Sequence[Path], channels: int, side: int) -> None:
    """Says what is done to images that differ from what the model sees."""
    forms = [form(file) for file in files]
    grey = [str(f) for f, (_, is_grey) in zip(files, forms, strict=True) if is_grey]
    if channels == 3 and len(grey) < len(files):
        _warn(grey, f"{{n}} of {len(files)} images are grey among colour ones, and made colour: ")
    sizes = {size for size, _ in forms}
    if len(sizes) > 1:
        warnings.warn(
            f"The images have {len(sizes)} different sizes: the centre square of each is scaled to "
            f"{side} x {side}.",
            stacklevel=4,
        )


def _from_folders(folder: Path, files: Sequence[Path]) -> Labels | None:
    if any(f.parent == folder for f in files):
        return None
    kinds = [f.relative_to(folder).parts[0] for f in files]
    names = sorted(set(kinds))
    return torch.tensor([names.index(kind) for kind in kinds]), names


def _from_file(path: Path, folder: Path, files: Sequence[Path]) -> Labels:
    kinds: dict[str, str] = {}
    for number, line in open_text(path):
        name, comma, kind = line.strip().rpartition("," if "," in line else "\t")
        if not line.strip():
            continue
        if not comma or not name.strip() or not kind.strip():
            raise UsageError(f'{path}, line {number}: "{line}" is not of the form NAME,CLASS.')
        kinds[name.strip()] = kind.strip()
    keys = [f.relative_to(folder).as_posix() for f in files]
    _warn(
        [key for key in keys if key not in kinds],
        f"{path} has no label for {{n}} of {len(files)} images, which are used without: ",
    )
    unknown = [name for name in kinds if not (folder / name).is_file()]
    _warn(unknown, f"{path} has {{n}} labels of images that {folder} does not hold: ")
    names = sorted({kinds[key] for key in keys if key in kinds})
    if not names:
        raise UsageError(
            f"{path} labels no image of {folder}: its names are paths below that folder."
        )
    ids = [names.index(kinds[key]) if key in kinds else -1 for key in keys]
    return torch.tensor(ids), names


def _warn(some: Sequence[str], text: str) -> None:
    """One warning that names the first few of `some`; {n} in the text is their number."""
    if some:
        more = f" and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
        warnings.warn(text.format(n=len(some)) + "; ".join(some[:SHOWN]) + more + ".", stacklevel=4)
