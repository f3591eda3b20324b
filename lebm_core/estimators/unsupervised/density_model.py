"""What the density and the detector share: a model of p(x), and log p(x) up to log Z."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples, check_is_fitted
from torch import Tensor

from lebm_core.data.adapters import InputAdapter
from lebm_core.estimators.arguments import check_arguments
from lebm_core.estimators.base import ModelEstimator
from lebm_core.estimators.examples import LabelledExamples
from lebm_core.estimators.fitting import Learned, is_narrow, learn, seed_of
from lebm_core.estimators.frames import Columns
from lebm_core.estimators.inputs import matrix, number_of_samples, plain_errors
from lebm_core.estimators.parts import make_adapter, make_model, make_rule
from lebm_core.estimators.unsupervised.evidence import log_tilted_density
from lebm_core.estimators.unsupervised.models import (
    chosen,
    data_space_rule,
    family_of,
    learn_scale,
    make_ebm,
)
from lebm_core.estimators.unsupervised.whitening import Whitening
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.learning.rules import Rule
from lebm_core.learning.two_part import NO_SYMBOLS
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["DensityModel", "at_least_two", "unlabelled", "with_its_sampling_prior"]


class DensityModel(ModelEstimator):
    """p(x) of an energy-based model; see `LatentEBMDensity` for the arguments."""

    family_: str
    _most_dimensions: ClassVar[int] = 32  # where log Z of a tilted Gaussian is within reach
    _noise: Tensor
    _columns: Columns | None

    def __init__(
        self,
        family: str = "auto",
        *,
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
        self.family, self.decoder, self.encoder = family, decoder, encoder
        self.adapter_options, self.decoder_options = adapter_options, decoder_options
        self.encoder_options, self.latent_dim = encoder_options, latent_dim
        self.prior_hidden, self.energy_l2, self.batch_size = prior_hidden, energy_l2, batch_size
        self.learning_rate, self.max_iter, self.refit_steps = learning_rate, max_iter, refit_steps
        self.draws, self.device = draws, device
        self.random_state, self.verbose = random_state, verbose

    @plain_errors()
    def sample(self, n: int = 1, *, random_state: int | np.random.RandomState | None = None) -> Any:
        """Draw n examples from the model, in the form of X: of a DataFrame with its columns.

        Args:
            n: how many.
            random_state: seed of the draws; None for that of the estimator.

        Raises:
            ValueError: for an n that cannot be.
        """
        check_is_fitted(self)
        n = number_of_samples(n, self.model_.latent_dim)
        state = self.random_state if random_state is None else random_state
        generator = torch.Generator(self.device).manual_seed(seed_of(state))
        x = self.adapter_.inverse_transform(self.model_.sample(n, generator=generator).cpu())
        return x if self._columns is None else self._columns.table(x)

    def _fit(self, X: Any) -> Tensor:  # noqa: N803
        """Learn from X; log p(x) + log Z of its examples, (n,)."""
        given = self.get_params(deep=False)
        check_arguments(given, ("latent_dim", "energy_l2"))
        adapter, columns = make_adapter(given), Columns.of(X)
        if adapter.vectors:
            X = matrix(self, X, adapter, reset=True)  # noqa: N806
        at_least_two(X)
        family = family_of(given, adapter.fit(X), self._most_dimensions)
        if family == "ebm":
            adapter = Whitening().fit(X)
        data, seed = unlabelled(adapter, X), seed_of(self.random_state)
        given = chosen(given, adapter, len(data), family)
        if family == "ebm":
            make: Any = partial(make_ebm, given, adapter.sizes["features"])
            rule: Rule = data_space_rule(given)
        else:
            learn_scale(adapter, self.decoder)
            make = partial(make_model, given, adapter, 0, data)
            rule = make_rule(given, NO_SYMBOLS)
        learned = learn(given, make, rule, data, seed=seed, narrow=is_narrow(adapter))
        self.__dict__.pop("log_z_", None)  # of a fit before
        self.family_, self.adapter_, self._columns = family, adapter, columns
        self.model_, self._noise = with_its_sampling_prior(learned), learned.noise
        self.history_, self.n_iter_, self._rows = learned.terms, len(learned.terms), len(data)
        return self._log_tilted(data.x)

    def _log_tilted(self, x: Any) -> Tensor:
        """log p + log Z of examples as the model takes them, in the units of X."""
        value = log_tilted_density(x, self.model_, self._noise)
        volume = [self.adapter_.log_volume(x[rows]) for rows in torch.arange(len(x)).split(5_000)]
        return value + torch.cat(volume).double()

    def _tilted(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        return self._log_tilted(self._x(X)).numpy()


def at_least_two(X: Any) -> None:  # noqa: N803
    """Refuse an X of one example, which has no spread.

    Raises:
        ValueError: saying how many it has.
    """
    n = _num_samples(X)
    if n < 2:
        raise ValueError(f"X has n_samples = {n}: at least two examples are needed.")


def unlabelled(adapter: InputAdapter, X: Any) -> LabelledExamples:  # noqa: N803
    """X as the training's examples."""
    x = adapter.transform(X)
    return LabelledExamples(x, np.full(len(x), -1, dtype=np.int64))


def with_its_sampling_prior(learned: Learned) -> LatentEBM:
    """The model with its refitted prior, so that it has the density that it draws from."""
    if not learned.model.observed:
        learned.model.prior = learned.sampling()
    return learned.model.eval()
