"""Classification from few labels and many unlabelled examples, as a scikit-learn estimator.

The model is p(y, z) p(x | z) with p(y, z) proportional to exp(F_y(z)) p0(z), from Pang and Wu 2021,
arXiv 2108.11556. A step maximises the batch mean of the bound of log p(x), plus, each with its
weight, the mean of E_q log p(y | z) over labelled examples and I(z; y), minus the virtual
adversarial loss and the consistency loss of p(y | x).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples

from lebm_core.estimators.answers import Answers
from lebm_core.estimators.arguments import STRUCTURE, check_arguments, check_continued
from lebm_core.estimators.defaults import chosen
from lebm_core.estimators.examples import LabelledExamples
from lebm_core.estimators.fitting import is_narrow, learn, seed_of
from lebm_core.estimators.frames import Columns
from lebm_core.estimators.inputs import matrix, weighted
from lebm_core.estimators.labels import class_ids, held_out
from lebm_core.estimators.parts import make_adapter, make_model, make_rule, symbols_of
from lebm_core.estimators.prediction import log_likelihood
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder

__all__ = ["LatentEBMClassifier"]


class LatentEBMClassifier(Answers):
    """A classifier, a generator and a transformer to latent codes, learned from few labels.

    Args:
        decoder: name of a decoder that takes examples ("tabular" for matrices, "tabular.bag" for
            counts, and those of other plugins), or a `Decoder`, whose x is X as it is.
        encoder: an `Encoder` to go with a `Decoder`; None for the one of the name.
        adapter_options: arguments of the adapter between X and x, such as {"scaling": "all"},
            {"missing": True} where NaN in a matrix is a missing value, or {"categories": ["zip"]}
            for columns of numbers that are categories, as columns of a few words are by themselves.
        decoder_options: arguments of the named decoder, such as {"hidden": [500, 500]}.
        encoder_options: arguments of the named encoder.
        latent_dim: dimension of z.
        prior_hidden: widths of the hidden layers of F(z); None for (64, 64) of a matrix below 1,000
            rows, whose decoder and encoder are as narrow, else (200, 200).
        label_weight: weight of E_q log p(y | z) of the labelled examples.
        mutual_information: weight of I(z; y), which makes classes distinct and of equal size; None
            for 10 where the labels say that they are of equal size, else 0.
        vat: weight of the virtual adversarial loss of p(y | x); None for the adapter's.
        vat_radius: root mean square of the perturbation of x; for an encoder that embeds x, the
            perturbation's length over that of an average embedded vector; None for the adapter's.
        consistency: weight of the consistency of p(y | x) with p(y | augmented x), by which few
            labels reach features that no labelled example has; None for the adapter's.
        masked: share of x that the augmentation hides.
        kl_weight: weight of KL(q(z | x) || p(z)) in the bound of log p(x).
        batch_size: examples of a step.
        labelled_batch: labelled examples of a step, in addition.
        learning_rate: of Adam, falling to 0 as a cosine; None for 0.01 of a matrix below 5,000
            rows, else 0.003.
        max_iter: passes over the examples; None for 30 steps and one more for each 10 examples of a
            matrix below 5,000 rows, else for each 6, at most 2,000, and for at least 15 passes.
        early_stopping: hold out `validation_fraction` of the labelled examples, stop when their
            log-likelihood has not grown for `n_iter_no_change` passes, and keep the best weights.
        validation_fraction: share of the labelled examples.
        n_iter_no_change: passes.
        refit_steps: updates of a copy of the prior on fixed posterior codes, made before the first
            samples are drawn from it; predictions do without.
        draws: codes of an example that p(y | x) is the mean over.
        unlabelled: the value of y that means no label, beside None, NaN and words such as "NA";
            None where every example has one, and a missing one is an error.
        warm_start: a further `fit` continues with the model; classes and columns are the same.
        device: "cpu" or "cuda".
        random_state: seed or `RandomState` of all randomness.
        verbose: 1 for a progress bar on a terminal, and a line every half minute elsewhere, on
            stderr; 2 for a line for each pass.

    Attributes:
        classes_: (C,) labels, sorted.
        model_: the `LatentEBM`.
        history_: the mean of every term of the objective, a dictionary for each pass.
        n_iter_: passes made, with `warm_start` by all fits.
        n_features_in_: features, where X is a matrix.
    """

    _made: dict[str, Any]

    def __init__(
        self,
        decoder: str | Decoder = "tabular",
        *,
        encoder: Encoder | None = None,
        adapter_options: Mapping[str, Any] | None = None,
        decoder_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        latent_dim: int = 10,
        prior_hidden: tuple[int, ...] | None = None,
        label_weight: float = 30.0,
        mutual_information: float | None = None,
        vat: float | None = None,
        vat_radius: float | None = None,
        consistency: float | None = None,
        masked: float = 0.5,
        kl_weight: float = 1.0,
        batch_size: int = 200,
        labelled_batch: int = 64,
        learning_rate: float | None = None,
        max_iter: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        refit_steps: int = 500,
        draws: int = 8,
        unlabelled: Any = -1,
        warm_start: bool = False,
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
        self.warm_start, self.device = warm_start, device
        self.random_state, self.verbose = random_state, verbose

    def fit(self, X: Any, y: ArrayLike, sample_weight: Any = None) -> Self:  # noqa: N803
        """Learn from all of X, and from y where it is known.

        Args:
            X: (n, features), or n examples as the named decoder's adapter takes them.
            y: (n,) labels, `unlabelled` or missing where there is none; 0, 0.0 and "0" are one.
            sample_weight: (n,) from 0 on: how often an example is learned from, with its label.

        Raises:
            ValueError: by scikit-learn's conventions: NaN, lengths that differ, no label at all,
                one class only, labels that are real numbers.
        """
        with self._unchanged_by_errors():
            return self._fit(X, y, sample_weight)

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:  # noqa: N803
        given = self.get_params(deep=False)
        check_arguments(given)
        again = self.warm_start and hasattr(self, "model_")
        adapter = self.adapter_ if again else make_adapter(given)
        columns = Columns.of(X)
        if adapter.vectors:
            X = matrix(self, X, adapter, reset=not again)  # noqa: N806
        X, y, weights = weighted(X, y, sample_weight)  # noqa: N806
        classes, labels = class_ids(y, _num_samples(X), self.unlabelled)
        if again:
            check_continued(self._made, given, self.classes_, classes)
        else:
            self.classes_, self.adapter_, self._columns = classes, adapter.fit(X), columns
            self._made, self.history_ = {name: given[name] for name in STRUCTURE}, []
        seed = seed_of(self.random_state)
        x = self.adapter_.transform(X)
        held = held_out(labels, self.validation_fraction, seed) if self.early_stopping else None
        known = labels if held is None else np.where(held, -1, labels)
        given = chosen(given, self.adapter_, known)
        data = LabelledExamples(x, known, weights)
        learned = learn(
            given,
            partial(make_model, given, self.adapter_, len(classes), data),
            make_rule(given, symbols_of(given, int((known >= 0).sum())), again=again),
            data,
            seed=seed,
            narrow=is_narrow(self.adapter_),
            validate=None
            if held is None
            else partial(log_likelihood, x[held], torch.as_tensor(labels[held])),
            before=self.model_ if again else None,
        )
        self.model_, self._noise, terms, self._sampling = learned
        self._n_features_out, self.history_ = self.latent_dim, [*self.history_, *terms]
        self.n_iter_, self._rows = len(self.history_), len(data)
        return self
