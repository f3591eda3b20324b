"""Outliers, densities and missing values: the contracts, and truths in closed form."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from lebm_core.base.table import Table
from lebm_core.errors import UnsupportedEstimate
from lebm_core.estimators.base import ModelEstimator
from lebm_core.estimators.unsupervised.density import LatentEBMDensity
from lebm_core.estimators.unsupervised.detector import LatentEBMDetector
from lebm_core.estimators.unsupervised.imputer import LatentEBMImputer
from lebm_core.run.trained import Run

pd = pytest.importorskip("pandas")
Array = NDArray[Any]
TINY: dict[str, Any] = {
    "max_iter": 3, "prior_hidden": (16,), "refit_steps": 1, "draws": 10, "random_state": 0,
}  # fmt: skip
CODES: dict[str, Any] = {
    "decoder_options": {"hidden": [16]}, "encoder_options": {"hidden": [16]}, "latent_dim": 3,
}  # fmt: skip
RNG = np.random.RandomState(0)
COVARIANCE = np.array([[4.0, 1.2], [1.2, 1.0]])
GAUSSIAN = RNG.multivariate_normal([10, -3], COVARIANCE, 800)


@pytest.mark.parametrize(
    "estimator",
    [
        LatentEBMDetector(**TINY),
        pytest.param(LatentEBMImputer(**TINY, **CODES), marks=pytest.mark.slow),
        pytest.param(LatentEBMDensity(**TINY), marks=pytest.mark.slow),
        pytest.param(LatentEBMDensity(**TINY, **CODES), marks=pytest.mark.slow),
    ],
    ids=lambda e: type(e).__name__,
)
def test_scikit_learns_own_checks(estimator: ModelEstimator) -> None:
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed and len(results) > 40


@pytest.fixture(scope="module")
def density() -> LatentEBMDensity:
    return LatentEBMDensity(max_iter=60, random_state=0).fit(GAUSSIAN)


def test_log_p_of_a_gaussian_is_its_own(density: LatentEBMDensity) -> None:
    """In the units of X, which are not those of x: the Jacobian is log 1/sqrt|covariance|."""
    x = np.random.RandomState(1).multivariate_normal([10, -3], COVARIANCE, 2000)
    truth = multivariate_normal([10, -3], COVARIANCE).logpdf(x)
    found = density.score_samples(x)
    assert density.family_ == "ebm" and found.shape == (2000,)
    # A fit of k = 5 numbers to 800 rows loses k / 2n = 0.003 nats; the tilt as much again and
    # more, by the examples that it has learned by heart.
    assert abs(found.mean() - truth.mean()) < 0.03
    assert np.abs(found - truth).mean() < 0.15
    assert density.score(x) == pytest.approx(found.mean())


def test_a_density_integrates_to_one() -> None:
    x = np.concatenate([RNG.normal(-2, 0.3, (400, 1)), RNG.normal(2, 0.3, (400, 1))])
    model = LatentEBMDensity(max_iter=100, random_state=0).fit(x)
    grid = np.linspace(-12, 12, 4001)[:, None]
    p = np.exp(model.score_samples(grid))
    # log Z is of 100,000 draws of weights between e-10 and e10: its error is stated.
    error = 4 * float(model.log_z_.standard_error) + 0.002
    assert abs(np.log(p.sum() * 24 / 4000)) < error < 0.1
    drawn = model.sample(2000, random_state=0)
    within = (np.abs(np.abs(drawn) - 2) < 1).mean()
    assert within > 0.9 and 0.4 < (drawn > 0).mean() < 0.6


def test_latent_density_agrees_with_the_gaussian() -> None:
    model = LatentEBMDensity("latent-ebm", max_iter=60, random_state=0).fit(GAUSSIAN)
    truth = multivariate_normal([10, -3], COVARIANCE).logpdf(GAUSSIAN[:500]).mean()
    assert model.family_ == "latent-ebm" and abs(model.score(GAUSSIAN[:500]) - truth) < 0.25


def test_a_likelihood_without_support_is_refused() -> None:
    """A wild f in 12 dimensions: no draw of p0 stands for its mass; a ranking needs no log Z."""
    x = RNG.randn(50, 12)
    wild = LatentEBMDensity(**TINY).fit(x)
    for layer in wild.model_.prior.energies[0].layers:
        layer.weight.data *= 20
    wild.model_.prior.bound = 200.0
    with pytest.raises(UnsupportedEstimate, match="No likelihood is given"):
        wild.score_samples(x)
    assert np.isfinite(wild._tilted(x)).all()


def test_both_contracts_of_outliers() -> None:
    strange = RNG.uniform(-8, 8, (60, 2)) * [4, 4] + [10, -3]
    model = LatentEBMDetector(0.05, max_iter=20, random_state=0).fit(GAUSSIAN)
    x = np.concatenate([GAUSSIAN[:500], strange])
    scores = model.score_samples(x)
    assert roc_auc_score(np.arange(560) < 500, scores) > 0.9
    np.testing.assert_array_equal(model.decision_function(x), scores - model.offset_)
    assert set(model.predict(x)) == {-1, 1}
    np.testing.assert_array_equal(model.predict(x) == -1, scores < model.offset_)
    # pyod's, of the training: high is abnormal, 1 is an outlier.
    assert model.labels_.sum() == 40 and model.threshold_ == -model.offset_
    np.testing.assert_allclose(model.decision_scores_, -model.score_samples(GAUSSIAN), rtol=1e-6)
    np.testing.assert_array_equal(model.labels_, model.decision_scores_ > model.threshold_)
    np.testing.assert_array_equal(model.fit_predict(GAUSSIAN) == -1, model.labels_ == 1)
    for share in (0, 0.6, "auto"):
        with pytest.raises(ValueError, match=r"^contamination = "):
            LatentEBMDetector(share).fit(GAUSSIAN)


def test_missing_numbers_are_their_conditional_mean() -> None:
    """Two columns of correlation 0.9: E[x1 | x0] = 0.9 x0, whose error is sqrt(1 - 0.81)."""
    rng = np.random.RandomState(0)
    whole = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 800) * [1, 50] + [0, 7]
    x = np.where(rng.rand(800, 2) < [0, 0.2], np.nan, whole)
    model = LatentEBMImputer(max_iter=60, refit_steps=50, random_state=0).fit(x)
    filled, hole = model.transform(x), np.isnan(x)
    np.testing.assert_array_equal(filled[~hole], x[~hole])
    error = np.sqrt(np.mean((filled - whole)[hole] ** 2)) / 50
    assert error < 0.52  # 0.436 +- 0.02 at best with 160 cells; the mean of the column: 1
    draws = np.stack(model.multiple(x, 20))
    spread = draws[:, hole].std(0).mean() / 50
    assert spread == pytest.approx(0.436, abs=0.12)  # that of p(x1 | x0), not 0 as of the mean
    again = model.multiple(x, 2, random_state=3)
    assert (again[0][hole] != again[1][hole]).any()
    np.testing.assert_array_equal(again[0], model.multiple(x, 1, random_state=3)[0])


def test_missing_categories_and_pandas() -> None:
    rng = np.random.RandomState(0)
    high = rng.rand(300) < 0.5
    frame = pd.DataFrame({
        "size": np.where(high, 5.0, 0.0) + rng.randn(300),
        "kind": pd.Categorical(np.where(high, "oak", "moss")),
        "count": np.where(high, 9, 1),
    }, index=np.arange(300) + 7)  # fmt: skip
    holed = frame.copy()
    holed.loc[holed.index[:60], "kind"] = None
    holed.loc[holed.index[60:90], "size"] = np.nan
    model = LatentEBMImputer(max_iter=100, random_state=0).fit(holed)
    filled = model.set_output(transform="pandas").transform(holed)
    assert (filled.dtypes == frame.dtypes).all() and filled.index.equals(frame.index)
    assert (filled["kind"][:60] == frame["kind"][:60]).mean() > 0.9
    assert not filled.isna().any().any() and filled["kind"][60:].equals(frame["kind"][60:])
    assert model.get_feature_names_out().tolist() == ["size", "kind", "count"]
    drawn = model.multiple(holed, 2)
    assert all(isinstance(table, pd.DataFrame) for table in drawn)
    cells = model.set_output(transform="default").transform(holed)
    assert cells.dtype == object and cells[100, 1] == frame["kind"].iloc[100]
    with pytest.raises(ValueError, match="The column kind has no known value"):
        LatentEBMImputer(**TINY).fit(holed[:60])


def test_which_family_is_said() -> None:
    x = RNG.randn(60, 3)
    words = pd.DataFrame({"a": x[:, 0], "b": np.where(x[:, 1] > 0, "u", "v")})
    assert LatentEBMDensity(**TINY).fit(x).family_ == "ebm"
    assert LatentEBMDensity(**TINY).fit(RNG.randn(60, 33)).family_ == "latent-ebm"
    assert LatentEBMDetector(**TINY).fit(RNG.randn(60, 33)).family_ == "ebm"
    mixed = LatentEBMDensity(**TINY).fit(words)
    assert mixed.family_ == "latent-ebm"
    drawn = mixed.sample(4)
    assert drawn.columns.tolist() == ["a", "b"] and set(drawn["b"]) <= {"u", "v"}
    with pytest.raises(ValueError, match='family = "ebm" is .* X has categories: use "auto"'):
        LatentEBMDensity("ebm", **TINY).fit(words)
    for wrong, said in (({"family": "rbm"}, "family = "), ({"energy_l2": -1}, "energy_l2 = -1")):
        with pytest.raises(ValueError, match=said):
            LatentEBMDensity(**{**TINY, **wrong}).fit(x)
    with pytest.raises(ValueError, match="n_samples = 1"):
        LatentEBMDensity(**TINY).fit(x[:1])


def test_they_are_copied_pickled_searched_and_said(density: LatentEBMDensity) -> None:
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(again.score_samples(GAUSSIAN), density.score_samples(GAUSSIAN))
    assert "fitted to n = 800, d = 2, epochs = 60" in repr(density)
    assert repr(clone(density)) == "LatentEBMDensity(max_iter=60, random_state=0)"
    with pytest.raises(NotFittedError):
        clone(density).score_samples(GAUSSIAN)
    scores = cross_val_score(LatentEBMDensity(**TINY), GAUSSIAN[:200], cv=2)
    assert np.isfinite(scores).all()
    piped = make_pipeline(StandardScaler(), LatentEBMDetector(**TINY)).fit(GAUSSIAN[:200])
    assert piped.predict(GAUSSIAN[:9]).shape == (9,)


def test_a_failed_fit_leaves_what_was_there(density: LatentEBMDensity) -> None:
    before = density.score_samples(GAUSSIAN[:5])
    with pytest.raises(ValueError, match="NaN"):
        density.fit(np.full((5, 2), np.nan))
    np.testing.assert_array_equal(density.score_samples(GAUSSIAN[:5]), before)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    LatentEBMDetector(**TINY).fit(GAUSSIAN[:50])
    assert torch.equal(torch.rand(1), expected)


def test_models_runs_and_estimates_have_small_tables(
    density: LatentEBMDensity, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, estimate = density.model_._repr_html_(), density.log_z_._repr_html_()
    assert "EBM, d = 2" in model and "EBMPrior" in model and "<table>" in model
    monkeypatch.setattr(Run, "table", Table({"row": ["<model>"]}))
    named: Any = SimpleNamespace(name="a<b")
    run = Run(Path("runs/a"), named, {})._repr_html_()
    assert "a&lt;b" in run and "&lt;model&gt;" in run and "<model>" not in run
    assert "importance" in estimate and f"{float(density.log_z_):.4g}" in estimate


@pytest.mark.slow
def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[3] / "docs" / "estimators.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    exec(compile(example, "estimators.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert "importance" in "".join(said) and said[-1] == "5" and "(2, 13)" in said
