"""Outliers by the density of an energy-based model, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin

from lebm_core.base.checks import positive
from lebm_core.errors import UsageError
from lebm_core.estimators.inputs import plain_errors
from lebm_core.estimators.unsupervised.density_model import DensityModel
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder

__all__ = ["LatentEBMDetector"]


class LatentEBMDetector(OutlierMixin, DensityModel):  # type: ignore[misc]
    """An outlier is an example of low log p(x); log Z is the same for all, and not needed.

    So the model is "ebm" up to 500 columns of known numbers, and else as of `LatentEBMDensity`.

    Two contracts name the same things and disagree. In scikit-learn scores are high for what is
    normal, `predict` gives 1 for an inlier and -1 for an outlier; in pyod scores are high for what
    is abnormal, and `predict` gives 0 and 1. `decision_function`, `score_samples` and `predict` are
    scikit-learn's here. What pyod alone has is as pyod has it: `decision_scores_`, `threshold_` and
    `labels_` of the training's examples.

    Args:
        contamination: share of outliers among the training's examples, above 0 and up to 0.5: as
            many are called outliers.
        family, decoder, encoder, adapter_options, decoder_options: of the density, see
            `LatentEBMDensity`.
        encoder_options, latent_dim, prior_hidden, energy_l2, batch_size: likewise.
        learning_rate, max_iter, refit_steps, draws, device, random_state, verbose: likewise.

    Attributes:
        offset_: log p(x) + log Z below which an example is an outlier.
        decision_scores_: (n,) of the training's examples, -log p(x) - log Z: high is abnormal.
        threshold_: -`offset_`, the decision score above which an example is an outlier.
        labels_: (n,) of the training's examples, 1 for an outlier and 0 for an inlier.
        family_, model_, history_, n_iter_, n_features_in_: see `LatentEBMDensity`.
    """

    _most_dimensions = 500  # no log Z is needed

    def __init__(
        self,
        contamination: float = 0.1,
        *,
        family: str = "auto",
        decoder: str | Decoder = "tabular",
        encoder: Encoder | None = None,
        adapter_options: Mapping[str, Any] | None = None,
        decoder_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        latent_dim: int | None = None,
        prior_hidden: tuple[int, ...] | None = None,
        energy_l2: float | None = None,
        batch_size: int = 200,
        learning_rate: float | None = None,
        max_iter: int | None = None,
        refit_steps: int = 1000,
        draws: int = 100,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        super().__init__(
            family, decoder=decoder, encoder=encoder, adapter_options=adapter_options,
            decoder_options=decoder_options, encoder_options=encoder_options,
            latent_dim=latent_dim, prior_hidden=prior_hidden, energy_l2=energy_l2,
            batch_size=batch_size, learning_rate=learning_rate, max_iter=max_iter,
            refit_steps=refit_steps, draws=draws, device=device, random_state=random_state,
            verbose=verbose,
        )  # fmt: skip
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn p(x) from X, mostly inliers, and the threshold; y is not used.

        Raises:
            ValueError: as `LatentEBMDensity.fit`, and for a contamination that cannot be.
        """
        with self._unchanged_by_errors():
            positive("contamination", self.contamination)
            if self.contamination > 0.5:
                raise UsageError(
                    f"contamination = {self.contamination:g} is too large; use a share up to 0.5."
                )
            normal = self._fit(X).numpy()
            self.offset_ = float(np.percentile(normal, 100 * self.contamination))
            self.threshold_, self.decision_scores_ = -self.offset_, -normal
            self.labels_ = (normal < self.offset_).astype(int)
        return self

    @plain_errors()
    def score_samples(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """log p(x) + log Z of each example, (n,): high is normal."""
        return self._tilted(X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """`score_samples` less `offset_`, (n,): below 0 for outliers."""
        value: NDArray[np.float64] = self.score_samples(X) - self.offset_
        return value

    def predict(self, X: Any) -> NDArray[np.int64]:  # noqa: N803
        """1 for an inlier and -1 for an outlier, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)
