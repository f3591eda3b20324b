"""What all estimators share: a fit that leaves nothing half done, their X, pickles and repr."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from lebm_core.data.adapters import Examples, InputAdapter
from lebm_core.estimators.inputs import matrix, not_empty, plain_errors
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["ModelEstimator"]


class ModelEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator whose `fit` trains a model of x, by scikit-learn's conventions.

    Attributes:
        model_: the model.
        adapter_: between X and the x of the model.
        history_: the mean of every term of the objective, a dictionary for each pass.
        n_iter_: passes made.
    """

    device: str
    random_state: int | np.random.RandomState | None
    model_: LatentEBM
    adapter_: InputAdapter
    history_: list[dict[str, float]]
    n_iter_: int
    _modules: ClassVar[tuple[str, ...]] = ("model_",)  # attributes that are on a device
    _rows: int

    @contextmanager
    def _unchanged_by_errors(self) -> Iterator[None]:
        """A scope after whose failure, an interrupt too, the estimator is as it was before."""
        before = dict(self.__dict__)
        try:
            with plain_errors():
                yield
        except BaseException:
            self.__dict__ = before
            raise

    def _x(self, X: Any) -> Examples:  # noqa: N803
        """New examples as the model takes them; NotFittedError before a fit."""
        check_is_fitted(self)
        if self.adapter_.vectors:
            X = matrix(self, X, self.adapter_, reset=False)  # noqa: N806
        return not_empty(self.adapter_.transform(X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        decoder, options = self.get_params(deep=False).get("decoder", "tabular"), "adapter_options"
        of_numbers = isinstance(decoder, str) and decoder == "tabular"
        tags.input_tags.two_d_array = of_numbers
        given = getattr(self, options, None) or {}
        tags.input_tags.allow_nan = of_numbers and bool(given.get("missing"))
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """A pickle is on the CPU: whoever reads it may have no GPU."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state and self.device != "cpu":
            for name in self._modules:
                state[name] = copy.deepcopy(state[name]).cpu()
            state["device"] = "cpu"
        return state

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:  # noqa: N803
        """The arguments that are not at their default, and what a fit has learned from."""
        made = str(super().__repr__(N_CHAR_MAX))
        if "n_iter_" not in self.__dict__:
            return made
        d = f", d = {self.n_features_in_}" if hasattr(self, "n_features_in_") else ""
        return f"{made} fitted to n = {self._rows}{d}, epochs = {self.n_iter_}"
