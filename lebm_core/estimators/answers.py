"""What a trained `LatentEBMClassifier` answers: classes, codes, samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from lebm_core.estimators import prediction
from lebm_core.estimators.base import ModelEstimator
from lebm_core.estimators.fitting import seed_of
from lebm_core.estimators.frames import Columns
from lebm_core.estimators.inputs import number_of_samples, plain_errors
from lebm_core.estimators.labels import accuracy, ids_of
from lebm_core.estimators.sampling import SamplingPrior
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["Answers"]


class Answers(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    ModelEstimator,
):
    """Predictions, codes and samples of a model that `fit` has trained.

    Attributes:
        classes_, model_, adapter_: as `fit` left them.
    """

    unlabelled: Any
    classes_: NDArray[Any]
    _noise: Tensor
    _sampling: SamplingPrior
    _columns: Columns | None
    _modules = ("model_", "_sampling")

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
        """Draw n examples from the model, in the form of X: of a DataFrame with its columns.

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
        model = LatentEBM(self._sampling(), self.model_.decoder)
        x = self.adapter_.inverse_transform(model.sample(n, y=ids, generator=generator).cpu())
        return x if self._columns is None else self._columns.table(x)
