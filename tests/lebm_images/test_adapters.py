"""Arrays of images for a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lebm_core import LatentEBMClassifier
from lebm_images.data.adapters import ImageAdapter


def test_pixels_go_there_and_back() -> None:
    random = np.random.RandomState(0)
    for images in (
        random.randint(0, 256, (5, 8, 8)).astype(np.uint8),
        random.randint(0, 256, (5, 8, 8, 3)).astype(np.uint8),
        random.rand(5, 8, 8) * 16,
    ):
        adapter = ImageAdapter().fit(images)
        x = adapter.transform(images)
        assert x.shape == (5, images.shape[3] if images.ndim == 4 else 1, 8, 8)
        assert x.dtype == torch.float32 and x.min() >= -1 and x.max() <= 1 + 1e-6
        np.testing.assert_allclose(adapter.inverse_transform(x), images, atol=1e-4)
    assert adapter.sizes == {"channels": 1, "side": 8}


def test_images_are_classified_from_few_labels() -> None:
    images, y = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    few = np.where(np.arange(len(y)) < 100, y, -1)
    model = LatentEBMClassifier(
        "images.conv", decoder_options={"width": 0.5}, encoder_options={"width": 16},
        prior_hidden=(50, 50), max_iter=20, batch_size=100, refit_steps=20, random_state=0,
    ).fit(images[:1000], few[:1000])  # fmt: skip
    assert model.score(images[-400:], y[-400:]) > 0.75
    assert model.sample(3, y=1).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((3, 8)), r"square, C 1 or 3; X has the shape \(3, 8\)"),
        (np.zeros((3, 8, 9)), "square"),
        (np.zeros((3, 8, 8)), "Every pixel of X is 0"),
        (np.full((3, 8, 8), np.nan), "NaN"),
        (np.full((3, 8, 8), "a"), "as numbers"),
    ],
)
def test_what_is_no_image_says_so(x: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LatentEBMClassifier("images.conv", max_iter=1).fit(x, [0, 1, -1])
