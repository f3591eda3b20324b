"""Arrays of images for a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lebm_core import LatentEBMClassifier
from lebm_core.errors import UsageError
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


def test_the_same_pixels_of_any_type_are_the_same_to_the_model() -> None:
    levels = load_digits().images[:200]
    x = ImageAdapter().fit(levels).transform(levels)
    for same in (levels.astype(np.uint8), levels.astype(np.int64), levels.astype(np.float32)):
        assert torch.equal(ImageAdapter().fit(same).transform(same), x)
    for scaled in ((levels * 15.9375).round().astype(np.uint8), levels / 16, levels / 8 - 1):
        adapter = ImageAdapter().fit(scaled)
        assert (adapter.transform(scaled) - x).abs().max() < 1 / 128
        back = adapter.inverse_transform(adapter.transform(scaled))
        np.testing.assert_allclose(back, scaled, atol=1e-4)


@pytest.mark.parametrize(
    ("fitted", "given", "said"),
    [
        (255, lambda x: x / 255, "fractions from 0 to 1; the model is of pixels from 0 to 255"),
        (1, lambda x: x * 255, "pixels from 0 to 255; the model is of pixels from 0 to 1"),
        (1, lambda x: x * 2 - 1, "pixels from -1 to 1"),
        (16, lambda x: x * 16, "pixels from 0 to 256; the model is of pixels from 0 to 16"),
        (16, lambda x: x / 16, "fractions from 0 to 1"),
    ],
)
def test_other_units_than_those_fitted_are_refused(fitted: float, given: Any, said: str) -> None:
    x = np.linspace(0, fitted, 640).reshape(10, 8, 8)
    adapter = ImageAdapter().fit(x)
    adapter.transform(x[:1])  # dark images alone are no other units
    with pytest.raises(ValueError, match=said):
        adapter.transform(given(x))


def test_a_range_of_ones_own_may_be_passed_by_as_much_again() -> None:
    x = np.random.default_rng(0).standard_normal((50, 8, 8))
    adapter = ImageAdapter().fit(x)
    assert adapter.transform(x * 1.2).abs().max() > 1
    with pytest.raises(ValueError, match="X has pixels"):
        adapter.transform(x * 4)
    strict = ImageAdapter(low=-5, high=5).fit(x)
    assert (strict.transform(x) - torch.from_numpy(x[:, None] / 5).float()).abs().max() < 1e-6
    with pytest.raises(UsageError, match="low = 3 and high = 2 are no range of pixels"):
        ImageAdapter(low=3, high=2)


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
        (np.zeros((0, 8, 8)), "0|no image|at least"),
    ],
)
def test_what_is_no_image_says_so(x: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LatentEBMClassifier("images.conv", max_iter=1).fit(x, [0, 1, -1])
