"""Matrices for a classifier: missing values, likelihoods, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from lebm_core import LatentEBMClassifier
from lebm_tabular.data.adapters import TabularAdapter

MISSING: dict[str, Any] = {"adapter_options": {"missing": True}}


def blobs() -> tuple[Any, Any, Any]:
    x, y = make_blobs(300, centers=3, n_features=6, random_state=0, cluster_std=1.5)
    x[np.random.RandomState(0).rand(*x.shape) < 0.2] = np.nan
    return x, y, np.where(np.arange(300) < 30, y, -1)


def test_missing_values_are_scaled_by_the_others_and_stay_missing() -> None:
    x, _, _ = blobs()
    x[:, 5] = np.nan
    adapter = TabularAdapter(missing=True).fit(x)
    there = adapter.transform(x).numpy()
    np.testing.assert_array_equal(np.isnan(there), np.isnan(x))
    np.testing.assert_allclose(np.nanmean(there[:, :5], axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.nanstd(there[:, :5], axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(adapter.inverse_transform(adapter.transform(x)), x, atol=1e-4)
    assert adapter.sizes == {"features": 6, "missing": True}


def test_examples_with_holes_are_classified() -> None:
    x, y, few = blobs()
    model = LatentEBMClassifier(
        prior_hidden=(32,), max_iter=40, random_state=0, refit_steps=10, **MISSING
    )
    model.fit(x, few)
    assert all(np.isfinite(list(means.values())).all() for means in model.history_)
    assert model.score(x, y) > 0.85
    assert np.isfinite(model.sample(20, random_state=0)).all()
    assert np.isfinite(model.predict_proba(np.full((1, 6), np.nan))).all()


def test_a_hole_is_refused_with_the_option_that_takes_it() -> None:
    x, y, few = blobs()
    with pytest.raises(ValueError, match='Input X contains NaN: with adapter_options={"missing"'):
        LatentEBMClassifier(max_iter=1).fit(x, few)
    model = LatentEBMClassifier(max_iter=1).fit(np.nan_to_num(x), few)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(x)
    with pytest.raises(ValueError, match="infinity"):
        LatentEBMClassifier(max_iter=1, **MISSING).fit(np.where(np.isnan(x), np.inf, x), few)
    assert not LatentEBMClassifier().__sklearn_tags__().input_tags.allow_nan
    assert LatentEBMClassifier(**MISSING).__sklearn_tags__().input_tags.allow_nan


def test_heavy_tails_by_a_students_likelihood() -> None:
    x, y, few = blobs()
    x = np.nan_to_num(x)
    x[::30] *= 100
    options = {"likelihood": "student", "degrees": 2.0, "learn_sigma": True}
    model = LatentEBMClassifier(max_iter=2, random_state=0, decoder_options=options).fit(x, few)
    assert model.model_.decoder.kind == "student"
    assert np.isfinite(model.history_[-1]["reconstruction"])


def test_bits_are_left_as_they_are() -> None:
    x = (blobs()[0] > 0).astype(float)
    _, y, few = blobs()
    model = LatentEBMClassifier(
        prior_hidden=(32,), max_iter=5, refit_steps=10, random_state=0,
        decoder_options={"likelihood": "bernoulli"},
    ).fit(x, few)  # fmt: skip
    np.testing.assert_array_equal(model.adapter_.transform(x).numpy(), x)
    assert set(np.unique(model.sample(50, random_state=0))) <= {0.0, 1.0}
    with pytest.raises(ValueError, match=r"values from 0 to 1: X\[2, 3\] is -4\.") as caught:
        wrong = x.copy()
        wrong[2, 3] = -4.0
        model.predict(wrong)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="values from 0 to 1"):
        LatentEBMClassifier(decoder_options={"likelihood": "bernoulli"}).fit(x * 3, few)


def test_no_scaling_at_all() -> None:
    x = np.array([[1.0, 50.0], [3.0, 70.0]])
    np.testing.assert_array_equal(TabularAdapter(scaling="none").fit(x).transform(x).numpy(), x)
