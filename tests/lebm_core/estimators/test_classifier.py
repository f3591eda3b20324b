"""The scikit-learn face: its conventions, its errors, and what it learns from few labels."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

import lebm_core.estimators.fitting
import lebm_core.estimators.sampling
from lebm_core.data.labels import choose_labelled
from lebm_core.estimators.classifier import LatentEBMClassifier
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

QUICK: dict[str, Any] = {"max_iter": 30, "random_state": 0, "prior_hidden": (64, 64)}
Array = NDArray[Any]


@pytest.fixture(scope="module")
def blobs() -> tuple[Array, Array, Array]:
    x, y = make_blobs(300, centers=3, n_features=4, random_state=0, cluster_std=1.5)
    few = np.full(300, -1)
    for c in range(3):
        few[np.flatnonzero(y == c)[:3]] = c
    return x, y, few


@pytest.fixture(scope="module")
def fitted(blobs: tuple[Array, Array, Array]) -> LatentEBMClassifier:
    x, _, few = blobs
    return LatentEBMClassifier(**QUICK | {"max_iter": 60}).fit(x, few)


SMALL: dict[str, Any] = {
    "latent_dim": 4, "prior_hidden": (16,), "decoder_options": {"hidden": [32]},
    "encoder_options": {"hidden": [32]}, "vat": 0.0, "learning_rate": 2e-2, "max_iter": 4,
    "batch_size": 50, "refit_steps": 1,
}  # fmt: skip
MISSING = {"missing": True}


@pytest.mark.parametrize(
    ("unlabelled", "options"),
    [
        (None, None),
        pytest.param(-1, None, marks=pytest.mark.slow),
        pytest.param(None, MISSING, marks=pytest.mark.slow),
    ],
)
def test_scikit_learns_own_checks(unlabelled: int | None, options: dict[str, Any] | None) -> None:
    """With the marker on, y = -1 of check_classifiers_classes is no class but no label."""
    results = check_estimator(
        LatentEBMClassifier(unlabelled=unlabelled, adapter_options=options, **SMALL),
        on_fail=None, on_skip=None,
    )  # fmt: skip
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    # A weight of 2 is not to the last digit a row given twice: the two draw other batches.
    expected = {"check_sample_weight_equivalence_on_dense_data"}
    expected |= {"check_classifiers_classes"} if unlabelled == -1 else set()
    assert set(failed) <= expected, failed
    assert len(results) > 50


@pytest.mark.parametrize(("unlabelled", "options"), [(-1, None), (None, MISSING)])
def test_checks_of_classes_and_of_missing_values(
    unlabelled: int | None, options: dict[str, Any] | None
) -> None:
    """Those of all checks whose input or expectation differs with the marker, or with NaN."""
    wanted = {
        "check_estimators_nan_inf", "check_estimators_pickle", "check_estimators_dtypes",
        "check_supervised_y_no_nan", "check_classifiers_one_label",
    }  # fmt: skip
    estimator = LatentEBMClassifier(unlabelled=unlabelled, adapter_options=options, **SMALL)
    ran = set()
    for fresh, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name in wanted:
            check(fresh)
            ran.add(name)
    # scikit-learn leaves this one out where NaN is a missing value.
    assert ran == wanted - ({"check_estimators_nan_inf"} if options else set())


@pytest.mark.slow
def test_few_labels_beat_what_they_teach_alone() -> None:
    """Digits, 50 labels: at least 3 points over logistic regression on them, two draws."""
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    x, y = x[order], y[order]
    gains = []
    for draw in range(2):
        few = np.full(1198, -1)
        rows = choose_labelled(torch.as_tensor(y[:1198]), 50, seed=draw).numpy()
        few[rows] = y[rows]
        model = LatentEBMClassifier(
            adapter_options={"scaling": "all"}, max_iter=20, random_state=draw
        ).fit(x[:1198], few)
        alone = LogisticRegression(max_iter=2000).fit(x[rows], y[rows])
        gains.append(model.score(x[1198:], y[1198:]) - alone.score(x[1198:], y[1198:]))
    assert np.mean(gains) > 0.03
    drawn = model.sample(50, y=3, random_state=0)
    assert drawn.shape == (50, 64) and (model.predict(drawn) == 3).mean() > 0.8


def test_every_term_is_in_the_history(fitted: LatentEBMClassifier) -> None:
    assert len(fitted.history_) == fitted.n_iter_ == 60
    terms = {"reconstruction", "kl", "f_posterior", "label_loss", "mutual_information", "vat_loss"}
    assert terms <= set(fitted.history_[-1])
    assert fitted.history_[-1]["label_loss"] < fitted.history_[0]["label_loss"]


def test_words_of_no_labelled_document_are_learned_from_their_neighbours() -> None:
    """Two topics of 60 words; a document is 8 words of one and 4 others, and four have a label."""
    rng = np.random.default_rng(0)
    y = np.arange(800) % 2
    x = np.zeros((800, 120))
    for row, c in enumerate(y):
        words = 60 * c + rng.permutation(60)[:8]
        x[row, np.concatenate([words, rng.integers(0, 120, 4)])] += 1
    few = np.full(600, -1)
    few[:4] = y[:4]
    options: dict[str, Any] = {
        "encoder_options": {"hidden": []}, "vat": 0.0, "mutual_information": 0.0,
        "label_weight": 100.0, "max_iter": 30, "refit_steps": 0,
    }  # fmt: skip
    gains = []
    for seed in range(3):
        with_, without = (
            LatentEBMClassifier(
                "tabular.bag", consistency=weight, random_state=seed, **options
            ).fit(x[:600], few)
            for weight in (30.0, 0.0)
        )
        terms = set(with_.history_[-1]) - set(without.history_[-1])
        assert terms == {"consistency_loss"}
        gains.append(with_.score(x[600:], y[600:]) - without.score(x[600:], y[600:]))
    assert np.mean(gains) > 0.03  # 0.155 over six seeds, their standard deviation 0.08


def test_codes_and_samples(fitted: LatentEBMClassifier, blobs: tuple[Array, Array, Array]) -> None:
    x, y, _ = blobs
    assert fitted.transform(x).shape == (300, 10)
    assert fitted.get_feature_names_out()[0] == "latentebmclassifier0"
    assert fitted.score(x, y) > 0.9
    drawn = fitted.sample(100, y=[0, 1] * 50, random_state=1)
    near = np.linalg.norm(drawn[:, None] - np.stack([x[y == c].mean(0) for c in range(3)]), axis=2)
    assert (near.argmin(1) == np.tile([0, 1], 50)).mean() > 0.9
    np.testing.assert_array_equal(drawn, fitted.sample(100, y=[0, 1] * 50, random_state=1))
    with pytest.raises(ValueError, match="no class 7: known are 0, 1, 2"):
        fitted.sample(3, y=7)


def test_a_row_is_predicted_alike_alone_and_among_others(
    fitted: LatentEBMClassifier, blobs: tuple[Array, Array, Array]
) -> None:
    x = np.tile(blobs[0], (3, 1))
    together = fitted.predict_proba(x)
    assert together.shape == (900, 3)
    np.testing.assert_array_equal(fitted.predict_proba(x[640:641])[0], together[640])


def test_it_is_copied_pickled_searched_and_piped(
    fitted: LatentEBMClassifier, blobs: tuple[Array, Array, Array]
) -> None:
    x, y, few = blobs
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    assert clone(fitted).get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        clone(fitted).predict(x)
    piped = make_pipeline(MinMaxScaler(), LatentEBMClassifier(**QUICK)).fit(x, few)
    assert piped.score(x, y) > 0.9
    search = GridSearchCV(LatentEBMClassifier(max_iter=3), {"latent_dim": [2, 4]}, cv=2)
    assert search.fit(x, y).best_params_["latent_dim"] in (2, 4)


def test_the_same_seed_gives_the_same_and_no_one_elses_draws_change(
    blobs: tuple[Array, Array, Array],
) -> None:
    x, _, few = blobs
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = (LatentEBMClassifier(max_iter=2, random_state=3).fit(x, few) for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))
    other = LatentEBMClassifier(max_iter=2, random_state=4).fit(x, few)
    assert (other.predict_proba(x) != one.predict_proba(x)).any()


def test_early_stopping_keeps_the_best(blobs: tuple[Array, Array, Array]) -> None:
    x, y, _ = blobs
    noisy = np.where(np.random.RandomState(0).rand(300) < 0.3, (y + 1) % 3, y)
    model = LatentEBMClassifier(
        early_stopping=True, validation_fraction=0.3, n_iter_no_change=3, max_iter=100,
        random_state=0,
    ).fit(x, noisy)  # fmt: skip
    scores = [means["validation_log_likelihood"] for means in model.history_]
    assert model.n_iter_ < 100 and int(np.argmax(scores)) == model.n_iter_ - 4
    with pytest.raises(ValueError, match="early_stopping holds out 0.1 of the 9"):
        LatentEBMClassifier(early_stopping=True).fit(x, np.where(np.arange(300) < 9, y, -1))


def test_a_decoder_of_ones_own(blobs: tuple[Array, Array, Array]) -> None:
    x, y, few = blobs
    z = (x - x.mean(0)) / x.std(0)
    model = LatentEBMClassifier(
        TabularDecoder(5, 4), encoder=TabularEncoder(5, 4), latent_dim=5, **QUICK
    ).fit(z.astype(np.float32), few)
    assert model.score(z.astype(np.float32), y) > 0.9
    with pytest.raises(ValueError, match=r"shape \(3,\), those of the training have \(4,\)"):
        model.predict(z[:, :3])
    with pytest.raises(ValueError, match="latent"):
        LatentEBMClassifier(TabularDecoder(5, 4), encoder=TabularEncoder(5, 4)).fit(z, few)
    with pytest.raises(ValueError, match="needs an encoder object"):
        LatentEBMClassifier(TabularDecoder(5, 4), latent_dim=5).fit(z, few)


def interrupted(*args: Any, **options: Any) -> None:
    raise KeyboardInterrupt


def test_a_fit_that_fails_leaves_what_was_there(
    blobs: tuple[Array, Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, _ = blobs
    model = LatentEBMClassifier(max_iter=2, random_state=0).fit(x, y)
    before = model.predict_proba(x)
    monkeypatch.setattr(lebm_core.estimators.fitting, "train_examples", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x[:, :2], y % 2)
    np.testing.assert_array_equal(model.predict_proba(x), before)
    assert model.classes_.tolist() == [0, 1, 2]


def test_samples_have_a_prior_of_their_own(blobs: tuple[Array, Array, Array]) -> None:
    x, _, few = blobs
    with_it, without = (
        LatentEBMClassifier(max_iter=5, random_state=0, refit_steps=n).fit(x, few) for n in (50, 0)
    )
    np.testing.assert_array_equal(with_it.predict_proba(x), without.predict_proba(x))
    drawn = with_it.sample(5, random_state=0)
    assert (drawn != without.sample(5, random_state=0)).any()
    for wrong, said in (({"n": 0}, "at least 1"), ({"n": 5, "y": [0, 1, 0]}, "give one, or 5")):
        with pytest.raises(ValueError, match=said):
            with_it.sample(**wrong)


def test_the_refit_waits_for_the_first_samples(
    blobs: tuple[Array, Array, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickled before them or interrupted in them, they are the same; a second draw has no refit."""
    x, _, few = blobs
    model = LatentEBMClassifier(max_iter=5, random_state=0, refit_steps=50).fit(x, few)
    packed = pickle.dumps(model)
    with monkeypatch.context() as patch:
        patch.setattr(lebm_core.estimators.sampling, "refit_prior", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.sample(5)
    state = torch.get_rng_state()
    drawn, size = model.sample(5), len(pickle.dumps(model))
    assert torch.equal(torch.get_rng_state(), state) and size < len(packed)
    with monkeypatch.context() as patch:
        patch.setattr(lebm_core.estimators.sampling, "refit_prior", interrupted)
        np.testing.assert_array_equal(model.sample(5), drawn)
    np.testing.assert_array_equal(pickle.loads(packed).sample(5), drawn)


X = np.random.RandomState(0).randn(6, 2)
HOLE = np.where(np.arange(12).reshape(6, 2) == 3, np.nan, X)


@pytest.mark.parametrize(
    ("x", "y", "options", "said"),
    [
        (X, [-1] * 6, {}, "No label of y is known, each is -1 or missing"),
        (X, [0, 0, -1, -1, -1, -1], {}, "one class, 0"),
        (X, [0, 1, 0], {}, "X has 6 examples, y has 3 labels"),
        (HOLE, [0, 1, 0, 1, -1, -1], {}, "Input X contains NaN"),
        (X, [0.5, 1.2, 0.1, 1.1, -1, -1], {}, "Unknown label type"),
        (X, None, {}, "requires y to be passed"),
        (X, [0, 1, 0, 1, -1, -1], {"decoder": "tabluar"}, 'Did you mean "tabular"'),
        (
            X,
            [0, 1, 0, 1, -1, -1],
            {"latent_dim": 0},
            "latent_dim = 0 .*use at least 1",
        ),
        (X, [0, 1, 0, 1, -1, -1], {"masked": 1}, "masked = 1 is not possible; use 0 to below 1"),
        (X, [0, 1, 0, 1, -1, -1], {"adapter_options": {"scaling": "no"}}, "columns, all"),
        (X, [0, 1, 0, 1, -1, -1], {"adapter_options": {"scal": 1}}, 'Did you mean "scaling"'),
        (X, [0, 1, 0, 1, -1, -1], {"decoder_options": {"sigma": 0}}, "sigma = 0 is too small"),
        (
            X,
            [0, 1, 0, 1, -1, -1],
            {"decoder_options": {"w": 1}},
            'decoder_options: .* no option "w"',
        ),
        (X, [0, 1, 0, 1, -1, -1], {"encoder": TabularEncoder(5, 2)}, "leave encoder None"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    x: Array, y: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=said) as caught:
        LatentEBMClassifier(max_iter=1, **options).fit(x, y)
    assert "\n" not in str(caught.value).split("\n\n")[0].strip() or "NaN" in said


def test_labels_of_text_and_a_marker() -> None:
    y = ["a", "b", "a", "", "b", ""]
    model = LatentEBMClassifier(max_iter=1, unlabelled="").fit(X, y)
    assert model.classes_.tolist() == ["a", "b"] and set(model.predict(X)) <= {"a", "b"}
    mixed = np.array(["a", "b", "a", -1, "b", -1], dtype=object)
    assert LatentEBMClassifier(max_iter=1).fit(X, mixed).classes_.tolist() == ["a", "b"]
    with pytest.raises(TypeError, match="mixes strings with numbers"):
        LatentEBMClassifier(max_iter=1).fit(X, np.array(["a", 1, "a", -1, 1, -1], dtype=object))
