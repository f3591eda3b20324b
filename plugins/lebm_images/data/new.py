"""Images that a trained model has not seen: of a folder, files, an .npz, or in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.table import Table
from lebm_core.data.arrays import need_array, read_npz
from lebm_core.data.classes import label_names, one_column
from lebm_core.errors import UsageError, shown
from lebm_images.data.formats import check_shape
from lebm_images.data.ranges import Origin, Range, extent_of, range_of
from lebm_images.data.readers import (
    BYTES,
    FilePixels,
    Images,
    as_pixels,
    fitted,
    fitted_array,
    image_files,
    look,
    warn_about,
)

__all__ = ["New", "new_images"]

ARRAYS = (".npz", ".npy")


class New(NamedTuple):
    """Images, read batch by batch or in memory, their class ids or None, and what names them."""

    pixels: FilePixels | Images
    y: NDArray[np.int64] | None
    records: Table


class Wanted(NamedTuple):
    """What images are made to be."""

    channels: int
    side: int
    origin: Origin
    classes: Sequence[str]


def new_images(
    source: Any, channels: int, side: int, origin: Origin, classes: Sequence[str]
) -> New:
    """Read images and scale them as those of the training.

    Args:
        source: a folder, an image file, an .npz of x (and y), a list of image files, an array
            (n, H, W) or (n, H, W, C) of numbers, or a list of Pillow's images.
        channels: of the model.
        side: of the model.
        origin: what the images of the training were.
        classes: names of the classes; the first folder below the source that is one of them is
            the class of an image.

    Raises:
        UsageError: naming what cannot be read, is of another range of pixels, or empty.
    """
    wanted = Wanted(channels, side, origin, classes)
    if isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        if path.suffix.lower() in ARRAYS:
            return _of_npz(path, wanted)
        if path.is_file():
            return _of_files([path], [path.name], wanted)
        return _of_folder(path, wanted)
    if hasattr(source, "convert"):  # one of Pillow's
        return _of_pillow([source], wanted)
    if isinstance(source, Sequence) and len(source):
        if all(isinstance(each, (str, Path)) for each in source):
            files = [Path(each).expanduser() for each in source]
            return _of_files(files, [str(each) for each in source], wanted)
        if all(hasattr(each, "convert") for each in source):
            return _of_pillow(source, wanted)
    return _of_array(source, "The array", None, wanted)


def _of_folder(folder: Path, wanted: Wanted) -> New:
    """The images of a folder; those that cannot be read are left out and named, as in training."""
    found = image_files(folder)
    warn_about([str(f) for f in found.hidden], "{n} images are hidden and left out: ")
    names = [file.relative_to(folder).as_posix() for file in found.images]
    good, bad = [], list[str]()
    for i, file in enumerate(found.images):
        try:
            _check(file, wanted)
            good.append(i)
        except UsageError as error:
            bad.append(str(error).rstrip("."))
    if not good:
        raise UsageError(f"None of the {len(names)} images of {folder} can be used: {bad[0]}.")
    warn_about(bad, f"{{n}} of {len(names)} files are left out: ")
    return _held([found.images[i] for i in good], [names[i] for i in good], wanted)


def _of_files(files: Sequence[Path], names: Sequence[str], wanted: Wanted) -> New:
    for file in files:
        _check(file, wanted)
    return _held(files, names, wanted)


def _check(file: Path, wanted: Wanted) -> None:
    if not file.is_file():
        raise UsageError(f"There is no file {shown(file, 300)}.")
    pixels = wanted.origin.range
    look(file, wanted.channels, None if pixels == BYTES else pixels, wanted.origin.box)


def _held(files: Sequence[Path], names: Sequence[str], wanted: Wanted) -> New:
    pixels = FilePixels(files, wanted.channels, wanted.side, wanted.origin.box, wanted.origin.range)
    kinds = [_class_of(Path(name).parts[:-1], wanted.classes) for name in names]
    return New(pixels, *_known({"file": list(names)}, kinds, wanted))


def _class_of(folders: Sequence[str], classes: Sequence[str]) -> str:
    """The first folder that is a class of the training; "" where none is."""
    return next((name for each in folders for name in label_names([each]) if name in classes), "")


def _known(
    names: dict[str, Sequence[Any]], kinds: Sequence[str], wanted: Wanted
) -> tuple[NDArray[np.int64] | None, Table]:
    """The class ids, None without any, and the table with their names."""
    if not any(kinds):
        return None, Table(names)
    number = {name: i for i, name in enumerate(wanted.classes)}
    y = np.array([number.get(kind, -1) for kind in kinds], dtype=np.int64)
    return y if (y >= 0).any() else None, Table({**names, "class": list(kinds)})


def _of_npz(path: Path, wanted: Wanted) -> New:
    arrays = read_npz(path)
    x = need_array(arrays, "x", path)
    kinds = None
    if "y" in arrays:
        kinds = label_names(one_column(arrays["y"], len(x), f'{path}, "y",'))
    return _of_array(x, f'{path}, "x",', kinds, wanted)


def _of_array(source: Any, where: str, kinds: Sequence[str] | None, wanted: Wanted) -> New:
    try:
        x = np.asarray(source)
    except (ValueError, TypeError):
        raise UsageError(f"{where} has images of different sizes, or no images.") from None
    x = check_shape(x, where, oblong=True)
    if not len(x):
        raise UsageError(f"{where} holds no image.")
    bad = ~np.isfinite(x).reshape(len(x), -1).all(1)
    if bad.any():
        raise UsageError(f"{where}: image {int(bad.argmax())} has a pixel that is not a number.")
    pixels = wanted.origin.range
    _check_range(x, pixels, where)
    if x.shape[1:3] != (wanted.side, wanted.side):
        warn_about(
            [f"{x.shape[1]} x {x.shape[2]}"],
            f"{where}: the centre square of each is scaled to {wanted.side} x {wanted.side}: ",
        )
    images = fitted_array(pixels.bytes_of(x), wanted.channels, wanted.side)
    return New(images, *_known({"image": list(range(len(x)))}, kinds or [], wanted))


def _of_pillow(images: Sequence[Any], wanted: Wanted) -> New:
    read = []
    for i, image in enumerate(images):
        numbers = as_pixels(image, wanted.channels, f"Image {i}")
        _check_range(numbers, wanted.origin.range, f"Image {i}")
        read.append(fitted(wanted.origin.range.bytes_of(numbers), wanted.side))
    return New(np.stack(read), None, Table({"image": list(range(len(read)))}))


def _check_range(images: np.ndarray[Any, np.dtype[Any]], pixels: Range, where: str) -> None:
    """Refuse pixels of another range, and warn of those that are nearly black in this one."""
    reason = pixels.misfit(images)
    if reason:
        raise UsageError(
            f"{where} has {reason}; the model is of pixels from {pixels}: scale them alike."
        )
    extent = extent_of(images)
    narrow = extent.high - extent.low < (pixels.high - pixels.low) / 2
    if narrow and not pixels.own and range_of(extent) != pixels:
        warn_about(
            [f"pixels {extent}"], f"{where} is dark beside the pixels of the model, {pixels}: "
        )
