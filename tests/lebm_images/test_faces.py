"""The faces that scikit-image carries."""

from __future__ import annotations

import pytest
import torch

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_images.data.derived.faces import faces

pytest.importorskip("skimage")


def test_every_face_is_in_one_split_and_no_other_picture_is_in_any() -> None:
    from skimage import data

    found = faces(files=DataFiles(), seed=3)
    parts = {s: found.batch(s, torch.arange(found.length(s))).x for s in ("train", "valid", "test")}
    assert {s: tuple(x.shape) for s, x in parts.items()} == {
        "train": (70, 1, 25, 25), "valid": (10, 1, 25, 25), "test": (20, 1, 25, 25),
    }  # fmt: skip
    ours = torch.cat(list(parts.values()))[:, 0].flatten(1)
    theirs = torch.from_numpy(data.lfw_subset()[:100]).float().flatten(1) * 2 - 1
    apart = torch.cdist(ours, theirs, p=float("inf"))
    assert float(apart.amin(1).max()) < 1 / 255 + 1e-6
    assert len(apart.argmin(1).unique()) == 100


def test_splits_that_leave_no_face_to_learn_from_are_refused() -> None:
    with pytest.raises(UsageError, match="leave some of the 100 faces"):
        faces(files=DataFiles(), seed=0, valid=50, test=50)
