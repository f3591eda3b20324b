"""Classification from few labels and many unlabelled examples, as a scikit-learn estimator.

The model is p(y, z) p(x | z) with p(y, z) proportional to exp(F_y(z)) p0(z), from Pang and Wu 2021,
arXiv 2108.11556. A step maximises the batch mean of the bound of log p(x), plus, each with its
weight, the mean of E_q log p(y | z) over labelled examples and I(z; y), minus the virtual
adversarial loss and the consistency loss of p(y | x).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import _num_samples, check_is_fitted

from lebm_core.data.adapters import Examples
from lebm_core.estimators import prediction
from lebm_core.estimators.arguments import check_arguments
from lebm_core.estimators.examples import LabelledExamples
from lebm_core.estimators.fitting import refitted_prior, seed_of, train_classifier
from lebm_core.estimators.inputs import matrix, not_empty, number_of_samples, plain_errors
from lebm_core.estimators.labels import accuracy, class_ids, held_out, ids_of
from lebm_core.estimators.parts import make_adapter, make_model
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["LatentEBMClassifier"]


class LatentEBMClassifier(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A classifier, a generator and a transformer to latent codes, learned from few labels.

    Args:
        decoder: name of a decoder that takes examples ("tabular" for matrices, "tabular.bag" for
            counts, and those of other plugins), or a `Decoder`, whose x is X as it is.
        encoder: an `Encoder` to go with a `Decoder`; None for the one of the name.
        adapter_options: arguments of the adapter between X and x, such as {"scaling": "all"}, or
            {"missing": True} where NaN in a matrix is a missing value.
        decoder_options: arguments of the named decoder, such as {"hidden": [500, 500]}.
        encoder_options: arguments of the named encoder.
        latent_dim: dimension of z.
        prior_hidden: widths of the hidden layers of F(z).
        label_weight: weight of E_q log p(y | z) of the labelled examples.
        mutual_information: weight of I(z; y), which makes classes distinct and of equal size.
        vat: weight of the virtual adversarial loss of p(y | x); None for the adapter's.
        vat_radius: root mean square of the perturbation of x; for an encoder that embeds x, the
            perturbation's length over that of an average embedded vector; None for the adapter's.
        consistency: weight of the consistency of p(y | x) with p(y | augmented x), by which few
            labels reach features that no labelled example has.
        masked: share of x that the augmentation hides.
        kl_weight: weight of KL(q(z | x) || p(z)) in the bound of log p(x).
        batch_size: examples of a step.
        labelled_batch: labelled examples of a step, in addition.
        learning_rate: of Adam, falling to 0 as a cosine.
        max_iter: passes over the examples; None for about 2,000 steps, at least 15 passes and at
            most 100.
        early_stopping: hold out `validation_fraction` of the labelled examples, stop when their
            log-likelihood has not grown for `n_iter_no_change` passes, and keep the best weights.
        validation_fraction: share of the labelled examples.
        n_iter_no_change: passes.
        refit_steps: updates of a copy of the prior after training, on fixed posterior codes, but
            no more than the training made; samples are drawn from it, predictions are not.
        draws: codes of an example that p(y | x) is the mean over.
        unlabelled: the value of y that means no label, beside None, NaN and words such as "NA";
            None where every example has one, and a missing one is an error.
        device: "cpu" or "cuda".
        random_state: seed or `RandomState` of all randomness.
        verbose: print a line for each pass.

    Attributes:
        classes_: (C,) labels, sorted.
        model_: the `LatentEBM`.
        history_: the mean of every term of the objective, a dictionary for each pass.
        n_iter_: passes made.
        n_features_in_: features, where X is a matrix.
    """

    def __init__(
        self,
        decoder: str | Decoder = "tabular",
        *,
        encoder: Encoder | None = None,
        adapter_options: Mapping[str, Any] | None = None,
        decoder_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        latent_dim: int = 10,
        prior_hidden: tuple[int, ...] = (200, 200),
        label_weight: float = 30.0,
        mutual_information: float = 10.0,
        vat: float | None = None,
        vat_radius: float | None = None,
        consistency: float = 0.0,
        masked: float = 0.5,
        kl_weight: float = 1.0,
        batch_size: int = 200,
        labelled_batch: int = 64,
        learning_rate: float = 3e-3,
        max_iter: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        refit_steps: int = 1000,
        draws: int = 8,
        unlabelled: Any = -1,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        # Explicit, without checks: scikit-learn's `clone` and its checkers require it.
        self.decoder, self.encoder, self.adapter_options = decoder, encoder, adapter_options
        self.decoder_options, self.encoder_options = decoder_options, encoder_options
        self.latent_dim, self.prior_hidden = latent_dim, prior_hidden
        self.label_weight, self.mutual_information = label_weight, mutual_information
        self.vat, self.vat_radius, self.consistency = vat, vat_radius, consistency
        self.masked, self.kl_weight, self.learning_rate = masked, kl_weight, learning_rate
        self.batch_size, self.labelled_batch = batch_size, labelled_batch
        self.max_iter, self.early_stopping = max_iter, early_stopping
        self.validation_fraction, self.n_iter_no_change = validation_fraction, n_iter_no_change
        self.refit_steps, self.draws, self.unlabelled = refit_steps, draws, unlabelled
        self.device, self.random_state, self.verbose = device, random_state, verbose

    def fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803
        """Learn from all of X, and from y where it is known.

        Args:
            X: (n, features), or n examples as the named decoder's adapter takes them.
            y: (n,) labels, `unlabelled` or missing where there is none; 0, 0.0 and "0" are one.

        Raises:
            ValueError: by scikit-learn's conventions: NaN, lengths that differ, no label at all,
                one class only, labels that are real numbers.
        """
        before = dict(self.__dict__)
        try:
            with plain_errors():
                return self._fit(X, y)
        except BaseException:  # an interrupt too leaves the estimator as it was
            self.__dict__ = before
            raise

    def _fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803
        given = self.get_params(deep=False)
        check_arguments(given)
        adapter = make_adapter(given)
        if adapter.vectors:
            X = matrix(self, X, adapter, reset=True)  # noqa: N806
        self.classes_, labels = class_ids(y, _num_samples(X), self.unlabelled)
        self.adapter_ = adapter.fit(X)
        seed = seed_of(self.random_state)
        x = self.adapter_.transform(X)
        held = held_out(labels, self.validation_fraction, seed) if self.early_stopping else None
        data = LabelledExamples(x, labels if held is None else np.where(held, -1, labels))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model_ = make_model(given, self.adapter_, len(self.classes_), data)
            self._noise = prediction.antithetic_noise(self.draws, self.latent_dim)
            self._n_features_out = self.latent_dim
            validate = None
            if held is not None:
                scored = (x[held], torch.as_tensor(labels[held]), self.model_, self._noise)
                validate = partial(prediction.log_likelihood, *scored)
            self.history_ = train_classifier(
                given, self.adapter_, self.model_, data, seed=seed, validate=validate
            )
            self.n_iter_ = len(self.history_)
            self._sampling_prior = refitted_prior(given, self.model_, data, self.n_iter_, seed=seed)
        return self

    @plain_errors()
    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """p(y | x), (n, C): the mean over a few draws of the code, the same draws for all."""
        return prediction.class_probabilities(self._x(X), self.model_, self._noise).numpy()

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The likeliest class of each example, (n,)."""
        ids = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[ids])

    def score(self, X: Any, y: ArrayLike, sample_weight: Any = None) -> float:  # noqa: N803
        """The share of the examples with a known label that are classified rightly."""
        given = self.predict_proba(X).argmax(1)
        return accuracy(given, y, sample_weight, self.classes_, self.unlabelled)

    @plain_errors()
    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The mean of q(z | x), (n, latent_dim)."""
        return prediction.mean_codes(self._x(X), self.model_).double().numpy()

    @plain_errors()
    def sample(
        self, n: int = 1, y: Any = None, *, random_state: int | np.random.RandomState | None = None
    ) -> Any:
        """Draw n examples from the model, in the form of X.

        Args:
            n: how many.
            y: the class of all, one of `classes_`, or (n,) classes; None for any.
            random_state: seed of the draws; None for that of the estimator.

        Raises:
            ValueError: for an unknown class, or an n that cannot be.
        """
        check_is_fitted(self)
        n = number_of_samples(n, self.model_.latent_dim)
        ids = None if y is None else torch.from_numpy(ids_of(y, n, self.classes_)).to(self.device)
        state = self.random_state if random_state is None else random_state
        generator = torch.Generator(self.device).manual_seed(seed_of(state))
        model = LatentEBM(self._sampling_prior, self.model_.decoder)
        return self.adapter_.inverse_transform(model.sample(n, y=ids, generator=generator).cpu())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        matrix = isinstance(self.decoder, str) and self.decoder == "tabular"
        tags.input_tags.two_d_array = matrix
        tags.input_tags.allow_nan = matrix and bool((self.adapter_options or {}).get("missing"))
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """A pickle is on the CPU: whoever reads it may have no GPU."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state and self.device != "cpu":
            for name in ("model_", "_sampling_prior"):
                state[name] = copy.deepcopy(state[name]).cpu()
            state["device"] = "cpu"
        return state

    def _x(self, X: Any) -> Examples:  # noqa: N803
        check_is_fitted(self)
        if self.adapter_.vectors:
            X = matrix(self, X, self.adapter_, reset=False)  # noqa: N806
        return not_empty(self.adapter_.transform(X))
