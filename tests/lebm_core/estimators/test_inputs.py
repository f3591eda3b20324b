"""Arguments and X that cannot be are refused before the training, each in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

import lebm_core.estimators.fitting
from lebm_core.estimators.classifier import LatentEBMClassifier
from lebm_core.estimators.inputs import matrix
from lebm_tabular.data.adapters import TabularAdapter
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

X = np.random.RandomState(0).randn(6, 2)
Y = [0, 1, 0, 1, -1, None]
NAN, INF = float("nan"), float("inf")
BAD_NUMBERS = {NAN, INF, -INF, -2, "1", None}


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*args: Any, **options: Any) -> None:
        pytest.fail("the training began")

    monkeypatch.setattr(lebm_core.estimators.fitting, "train_examples", reached)


def refused(said: str, x: Any = X, y: Any = Y, **options: Any) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        LatentEBMClassifier(options.pop("decoder", "tabular"), **options).fit(x, y)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


NUMBERS: dict[str, set[Any]] = {
    "label_weight": BAD_NUMBERS, "mutual_information": BAD_NUMBERS - {None},
    "consistency": BAD_NUMBERS - {None}, "kl_weight": BAD_NUMBERS,
    "vat": BAD_NUMBERS - {None}, "vat_radius": BAD_NUMBERS - {None},
    "masked": {*BAD_NUMBERS, 1.0}, "learning_rate": {*BAD_NUMBERS, 0} - {None},
    "validation_fraction": {*BAD_NUMBERS, 0, 1}, "latent_dim": {*BAD_NUMBERS, 0, 1.5, 10**12},
    "batch_size": {*BAD_NUMBERS, 0, 1.5, 10**12}, "labelled_batch": {*BAD_NUMBERS, 0, 1.5},
    "draws": {*BAD_NUMBERS, 0, 1.5, 10**9, 10**12}, "refit_steps": {*BAD_NUMBERS, 1.5, 10**12},
    "max_iter": {*BAD_NUMBERS - {None}, 0, 1.5, 10**12}, "n_iter_no_change": {*BAD_NUMBERS, 0, 1.5},
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.usefixtures("untrained")
def test_a_number_that_cannot_be(name: str) -> None:
    for value in NUMBERS[name]:
        refused(f"^{name} = ", **{name: value})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prior_hidden": (10**12,)}, r"^prior_hidden = .*1000000000000.* is "),
        ({"prior_hidden": (10**6, 10**6)}, "of memory, and this machine has"),
        ({"prior_hidden": (0,)}, r"^prior_hidden = \[0\].* "),
        ({"prior_hidden": 200}, "prior_hidden = 200 is not possible; use a list of widths"),
        ({"prior_hidden": "200"}, "prior_hidden = .* use a list of widths"),
        ({"prior_hidden": (2.5,)}, r"^prior_hidden = \[2.5\].* "),
        ({"decoder_options": {"hidden": [10**12]}}, "memory|sizes|width"),
        ({"decoder_options": {"hidden": [0]}}, "hidden|sizes|width"),
        ({"decoder_options": {"hidden": 5}}, "hidden|decoder_options are not possible"),
        ({"encoder_options": {"hidden": ["x"]}}, "hidden|encoder_options are not possible"),
        ({"decoder_options": {"sigma": NAN}}, "sigma = nan"),
        ({"decoder_options": 5}, 'decoder_options = "5" must be a dictionary'),
        ({"adapter_options": "all"}, "adapter_options = .* must be a dictionary"),
        ({"decoder": 7}, 'decoder = "7" is no Decoder; give the name of one, or an object'),
        ({"encoder": "tabular"}, 'encoder = "tabular" is no Encoder; give an object, or None'),
        ({"adapter_options": {"missing": "yes"}}, "missing = 'yes' must be True or False"),
        ({"adapter_options": {"scaling": 3}}, 'scaling = "3": accepted are columns, all, none'),
        ({"early_stopping": "yes"}, 'early_stopping = "yes" must be True or False'),
        ({"unlabelled": [-1, 0]}, "unlabelled = .* must be one value"),
        ({"device": "gpu"}, 'device = "gpu" is unknown; use "cpu" or "cuda"'),
        ({"device": None}, 'device = "None" is unknown'),
        ({"random_state": "x"}, "cannot be used to seed"),
    ],
)
@pytest.mark.usefixtures("untrained")
def test_an_argument_that_cannot_be(options: dict[str, Any], said: str) -> None:
    refused(said, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.usefixtures("untrained")
def test_a_gpu_that_is_not_there() -> None:
    refused('device = "cuda", but torch finds no GPU here', device="cuda")


@pytest.mark.parametrize(
    ("x", "y", "options", "said"),
    [
        (
            X,
            np.eye(6, dtype=int),
            {},
            r"y has the shape \(6, 6\): one label for each of the 6 .*argm",
        ),
        (X[:, :0], Y, {}, "0 feature"),
        (X[:0], [], {}, "0 sample"),
        (X[0], Y, {}, "Expected 2D array"),
        (np.where(X == X[2, 1], INF, X), Y, {}, "infinity"),
        (np.sign(X) * 1e308, Y, {}, "too large|too far|infinity"),
        ([[1, "NA"]] * 6, Y, {}, "Input X contains NaN: with adapter_options"),
        (
            [[1, f"cat {i}"] for i in range(6)],
            Y,
            {},
            'row 0: "cat 0" in the column "x1" is not a number; leave the column out, whose 6',
        ),
    ],
)
@pytest.mark.usefixtures("untrained")
def test_examples_that_cannot_be(x: Any, y: Any, options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LatentEBMClassifier(**options).fit(x, y)


@pytest.mark.usefixtures("untrained")
def test_parts_that_do_not_fit_x_are_refused_before_the_training() -> None:
    parts = {"decoder": TabularDecoder(5, 3), "encoder": TabularEncoder(5, 3), "latent_dim": 5}
    refused(r"X, whose examples are torch.float32 of shape \(2,\), does not fit", **parts)


def test_a_fitted_one_refuses_other_examples() -> None:
    small = {"hidden": [4]}
    model = LatentEBMClassifier(
        prior_hidden=(4,), decoder_options=small, encoder_options=small, latent_dim=2, draws=2,
        max_iter=1, refit_steps=0, vat=0.0,
    ).fit(X, Y)  # fmt: skip
    assert model.classes_.tolist() == [0, 1]
    for call in (model.predict, model.predict_proba, model.transform):
        with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 2 features"):
            call(np.zeros((4, 3)))
        with pytest.raises(ValueError, match="0 sample"):
            call(X[:0])
    for n in (0, -3, 1.5, NAN, "5", None, 10**12):
        with pytest.raises(ValueError, match="^n = "):
            model.sample(n)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="There is no class 7"):
        model.sample(2, y=7)
    assert 0 <= model.score(X, ["0", 1.0, 0, None, pd_na(), "NA"]) <= 1


def pd_na() -> Any:
    return pytest.importorskip("pandas").NA


def test_missing_values_of_every_writing_are_nan() -> None:
    pd = pytest.importorskip("pandas")
    adapter = TabularAdapter(missing=True)
    expected = [[1.5, np.nan], [2.0, 3.0]]
    for x in (
        [[1.5, None], [2.0, 3.0]],
        [[1.5, "NA"], ["2", 3.0]],
        [["1.5", "?"], ["2", "3"]],
        np.array([[1.5, pd.NA], [2, 3]], dtype=object),
        np.array([["1.5", "nan"], ["2", "3"]]),
        pd.DataFrame({"a": [1.5, 2.0], "b": pd.Series([None, 3], dtype="Int64")}),
        pd.DataFrame({"a": [1.5, 2.0], "b": ["None", "3"]}),
        pd.DataFrame({"a": [1.5, 2.0], "b": pd.Series([pd.NA, "3"], dtype="string")}),
        pd.DataFrame({"a": [1.5, 2.0], "b": pd.Series([None, 3], dtype="category")}),
    ):
        estimator = BaseEstimator()
        np.testing.assert_array_equal(matrix(estimator, x, adapter, reset=True), expected)
        if isinstance(x, pd.DataFrame):
            assert estimator.feature_names_in_.tolist() == ["a", "b"]
            with pytest.raises(ValueError, match="feature names"):
                matrix(estimator, x.rename(columns={"a": "c"}), adapter, reset=False)
