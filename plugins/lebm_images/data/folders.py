"""Folders of image files, read batch by batch.

What is left out is named in a warning and counted in the summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lebm_core.errors import UsageError
from lebm_images.data.cuts import (
    Rows,
    classes_of_folders,
    classes_of_lines,
    cut_rows,
    fill_splits,
    split_dataset,
)
from lebm_images.data.dataset import ImageDataset, Pixels
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.ranges import Box, Extent, Origin, Range, asked_range, found_range
from lebm_images.data.readers import FilePixels, Form, Found, image_files, look, warn_about

__all__ = ["folder_dataset"]

SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}  # fmt: skip - names of folders
Place = tuple[str, ...]  # the folders between the top and an image


def folder_dataset(
    folder: Path,
    options: OwnImageOptions,
    seed: int,
    *,
    labels: str = "",
    box: Box | None = None,
) -> ImageDataset:
    """Make a data set of the images below a folder; its direct subfolders, if any, are the classes.

    Where they are called train, valid and test, they are the splits, and theirs the classes; a
    split that is not among them is cut from the training images. A single folder is no class: what
    is in it counts. Every file is opened once; those that cannot be read are left out.

    Args:
        folder: where the files are.
        options: channels, side, range and splits; shares from 1 on are numbers of images.
        seed: of the splits.
        labels: a file of lines "NAME,CLASS", which names the classes instead; empty for none.
        box: see `FilePixels`; None for the centre square.

    Raises:
        UsageError: where no file can be read, too few for three splits, or none of a range that
            is clear.
    """
    found = image_files(folder)
    others = [f for f in found.others if not labels or f.resolve() != Path(labels).resolve()]
    warn_about(_names(found.hidden), "{n} images are hidden and left out: ")
    warn_about(_names(others), "{n} files are of kinds that are not read, and left out: ")
    places, homes = _homes(found, folder)
    asked = asked_range(options.low, options.high)
    files, forms, pixels = _readable(list(homes), options, asked, box, folder)
    sizes = {form.size for form in forms}
    asked_side = options.side
    options = options.chosen(sizes, grey=not any(form.tinted for form in forms))
    _warn_of_forms(files, forms, options, asked_side)
    rows = _rows(files, homes, options, seed, folder)
    known = (
        classes_of_lines(Path(labels), folder, files, found.images)
        if labels
        else classes_of_folders(files, [places[file] for file in files], folder)
    )
    held: dict[str, Pixels] = {
        s: FilePixels([files[i] for i in r], options.channels, options.side, box, pixels)
        for s, r in rows.items()
    }
    summary = {
        "source": folder.name,
        "pixels": str(pixels),
        "images": options.described(sizes),
        "left out": len(found.images) - len(files),
        "hidden": len(found.hidden),
        "of other kinds": len(others),
    }
    origin = Origin(pixels, box)
    return split_dataset(held, (options.channels, options.side), rows, known, summary, origin)


def _homes(found: Found, folder: Path) -> tuple[dict[Path, Place], dict[Path, str]]:
    """The folders that may name the class of each image, and its split, "" where none is given."""
    places = {file: file.relative_to(folder).parts[:-1] for file in found.images}
    places = _without_common(places)
    tops = {place[0] if place else "" for place in places.values()}
    split_of = {top: SPLITS[top.lower()] for top in tops if top.lower() in SPLITS}
    given = set(split_of.values())
    if len(given) < 2:
        return places, dict.fromkeys(found.images, "")
    if "train" not in given:
        raise UsageError(f"{folder} has the folders {', '.join(sorted(split_of))}, but no train.")
    homes = {
        file: split_of[place[0]] for file, place in places.items() if place and place[0] in split_of
    }
    warn_about(
        _names([file for file in found.images if file not in homes]),
        f"{{n}} images stand beside the folders {', '.join(sorted(split_of))} of {folder}, "
        "and are left out: ",
    )
    return _without_common({file: places[file][1:] for file in homes}), homes


def _without_common(places: dict[Path, Place]) -> dict[Path, Place]:
    """Places without the folders that all images share."""
    while all(places.values()) and len({place[0] for place in places.values()}) == 1:
        places = {file: place[1:] for file, place in places.items()}
    return places


def _rows(
    files: Sequence[Path], homes: dict[Path, str], options: OwnImageOptions, seed: int, folder: Path
) -> Rows:
    """The rows of the three splits: those given by folders, else drawn."""
    given = np.array([homes[file] for file in files])
    valid, test = options.valid, options.test
    if "train" not in given:
        return cut_rows(len(files), valid, test, seed, str(folder))
    rows = {split: np.flatnonzero(given == split) for split in dict.fromkeys(given.tolist())}
    return fill_splits(rows, valid, test, seed, str(folder))


def _readable(
    files: Sequence[Path],
    options: OwnImageOptions,
    asked: Range | None,
    box: Box | None,
    folder: Path,
) -> tuple[list[Path], list[Form], Range]:
    """The files that can be read, what they are, and the range of their pixels."""
    good, bad, forms, extents = list[Path](), list[str](), list[Form](), list[Extent]()
    for file in files:
        try:
            form, extent = look(file, options.channels or 3, asked, box)
        except UsageError as error:
            bad.append(str(error).rstrip("."))
            continue
        good.append(file)
        forms.append(form)
        extents.append(extent)
    if not good:
        raise UsageError(f"None of the {len(files)} images of {folder} can be used: {bad[0]}.")
    warn_about(bad, f"{{n}} of {len(files)} files are left out: ")
    whole = Extent(min(e.low for e in extents), max(e.high for e in extents))
    return good, forms, found_range(whole, asked, str(folder))


def _warn_of_forms(
    files: Sequence[Path], forms: Sequence[Form], options: OwnImageOptions, asked_side: int
) -> None:
    """Warn of grey images among colour ones, of different sizes, and of several frames."""
    every = list(zip(files, forms, strict=True))
    grey = [file for file, form in every if form.grey]
    if options.channels == 3 and len(grey) < len(files):
        warn_about(
            _names(grey),
            f"{{n}} of {len(files)} images are grey among colour ones, and made colour: ",
        )
    warn_about(
        _names([file for file, form in every if form.several]),
        "{n} files hold several images, of which the first is used: ",
    )
    sizes = sorted({form.size for form in forms})
    scaled = f"the centre square of each is scaled to {options.side} x {options.side}"
    if len(sizes) > 1:
        warn_about(
            [f"{width} x {height}" for width, height in sizes],
            f"The images have {{n}} different sizes: {scaled}: ",
        )
    elif sizes[0] != (options.side, options.side) and not asked_side:
        width, height = sizes[0]
        warn_about(
            ["data.side sets another"], f"The images have {width} x {height} pixels: {scaled}; "
        )


def _names(files: Sequence[Path]) -> list[str]:
    return [str(file) for file in files]
