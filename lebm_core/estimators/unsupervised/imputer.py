"""Missing values of a table, filled in by a latent energy-based model, as a transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from lebm_core.base.checks import choice, share, whole
from lebm_core.estimators.arguments import check_arguments
from lebm_core.estimators.base import ModelEstimator
from lebm_core.estimators.fitting import is_narrow, learn, seed_of
from lebm_core.estimators.frames import Columns
from lebm_core.estimators.inputs import matrix, not_empty, plain_errors
from lebm_core.estimators.parts import make_adapter, make_model, make_rule
from lebm_core.estimators.unsupervised.density_model import (
    at_least_two,
    unlabelled,
    with_its_sampling_prior,
)
from lebm_core.estimators.unsupervised.evidence import completed
from lebm_core.estimators.unsupervised.hiding import HidingEncoder
from lebm_core.estimators.unsupervised.models import chosen, learn_scale
from lebm_core.learning.two_part import NO_SYMBOLS
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["LatentEBMImputer"]


class LatentEBMImputer(
    OneToOneFeatureMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    ModelEstimator,
):
    """Fill in NaN by p(missing values | known values), of numbers and of categories.

    The model p(z) p(x | z) is learned from the known values alone. Given those of a row, codes are
    drawn from q(z | known) and weighted by importance (Mattei and Frellsen 2019, arXiv 1812.02633):
    a number becomes its conditional mean and a category the likeliest one, or both a draw. Columns
    of words are categories, as of `LatentEBMClassifier`. Known values are left as they are.

    Args:
        strategy: "mean", or "draw" for one draw; `multiple` gives several.
        adapter_options: arguments of the adapter between X and x, such as {"categories": ["zip"]}.
        decoder_options: arguments of the decoder "tabular".
        encoder_options: arguments of its encoder.
        latent_dim: dimension of z; None for that of x, at most 10.
        prior_hidden: widths of the hidden layers of f; None as of `LatentEBMDensity`.
        hidden_share: largest share of a row's known values that the training hides from the
            encoder, so that it learns to answer for any pattern.
        kl_weight: weight of KL(q(z | x) || p(z)) in the bound of log p(x).
        batch_size: examples of a step.
        learning_rate: of Adam, falling to 0 as a cosine; None for 0.003.
        max_iter: passes over the examples; None for 1,000 steps, and for at least 15 passes.
        refit_steps: updates of the prior after training, on fixed posterior codes.
        draws: codes of a row that its mean is over, or a draw is from.
        device: "cpu" or "cuda".
        random_state: seed or `RandomState` of all randomness.
        verbose: 1 for a progress bar, 2 for a line for each pass.

    Attributes:
        model_, history_, n_iter_, n_features_in_: as of `LatentEBMDensity`.
    """

    _noise: Tensor
    _columns: Columns | None

    def __init__(
        self,
        strategy: str = "mean",
        *,
        adapter_options: Mapping[str, Any] | None = None,
        decoder_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        latent_dim: int | None = None,
        prior_hidden: tuple[int, ...] | None = None,
        hidden_share: float = 0.5,
        kl_weight: float = 1.0,
        batch_size: int = 200,
        learning_rate: float | None = None,
        max_iter: int | None = None,
        refit_steps: int = 1000,
        draws: int = 100,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.strategy, self.adapter_options = strategy, adapter_options
        self.decoder_options, self.encoder_options = decoder_options, encoder_options
        self.latent_dim, self.prior_hidden = latent_dim, prior_hidden
        self.hidden_share, self.kl_weight, self.batch_size = hidden_share, kl_weight, batch_size
        self.learning_rate, self.max_iter, self.refit_steps = learning_rate, max_iter, refit_steps
        self.draws, self.device = draws, device
        self.random_state, self.verbose = random_state, verbose

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn from the known values of X (n, columns); y is not used.

        Raises:
            ValueError: by scikit-learn's conventions; and for a column without a known value.
        """
        with self._unchanged_by_errors():
            self._fit(X)
        return self

    @plain_errors()
    def transform(self, X: Any) -> Any:  # noqa: N803
        """X (n, columns) without NaN: an array, of objects where X has words.

        With `set_output(transform="pandas")` a DataFrame, whose columns have the types of X's.
        """
        check_is_fitted(self)
        generator = self._generator(self.random_state) if self.strategy == "draw" else None
        return self._filled(X, generator)

    @plain_errors()
    def multiple(
        self,
        X: Any,  # noqa: N803
        n: int = 5,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> list[Any]:
        """n tables with a draw in each missing cell, for multiple imputation.

        A DataFrame gives DataFrames, an array arrays.

        Args:
            X: (rows, columns).
            n: how many.
            random_state: seed of the draws; None for that of the estimator.
        """
        check_is_fitted(self)
        n, frame = whole("n", n, 1), Columns.of(X) is not None
        generator = self._generator(self.random_state if random_state is None else random_state)
        return [self._filled(X, generator, frame=frame) for _ in range(n)]

    def _fit(self, X: Any) -> None:  # noqa: N803
        given = self.get_params(deep=False)
        check_arguments(given, ("latent_dim",))
        choice("strategy", self.strategy, ("mean", "draw"))
        share("hidden_share", self.hidden_share)
        options = {**(self.adapter_options or {}), "missing": True}
        parts = {"decoder": "tabular", "encoder": None, "adapter_options": options}
        given = {**given, **parts}
        adapter, columns = make_adapter(given), Columns.of(X)
        table = matrix(self, X, adapter, reset=True)
        at_least_two(table)
        empty = np.isnan(table).all(0)
        if empty.any():
            place = int(empty.argmax())
            name = getattr(self, "feature_names_in_", range(len(empty)))[place]
            raise ValueError(f"The column {name} has no known value: leave it out.")
        data = unlabelled(adapter.fit(table), table)
        learn_scale(adapter, "tabular")
        given = chosen(given, adapter, len(data))

        def make() -> LatentEBM:
            model = make_model(given, adapter, 0, data)
            encoder = HidingEncoder(model.need_encoder("An imputer"), self.hidden_share)
            return LatentEBM(model.prior, model.decoder, encoder)

        learned = learn(
            given, make, make_rule(given, NO_SYMBOLS), data,
            seed=seed_of(self.random_state), narrow=is_narrow(adapter),
        )  # fmt: skip
        self.adapter_, self._columns, self._noise = adapter, columns, learned.noise
        self.model_ = with_its_sampling_prior(learned)
        self.history_, self.n_iter_, self._rows = learned.terms, len(learned.terms), len(data)

    def _generator(self, state: int | np.random.RandomState | None) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed_of(state))

    def _filled(
        self,
        X: Any,  # noqa: N803
        generator: torch.Generator | None,
        *,
        frame: bool = False,
    ) -> Any:
        """X with its missing cells filled in, by the mean where there is no generator."""
        table = matrix(self, X, self.adapter_, reset=False)
        holes = np.isnan(table)
        x = not_empty(self.adapter_.transform(table))
        full = self.adapter_.inverse_transform(completed(x, self.model_, self._noise, generator))
        wanted = frame or _get_output_config("transform", self)["dense"] == "pandas"
        if wanted and self._columns is not None and Columns.of(X) is not None:
            return _patched(X, self._columns.table(full), holes)
        if full.dtype != object:
            return np.where(holes, full, table)
        cells = np.array(X, dtype=object)
        cells[holes] = full[holes]
        return cells

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _patched(frame: Any, full: Any, holes: NDArray[np.bool_]) -> Any:
    """A DataFrame with the cells of another in its holes; columns without one stay as they are."""
    done = frame.copy()
    full.index = frame.index
    for i in np.flatnonzero(holes.any(0)):
        done.isetitem(i, done.iloc[:, i].where(~holes[:, i], full.iloc[:, i]))
    return done
