"""Density estimation by scikit-learn's conventions, those of `GaussianMixture`."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from lebm_core.estimators.fitting import seed_of
from lebm_core.estimators.inputs import plain_errors
from lebm_core.estimators.unsupervised.density_model import DensityModel
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.log_z import checked_log_z

__all__ = ["LatentEBMDensity"]

DRAWS = 100_000  # of p0, for log Z


class LatentEBMDensity(DensityMixin, DensityModel):  # type: ignore[misc]
    """log p(x) in nats, and samples, of an energy-based model.

    Of a matrix of up to 32 columns of known numbers the model is "ebm", p(x) proportional to
    exp(f(x)) N(x), a Gaussian fitted to X and a tilt of it by a network: its density is exact but
    for log Z. Of more columns, of categories, of missing values, and where an option of decoder,
    encoder or adapter or a latent dimension is given, it is "latent-ebm", p(z) p(x | z), whose
    density is an importance sampling estimate (a lower bound on average). Of categories and counts
    it is a probability.

    Args:
        family: "ebm", "latent-ebm", or "auto" as above.
        decoder: name of a decoder that takes examples, or a `Decoder`; of "latent-ebm", as are all
            arguments down to `latent_dim`. See `LatentEBMClassifier`.
        encoder: an `Encoder` to go with a `Decoder`; None for the one of the name.
        adapter_options: arguments of the adapter between X and x, such as {"missing": True}.
        decoder_options: arguments of the named decoder.
        encoder_options: arguments of the named encoder.
        latent_dim: dimension of z; None for that of X, at most 10.
        prior_hidden: widths of the hidden layers of f; None for (64, 64) of a matrix below 1,000
            rows, else (200, 200).
        energy_l2: penalty of the mean square of f; None for 3 over the number of rows.
        batch_size: examples of a step.
        learning_rate: of Adam, falling to 0 as a cosine; None for 0.003.
        max_iter: passes over the examples; None for 500 steps of "ebm" and 1,000 of
            "latent-ebm", and for at least 15 passes.
        refit_steps: updates of the prior after training, on fixed posterior codes, at most half as
            many as the training made; of "latent-ebm".
        draws: codes of an example that log p(x) is estimated from; of "latent-ebm".
        device: "cpu" or "cuda".
        random_state: seed or `RandomState` of all randomness.
        verbose: 1 for a progress bar, 2 for a line for each pass.

    Attributes:
        family_: "ebm" or "latent-ebm".
        model_: the `EBM` or `LatentEBM`.
        log_z_: log Z of the prior, an `Estimate` with its standard error, made when first used.
        history_: the mean of every term of the objective, a dictionary for each pass.
        n_iter_: passes made.
        n_features_in_: features, where X is a matrix.
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn p(x) from X (n, features); y is not used.

        Raises:
            ValueError: by scikit-learn's conventions, such as for NaN; and for one example.
        """
        with self._unchanged_by_errors():
            self._fit(X)
        return self

    @cached_property
    def log_z_(self) -> Estimate:
        """log Z of the prior by importance sampling, which annealed importance sampling confirms.

        Raises:
            UnsupportedEstimate: where the two disagree or rest on too few draws.
        """
        check_is_fitted(self, "model_")
        generator = torch.Generator(self.device).manual_seed(seed_of(self.random_state))
        return checked_log_z(self.model_.prior, n_samples=DRAWS, generator=generator)[0]

    @plain_errors()
    def score_samples(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """log p(x) of each example, (n,) in nats, of the units of X.

        Raises:
            UnsupportedEstimate: where log Z is not known well enough for a figure; the ranking of
                examples needs none, see `LatentEBMDetector`.
        """
        value: NDArray[np.float64] = self._tilted(X) - float(self.log_z_)
        return value

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """The mean of log p(x) over examples, as of `GaussianMixture`; y is not used."""
        return float(self.score_samples(X).mean())
