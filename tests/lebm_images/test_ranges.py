"""Which pixel is black and which is white: one rule for arrays, files and the hub."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ImageDataset, to_uint8
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.own import folder
from lebm_images.data.ranges import Extent, Range, asked_range, found_range, range_of

LEVELS = load_digits().images[:40]  # whole numbers from 0 to 16


def read(path: Path, options: OwnImageOptions | None = None) -> ImageDataset:
    return folder(files=DataFiles(), seed=0, source=str(path), options=options or OwnImageOptions())


def every(data: ImageDataset) -> np.ndarray:
    rows = {split: torch.arange(data.length(split)) for split in ("train", "valid", "test")}
    return to_uint8(torch.cat([data.batch(split, index).x for split, index in rows.items()]))


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 255, Range(0, 255)),
        (3, 200, Range(0, 255)),
        (0, 1, Range(0, 1)),
        (0.02, 0.97, Range(0, 1)),
        (-1, 1, Range(-1, 1)),
        (-0.8, 0.3, Range(-1, 1)),
        (0, 16, Range(0, 16, own=True)),
        (0, 0.004, Range(0, 0.004, own=True)),
        (0, 256, None),
        (0, 65535, None),
        (-2.1, 2.6, None),
        (-0.4, 2.8, None),
    ],
)
def test_the_range_is_told_from_the_pixels(low: float, high: float, found: Range | None) -> None:
    assert range_of(Extent(low, high)) == found


def test_options_settle_the_range_and_are_checked() -> None:
    assert asked_range(None, None) is None
    assert asked_range(None, 4095) == Range(0, 4095)
    assert asked_range(-1, 1) == Range(-1, 1)
    for low, high in ((1, None), (2, 2), (0, float("nan")), (0, float("inf")), (float("nan"), 1)):
        with pytest.raises(UsageError, match=r"data\.low = .* are no range of pixels"):
            OwnImageOptions(low=low, high=high)
    assert found_range(Extent(0, 16), Range(0, 255), "x") == Range(0, 255)
    with pytest.raises(UsageError, match="x has pixels from 0 to 300, where .* is 0 to 255"):
        found_range(Extent(0, 300), Range(0, 255), "x")
    with pytest.raises(UsageError, match="x has fractions from 0 to 0.9, where"):
        found_range(Extent(0, 0.9), Range(0, 255), "x")


def test_levels_are_the_same_images_in_arrays_of_any_type_and_in_files(tmp_path: Path) -> None:
    wanted = np.round(LEVELS * (255 / 16)).astype(np.uint8)
    path, found = tmp_path / "mine.npz", []
    for x in (LEVELS, LEVELS.astype(np.uint8), LEVELS.astype(np.int64)):
        np.savez(path, x=x)
        with pytest.warns(UserWarning, match="run from 0 to 16, which are taken for black and"):
            found.append(every(read(path)))
    for x in (wanted, LEVELS / 16, LEVELS / 8 - 1):
        np.savez(path, x=x)
        found.append(every(read(path)))
    files = tmp_path / "files"
    files.mkdir()
    for i, image in enumerate(LEVELS):
        Image.fromarray(image.astype(np.uint8)).save(files / f"{i:02}.png")
    with pytest.warns(UserWarning, match="files: the pixels run from 0 to 16"):
        data = read(files, OwnImageOptions(channels=1, side=8))
    assert data.summary["pixels"] == "0 to 16"
    found.append(every(data))
    order = np.random.default_rng(0).permutation(40)
    splits = np.concatenate([order[8:], order[4:8], order[:4]])
    for x in found:
        assert np.array_equal(x[..., 0], wanted[splits])
    dark = read(files, OwnImageOptions(channels=1, side=8, high=255))
    assert every(dark).max() == 16


def test_sixteen_bits_are_read_where_white_is_given(tmp_path: Path) -> None:
    for i, image in enumerate(LEVELS):
        Image.fromarray((image * 255).astype(np.uint16)).save(tmp_path / f"{i:02}.png")
    with pytest.raises(UsageError, match=r"None of the 40 images .* set data\.high"):
        read(tmp_path)
    Image.fromarray(LEVELS[0].astype(np.uint8)).save(tmp_path / "eight.png")
    Image.fromarray(np.full((8, 8), 5000, np.uint16)).save(tmp_path / "beyond.png")
    with pytest.warns(UserWarning) as said:
        data = read(tmp_path, OwnImageOptions(channels=1, side=8, high=4080))
    (message,) = [str(w.message) for w in said]
    assert message.startswith("2 of 42 files are left out: ")
    assert "eight.png has 8 bits a channel, where data.high is 4080" in message
    assert "beyond.png has pixels from 5000 to 5000, where data.low to data.high is 0 to 4080" in (
        message
    )
    assert np.array_equal(np.sort(every(data).ravel()), np.sort(np.round(LEVELS.ravel() * 15.9375)))
