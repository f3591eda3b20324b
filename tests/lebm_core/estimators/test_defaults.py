"""What the estimator chooses by the data, weights of examples, training on, tables of samples."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

import lebm_core.estimators.fitting
from lebm_core.data.dataset import in_proportion
from lebm_core.estimators.classifier import LatentEBMClassifier
from lebm_core.estimators.defaults import chosen, information_of, passes_of
from lebm_core.estimators.frames import Columns
from lebm_core.estimators.inputs import weighted
from lebm_core.estimators.unsupervised.density import LatentEBMDensity
from lebm_tabular.data.adapters import TabularAdapter
from lebm_text.data.adapters import BagAdapter

RNG = np.random.RandomState(0)
X = np.concatenate([RNG.randn(30, 2) - 2, RNG.randn(30, 2) + 2])
Y = np.repeat([0, 1], 30)
TINY: dict[str, Any] = {
    "latent_dim": 2, "prior_hidden": (8,), "decoder_options": {"hidden": [8]},
    "encoder_options": {"hidden": [8]}, "max_iter": 3, "refit_steps": 1, "draws": 2,
    "random_state": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "weight"),
    [((5, 5), 10), ((5, 7), 10), ((5, 8), 0), ((4, 4), 0), ((30, 10, 10), 0), ((20, 20, 25), 10)],
)
def test_classes_are_made_even_only_where_the_labels_are(
    counts: tuple[int, ...], weight: float
) -> None:
    labels = np.repeat([*range(len(counts)), -1], [*counts, 50])
    assert information_of(labels) == weight


def test_what_is_given_is_kept_and_the_rest_is_by_the_data() -> None:
    given = {**LatentEBMClassifier(vat=1.0, max_iter=7).get_params(), "mutual_information": 3.0}
    labels = np.repeat([0, 1, -1], [10, 10, 80])
    found = chosen(given, TabularAdapter(), labels)
    assert (found["vat"], found["max_iter"], found["mutual_information"]) == (1.0, 7, 3.0)
    assert None not in {found[k] for k in ("vat_radius", "consistency", "learning_rate")}
    plain = LatentEBMClassifier().get_params()
    assert chosen(plain, TabularAdapter(), labels)["mutual_information"] == 10
    assert chosen(plain, BagAdapter(), labels)["consistency"] == BagAdapter.consistency


def test_weights_are_how_often_an_example_is_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.tensor([0.0, 1.0, 2.0, 0.5, 0.5])
    often = torch.bincount(in_proportion(weights, 400, generator), minlength=5).tolist()
    assert often[0] == 0 and np.abs(np.subtract(often[1:], (100, 200, 50, 50))).max() <= 1
    assert in_proportion(torch.ones(9), 9, generator).sort().values.tolist() == list(range(9))
    sums = [torch.bincount(in_proportion(weights, 3, generator), minlength=5) for _ in range(300)]
    mean = torch.stack(sums).float().mean(0)
    torch.testing.assert_close(mean, 3 * weights / 4, atol=0.12, rtol=0)


def test_weights_say_which_of_two_labels_is_learned() -> None:
    """Every example twice, with either label: the heavy one is learned."""
    x, y = np.tile(X, (2, 1)), np.concatenate([Y, 1 - Y])
    heavy = np.repeat([9.0, 1.0], 60)
    options = {**TINY, "max_iter": 30, "learning_rate": 3e-2, "vat": 0.0}
    for weights, truth in ((heavy, Y), (heavy[::-1], 1 - Y)):
        model = LatentEBMClassifier(**options).fit(x, y, sample_weight=weights)
        assert model.score(X, truth) > 0.9


def test_weights_at_the_borders() -> None:
    one = LatentEBMClassifier(**TINY).fit(X, Y)
    for weights in (np.ones(60), 3.0, None):
        same = LatentEBMClassifier(**TINY).fit(X, Y, sample_weight=weights)
        np.testing.assert_array_equal(same.predict_proba(X), one.predict_proba(X))
    kept = np.arange(60) % 3 > 0
    without = LatentEBMClassifier(**TINY).fit(X[kept], Y[kept])
    zeroed = LatentEBMClassifier(**TINY).fit(X, Y, sample_weight=kept.astype(float))
    np.testing.assert_array_equal(zeroed.predict_proba(X), without.predict_proba(X))
    texts, _, weights = weighted(["a", "b", "c"], [0, 1, 1], [1, 0, 2])
    assert texts == ["a", "c"] and weights is not None and weights.tolist() == [0.5, 1]
    for wrong, said in (
        ([1.0] * 59, r"sample_weight.shape == \(59,\), expected \(60,\)"),
        ([-1.0] + [1.0] * 59, "sample_weight has -1: weights are from 0 on"),
        ([float("nan")] * 60, "NaN"), (np.zeros(60), "at least one non-zero"),
        (Y.astype(float), "one class, 1"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            LatentEBMClassifier(**TINY).fit(X, Y, sample_weight=wrong)


def test_a_warm_start_continues_with_the_model() -> None:
    model = LatentEBMClassifier(warm_start=True, **TINY).fit(X, Y)
    first, score = model.model_, model.history_[-1]["reconstruction"]
    before = {k: v.clone() for k, v in first.state_dict().items()}
    model = pickle.loads(pickle.dumps(model)) if model.n_iter_ else model
    model.fit(X, Y)
    assert model.n_iter_ == len(model.history_) == 6
    assert model.history_[-1]["reconstruction"] < score
    assert model.history_[3]["kl_weight"] == 1 and model.history_[0]["kl_weight"] == 0
    assert all(torch.equal(v, before[k]) for k, v in first.state_dict().items())
    cold = LatentEBMClassifier(**TINY).fit(X, Y).fit(X, Y)
    assert cold.n_iter_ == 3
    kept = model.predict_proba(X)
    for x, y, changed, said in (
        (X, Y * 2, {}, r"continues with the classes \[0, 1\], and y has \[0, 2\]"),
        (X[:, :1], Y, {}, "X has 1 features"),
        (X, Y, {"latent_dim": 3}, "model of latent_dim = .*2.*, not .*3"),
    ):
        with pytest.raises(ValueError, match=said):
            model.set_params(**changed).fit(x, y)
        model.set_params(latent_dim=2)
        np.testing.assert_array_equal(model.predict_proba(X), kept)


def test_samples_of_a_table_are_a_table() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        "a": X[:, 0], "b": (X[:, 1] * 10).astype("int16"), "c": (X[:, 0] > 0),
        "d": pd.Series(np.arange(60) % 2, dtype="Int64"),
        "e": pd.Categorical(np.arange(60) % 3 * 5), "f": X[:, 0].astype("float32"),
    })  # fmt: skip
    frame.index += 100
    model = LatentEBMClassifier(**TINY).fit(frame, Y)
    drawn = pickle.loads(pickle.dumps(model)).sample(7, y=1)
    assert isinstance(drawn, pd.DataFrame) and drawn.columns.tolist() == list("abcdef")
    assert drawn.dtypes.tolist() == frame.dtypes.tolist() and len(drawn) == 7
    assert model.feature_names_in_.tolist() == list("abcdef")
    assert model.predict(drawn).shape == (7,)
    assert isinstance(LatentEBMClassifier(**TINY).fit(X, Y).sample(2), np.ndarray)


def test_numbers_become_what_a_column_holds() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        "small": pd.Series([1], dtype="uint8"), "large": pd.Series([1], dtype="int64"),
        "truth": pd.Series([True], dtype="boolean"), "kind": pd.Categorical([2], [2, 4, 8]),
        "word": pd.Series(["3"], dtype=object),
    })  # fmt: skip
    samples = np.array([[300.2, 1e30, 0.6, 5.1, 2.5], [-4.0, -1e30, 0.4, -9.0, 2.5]])
    drawn = Columns(frame).table(samples)
    assert drawn["small"].tolist() == [255, 0] and drawn["truth"].tolist() == [True, False]
    assert drawn["large"].tolist()[0] > 2**62 and drawn["large"].tolist()[1] == -(2**63)
    assert drawn["kind"].tolist() == [4, 2] and drawn["word"].tolist() == [2.5, 2.5]


def test_progress_is_a_bar_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verbose in (0, 1, 2):
        LatentEBMClassifier(verbose=verbose, **TINY).fit(X, Y)
        out, err = capsys.readouterr()
        assert out.count("pass ") == (3 if verbose == 2 else 0) and "%|" not in err
        assert ("fit: step 3/3" in err) == (verbose == 1)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    LatentEBMClassifier(verbose=1, **TINY).fit(X, Y)
    assert "fit: 100%|" in capsys.readouterr().err


def test_a_narrow_matrix_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(*args: Any, **options: Any) -> list[dict[str, float]]:
        seen.append(torch.get_num_threads())
        return []

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(lebm_core.estimators.fitting, "train_examples", record)
    try:
        LatentEBMClassifier(**TINY).fit(X, Y)
        LatentEBMClassifier(**TINY).fit(RNG.randn(60, 501), Y)
        assert seen == [1, 2] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_steps_are_by_the_examples() -> None:
    assert passes_of(120, 200) == 50 and passes_of(120, 200, few=True) == 42
    steps = [passes_of(n, 200) * -(-n // 200) for n in (20, 118, 400, 1797, 10_000)]
    assert steps == sorted(steps) and steps[-1] <= 2_000 + 50
    assert passes_of(10**6, 200) == 15


def test_the_few_steps_of_a_small_matrix_have_a_short_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []

    def record(model: Any, data: Any, rule: Any, options: Any, **more: Any) -> None:
        seen.append(options.beta1)

    monkeypatch.setattr(lebm_core.estimators.fitting, "train", record)
    LatentEBMClassifier(**TINY).fit(X, Y)
    LatentEBMClassifier(**TINY).fit(np.tile(X, (100, 1)), np.tile(Y, 100))
    LatentEBMDensity("latent-ebm", max_iter=1).fit(X)
    assert seen == [0.8, 0.9, 0.9]


def test_networks_of_a_small_matrix_are_narrow() -> None:
    """What the user gives is kept, and so are the widths of a large matrix."""
    options: dict[str, Any] = {"max_iter": 1, "refit_steps": 0, "random_state": 0}
    for rows, width in ((60, 64), (1_000, 200)):
        x, y = RNG.randn(rows, 3), np.arange(rows) % 2
        model = LatentEBMClassifier(**options).fit(x, y).model_
        widths = [
            model.prior.energies[0].options["hidden"], model.decoder.options["hidden"],
            model.encoder.options["hidden"],
        ]  # fmt: skip
        assert [list(each) for each in widths] == [[width, width]] * 3
    given = LatentEBMClassifier(
        prior_hidden=(9,), decoder_options={"hidden": [7]}, **options
    ).fit(RNG.randn(60, 3), np.arange(60) % 2).model_  # fmt: skip
    assert list(given.prior.energies[0].options["hidden"]) == [9]
    assert list(given.decoder.options["hidden"]) == [7]
