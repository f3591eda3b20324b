"""The user's own images as an .npz of arrays, in memory or on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.base.files import workplace
from lebm_core.data.arrays import extract_array, need_array, read_npz
from lebm_core.data.classes import classes_of, one_column
from lebm_core.data.dataset import SPLITS
from lebm_core.data.disk.prepared import prepared
from lebm_core.data.disk.tensors import DiskTensor, TensorWriter, chunks_of
from lebm_images.data.cuts import cut_rows, split_dataset
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels
from lebm_images.data.formats import check_shape
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.ranges import Extent, Origin, asked_range, extent_of, found_range
from lebm_images.data.readers import Images, fitted_array, warn_about

__all__ = ["npz_dataset", "npz_on_disk"]

HELD = 2**24  # bytes of the source that a pass over all images holds at once
Numbers = NDArray[Any]


class DiskPixels:
    """Images on disk, read batch by batch.

    Args:
        images: uint8 (N, H, W, C).
    """

    def __init__(self, images: DiskTensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Sequence[int]) -> Images:
        """Return the images with these row numbers."""
        return self.images.array(np.asarray(rows, dtype=np.int64))


class _Source:
    """The array "x" of the file, in memory or on disk, with an axis of channels."""

    def __init__(self, x: Numbers | DiskTensor, where: str) -> None:
        self.x, self.flat = x, len(x.shape) == 3
        # Shape and type are checked without the numbers.
        self.shape = check_shape(np.broadcast_to(np.zeros((), x.dtype), x.shape), where).shape
        self.size = max(1, HELD // (int(np.prod(self.shape[1:])) * x.dtype.itemsize))

    def parts(self, rows: NDArray[np.int64]) -> Iterator[Numbers]:
        """The images with these row numbers, so many at a time."""
        for part in chunks_of(len(rows), self.size):
            chosen = rows[part]
            x = self.x.array(chosen) if isinstance(self.x, DiskTensor) else self.x[chosen]
            yield x[..., None] if self.flat else x


def npz_dataset(
    path: Path, options: OwnImageOptions, seed: int, folder: Path | None = None
) -> ImageDataset:
    """Read the images of an .npz: "x" (N, H, H) or (N, H, H, C), and labels "y" (N,) if any.

    Images with a pixel that is not a number are left out.

    Args:
        path: the file.
        options: channels, side, range and splits.
        seed: of the splits.
        folder: for the images; None for memory.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    if folder is None:
        return _read(path, options, seed, read_npz(path), None)
    with workplace(folder) as place:
        extract_array(path, "x", place / "x.npy")
        arrays: dict[str, Any] = read_npz(path, without=("x",))
        return _read(path, options, seed, {"x": DiskTensor(place / "x.npy"), **arrays}, folder)


def npz_on_disk(path: Path, options: OwnImageOptions, seed: int) -> ImageDataset:
    """Read the images of an .npz as `npz_dataset` does, and keep them on disk; see `prepared`."""

    def make(folder: Path) -> None:
        data = npz_dataset(path, options, seed, folder)
        data.save(folder)
        for split, y in data.labels.items():
            np.save(folder / f"{split}.y.npy", y.numpy())

    asked = {"options": dataclasses.asdict(options), "seed": seed, "path": str(path)}
    folder = prepared("images.folder", asked, [path], make)
    data = ImageDataset.load(folder)
    data.pixels = {s: DiskPixels(DiskTensor(folder / f"{s}.x.npy")) for s in SPLITS}
    if data.classes:
        data.labels = {s: torch.from_numpy(np.load(folder / f"{s}.y.npy")) for s in SPLITS}
    return data


def _read(
    path: Path, options: OwnImageOptions, seed: int, arrays: dict[str, Any], folder: Path | None
) -> ImageDataset:
    where = f'{path}, "x"'
    source = _Source(need_array(arrays, "x", path), where)
    n = source.shape[0]
    y = one_column(arrays["y"], n, f'{path}, "y",') if "y" in arrays else None
    every = np.arange(n)
    finite = [np.isfinite(x).reshape(len(x), -1).all(1) for x in source.parts(every)]
    kept = np.flatnonzero(np.concatenate([np.zeros(0, dtype=bool), *finite]))
    if len(kept) < n:
        warn_about(
            [f"image {i}" for i in np.setdiff1d(every, kept)],
            f"{path}: {{n}} of {n} images have a pixel that is not a number and are left out: ",
        )
        y = None if y is None else [y[i] for i in kept]
    rows = cut_rows(len(kept), options.valid, options.test, seed, str(path))
    extents = [extent_of(x) for x in source.parts(kept)]
    extent = Extent(min(e.low for e in extents), max(e.high for e in extents))
    pixels = found_range(extent, asked_range(options.low, options.high), where)
    size = source.shape[2], source.shape[1]
    grey = all(bool((x == x[..., :1]).all()) for x in source.parts(kept))
    chosen = options.chosen([size], grey=grey)
    if size[0] != chosen.side and not options.side:
        warn_about(
            ["data.side sets another"],
            f"{where}: the images of {size[0]} x {size[1]} are scaled to {chosen.side} x "
            f"{chosen.side}; ",
        )
    shape = chosen.side, chosen.side, chosen.channels

    def images(split: str) -> Iterator[Images]:
        for x in source.parts(kept[rows[split]]):
            yield fitted_array(pixels.bytes_of(x), chosen.channels, chosen.side)

    held: dict[str, Pixels] = {s: _held(images(s), folder, s, shape) for s in rows}
    known = None if y is None else classes_of(y, f'{path}, "y",')
    summary = {
        "source": path.name,
        "pixels": str(pixels),
        "images": chosen.described([size]),
        "left out": n - len(kept),
    }
    origin = Origin(pixels, flat=source.flat and chosen.channels == 1)
    return split_dataset(held, (chosen.channels, chosen.side), rows, known, summary, origin)


def _held(
    parts: Iterator[Images], folder: Path | None, split: str, shape: tuple[int, int, int]
) -> Pixels:
    """The images of a split, in memory or in a file of `folder`."""
    if folder is None:
        return ArrayPixels(np.concatenate(list(parts)))
    file = folder / f"{split}.x.npy"
    with TensorWriter(file, np.uint8, shape) as out:
        for images in parts:
            out.add(images)
    return DiskPixels(DiskTensor(file))
