"""Classification from few labels and many examples without one, as a scikit-learn estimator.

The model is p(y, z) p(x | z) with p(y, z) proportional to exp(F_y(z)) p0(z), from Pang and Wu 2021,
arXiv 2108.11556. What a step makes large is the mean of the bound of log p(x) over a batch, plus,
each with its weight, the mean of E_q log p(y | z) over labelled examples, I(z; y), the smoothness
of p(y | x), and its agreement with p(y | part of x).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
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
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data
from torch import Tensor
from torch.nn.functional import one_hot

from lebm_core.base.randomness import normal_like
from lebm_core.data.adapters import Examples, Inputs
from lebm_core.estimators.arguments import check_arguments, make_inputs, make_model
from lebm_core.estimators.labels import class_ids, held_out
from lebm_core.estimators.training import LabelledExamples, train_classifier
from lebm_core.latent.codes import likeliest
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.refit import FINISH_CODES, FINISH_PASSES
from lebm_core.learning.tilt_refit import finish_tilt
from lebm_core.learning.two_part import TILT_RULES
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.coupled import CoupledPrior

__all__ = ["LatentEBMClassifier"]

AT_ONCE = 500  # examples of a prediction
CODE_POOL = 256  # recent codes that the tilt learns from beside those of a step
STEPS, FEWEST_PASSES, MOST_PASSES = 2_000, 15, 100  # of a training whose length is not given


class LatentEBMClassifier(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    ClassifierMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A classifier, a generator and a transformer to latent codes, learned from few labels.

    Args:
        decoder: name of a decoder that takes examples ("tabular" for matrices, "tabular.bag" for
            counts of words, "text.lstm" and "text.bag" for texts, "images.conv", ...), or a
            `Decoder`, whose x is then X as it is.
        encoder: an `Encoder` to go with a `Decoder`; None for the one of the name.
        input_options: arguments of the inputs of the named decoder, such as {"scaling": "all"},
            or {"missing": True} where NaN in a matrix is a missing value.
        decoder_options: arguments of the named decoder, such as {"hidden": [500, 500]}.
        encoder_options: arguments of the named encoder.
        latent_dim: dimension of z.
        prior_hidden: widths of the hidden layers of F(z).
        label_weight: weight of E_q log p(y | z) of the labelled examples.
        mutual_information: weight of I(z; y), which makes classes distinct and of equal size.
        smoothness: weight of virtual adversarial smoothness of p(y | x) (x of real numbers, or
            words, of which the embedding is moved); None for what suits the kind of X.
        smoothness_radius: how far it is to be smooth: root mean square of the change of x, or the
            length of the embedding's change over that of an average word; None likewise.
        consistency: weight of p(y | x) being the same with part of x hidden, which spreads what
            few labels say of some words to those that stand with them.
        consistency_hidden: share that is hidden, of words, of an image as a square, else of the
            entries of x.
        kl_weight: weight of KL(q(z | x) || p(z)) in the bound of log p(x).
        batch_size: examples of a step.
        labelled_batch: labelled examples of a step, beside them.
        learning_rate: of Adam, falling to 0 as a cosine.
        max_iter: passes over the examples; None for about 2,000 steps, at least 15 passes and at
            most 100.
        early_stopping: hold out `validation_fraction` of the labelled examples, stop when their
            log-likelihood has not grown for `n_iter_no_change` passes, and keep the best weights.
        validation_fraction: share of the labelled examples.
        n_iter_no_change: passes.
        finish_steps: updates of a copy of the prior after training, on codes that no longer move,
            but no more than the training made; samples are drawn from it, predictions are not.
        draws: codes of an example that p(y | x) is the mean over.
        unlabelled: the value of y that means no label; None where every example has one.
        device: "cpu" or "cuda".
        random_state: seed or `RandomState` of all randomness.
        verbose: print a line for each pass.

    Attributes:
        classes_: (C,) labels, sorted.
        model_: the `LatentEBM`.
        history_: a dictionary of means for each pass: every term of the objective.
        n_iter_: passes made.
        n_features_in_: features, where X is a matrix.
    """

    def __init__(
        self,
        decoder: str | Decoder = "tabular",
        *,
        encoder: Encoder | None = None,
        input_options: Mapping[str, Any] | None = None,
        decoder_options: Mapping[str, Any] | None = None,
        encoder_options: Mapping[str, Any] | None = None,
        latent_dim: int = 10,
        prior_hidden: tuple[int, ...] = (200, 200),
        label_weight: float = 30.0,
        mutual_information: float = 10.0,
        smoothness: float | None = None,
        smoothness_radius: float | None = None,
        consistency: float = 0.0,
        consistency_hidden: float = 0.5,
        kl_weight: float = 1.0,
        batch_size: int = 200,
        labelled_batch: int = 64,
        learning_rate: float = 3e-3,
        max_iter: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        finish_steps: int = 1000,
        draws: int = 8,
        unlabelled: Any = -1,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.decoder = decoder
        self.encoder = encoder
        self.input_options = input_options
        self.decoder_options = decoder_options
        self.encoder_options = encoder_options
        self.latent_dim = latent_dim
        self.prior_hidden = prior_hidden
        self.label_weight = label_weight
        self.mutual_information = mutual_information
        self.smoothness = smoothness
        self.smoothness_radius = smoothness_radius
        self.consistency = consistency
        self.consistency_hidden = consistency_hidden
        self.kl_weight = kl_weight
        self.batch_size = batch_size
        self.labelled_batch = labelled_batch
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.finish_steps = finish_steps
        self.draws = draws
        self.unlabelled = unlabelled
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803
        """Learns from all of X, and from y where it is known.

        Args:
            X: (n, features), or n examples as the named decoder's inputs take them.
            y: (n,) labels, `unlabelled` where there is none.

        Raises:
            ValueError: by scikit-learn's conventions: NaN, lengths that differ, no label at all,
                one class only, labels that are real numbers.
        """
        before = dict(self.__dict__)
        try:
            return self._fit(X, y)
        except BaseException:  # an interrupt too leaves the estimator as it was
            self.__dict__ = before
            raise

    def _fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803
        check_arguments(self)
        inputs = make_inputs(self)
        if inputs.vectors:
            X = self._matrix(X, inputs)  # noqa: N806
        self.classes_, labels = class_ids(y, _num_samples(X), self.unlabelled)
        self.inputs_ = inputs.fit(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        x = self.inputs_.x(X)
        held = held_out(labels, self.validation_fraction, seed) if self.early_stopping else None
        data = LabelledExamples(x, labels if held is None else np.where(held, -1, labels))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model_ = make_model(self, self.inputs_, len(self.classes_), data).to(self.device)
            noise = torch.randn(-(-self.draws // 2), self.latent_dim)
            self._noise = torch.cat([noise, -noise])[: self.draws]
            checked = None if held is None else (x[held], torch.as_tensor(labels[held]))
            generator = torch.Generator(self.device).manual_seed(seed)
            self._train(data, generator, checked)
            self._sampling_prior = self._finished(data, generator)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """p(y | x), (n, C): the mean over a few draws of the code, the same draws for all."""
        return self._proba(self._x(X)).double().numpy()

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The likeliest class of each example, (n,)."""
        p = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[p.argmax(1)]
        return found

    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The mean of q(z | x), (n, latent_dim)."""
        return torch.cat([self._code(some).mean for some in self._whole(self._x(X))])[
            : _num_samples(X)
        ].double().numpy()  # fmt: skip

    def sample(
        self, n: int = 1, y: Any = None, *, random_state: int | np.random.RandomState | None = None
    ) -> Any:
        """n examples drawn from the model, as X is.

        Args:
            n: how many.
            y: the class of all, one of `classes_`, or (n,) classes; None for any.
            random_state: seed of the draws; None for that of the estimator.

        Raises:
            ValueError: for a class that was not learned.
        """
        check_is_fitted(self)
        if n < 1:
            raise ValueError(f"n = {n} must be at least 1.")
        wanted = None
        if y is not None:
            given = np.atleast_1d(np.asarray(y))
            if len(given) not in (1, n):
                raise ValueError(f"y has {len(given)} classes for {n} examples: give one, or {n}.")
            unknown = [label for label in given.tolist() if label not in self.classes_.tolist()]
            if unknown:
                known = ", ".join(map(str, self.classes_))
                raise ValueError(f"There is no class {unknown[0]!r}: known are {known}.")
            ids = [self.classes_.tolist().index(label) for label in given.tolist()]
            wanted = torch.tensor(ids, device=self.device).expand(n)
        state = self.random_state if random_state is None else random_state
        seed = int(check_random_state(state).randint(2**31 - 1))
        generator = torch.Generator(self.device).manual_seed(seed)
        finished = LatentEBM(self._sampling_prior, self.model_.decoder)
        return self.inputs_.original(finished.sample(n, y=wanted, generator=generator).cpu())

    @property
    def _n_features_out(self) -> int:
        return self.model_.latent_dim

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = False
        matrix = isinstance(self.decoder, str) and self.decoder == "tabular"
        tags.input_tags.two_d_array = matrix
        tags.input_tags.allow_nan = matrix and bool((self.input_options or {}).get("missing"))
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """A pickle is on the CPU: whoever reads it may have no GPU."""
        state: dict[str, Any] = super().__getstate__()
        if "model_" in state and self.device != "cpu":
            parts = ("model_", "_sampling_prior")
            moved = {name: copy.deepcopy(state[name]).cpu() for name in parts}
            state = {**state, **moved, "device": "cpu"}
        return state

    def _train(
        self,
        data: LabelledExamples,
        generator: torch.Generator,
        checked: tuple[Tensor, Tensor] | None,
    ) -> None:
        smooth, radius = self.inputs_.smoothness
        options = LearningOptions(
            kl_weight=self.kl_weight, kl_cycles=1, kl_rise=0.2, reference_samples=2,
            mutual_information=self.mutual_information, label_weight=self.label_weight,
            smoothness=smooth if self.smoothness is None else self.smoothness,
            smoothness_radius=radius if self.smoothness_radius is None else self.smoothness_radius,
            consistency=self.consistency, consistency_hidden=self.consistency_hidden,
            energy_l2=1e-4, code_pool=CODE_POOL,
        )  # fmt: skip
        batches = -(-len(data) // self.batch_size)
        self.history_ = train_classifier(
            self.model_, data, options,
            batch_size=self.batch_size, labelled_batch=self.labelled_batch,
            learning_rate=self.learning_rate, generator=generator,
            passes=self.max_iter or min(MOST_PASSES, max(FEWEST_PASSES, STEPS // batches)),
            validate=None if checked is None else lambda: self._likelihood(*checked),
            patience=self.n_iter_no_change, verbose=bool(self.verbose),
        )  # fmt: skip
        self.n_iter_ = len(self.history_)

    @torch.no_grad()
    def _codes(self, x: Examples, generator: torch.Generator) -> Tensor:
        """Draws of q(z | x), several of each example where there are few."""
        q = [self._code(some) for some in self._whole(x)]
        mean, std = torch.cat([p.mean for p in q]), torch.cat([p.stddev for p in q])
        mean, std = mean[: len(x)], std[: len(x)]
        times = min(FINISH_PASSES, -(-FINISH_CODES // len(x)))
        return torch.cat([mean + std * normal_like(mean, generator) for _ in range(times)])

    def _finished(self, data: LabelledExamples, generator: torch.Generator) -> CoupledPrior:
        """The prior that samples are drawn from: it learns again, from codes that no longer move.

        Predictions keep the prior of the training; this one learns p(z), and the likeliest class of
        each example.
        """
        x, y = data.x, data.y
        prior: CoupledPrior = copy.deepcopy(self.model_.prior)  # type: ignore[assignment]
        steps = min(self.finish_steps, self.n_iter_ * -(-len(x) // self.batch_size))
        if steps:
            options = LearningOptions(
                tilt="density-ratio", finish_steps=steps, finish_lr=1e-3, reference_samples=2,
                code_pool=0, energy_l2=1e-4,
            )  # fmt: skip
            rule, codes = TILT_RULES[options.tilt](options), self._codes(x, generator)
            p = torch.where((y >= 0)[:, None], one_hot(y.clamp(min=0), prior.n_classes),
                            self._proba(x))  # fmt: skip
            p = likeliest(p).repeat(len(codes) // len(x), 1).to(codes)
            finish_tilt(prior, codes, rule, options, generator, lambda line: None, p)
        return prior.eval()

    def _likelihood(self, x: Tensor, y: Tensor) -> float:
        """Mean log p(y | x) of held-out labels, nats."""
        self.model_.eval()
        p = self._proba(x)[torch.arange(len(y)), y]
        return float(p.clamp(min=1e-12).log().mean())

    def _x(self, X: Any) -> Examples:  # noqa: N803
        check_is_fitted(self)
        if self.inputs_.vectors:
            X = self._matrix(X, self.inputs_, reset=False)  # noqa: N806
        return self.inputs_.x(X)

    def _matrix(self, X: Any, inputs: Inputs, reset: bool = True) -> Any:  # noqa: N803
        """X by scikit-learn's conventions; NaN only where it is a missing value."""
        X = validate_data(  # noqa: N806
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        if not inputs.missing and np.isnan(X).any():
            raise ValueError(
                'Input X contains NaN: with input_options={"missing": True} it is a missing value.'
            )
        return X

    def _whole(self, x: Examples) -> Iterator[Tensor]:
        """Batches all of one size, the last filled up: no row's figures depend on the others'."""
        for rows in torch.arange(len(x)).split(AT_ONCE):
            some = x[rows]
            yield torch.cat([some, some[:1].expand(AT_ONCE - len(some), *some.shape[1:])])

    @torch.no_grad()
    def _code(self, x: Tensor) -> Any:
        return self.model_.need_encoder("A prediction")(x.to(self.model_.device))

    @torch.no_grad()
    def _proba(self, x: Examples) -> Tensor:
        found = []
        noise = self._noise.to(self.model_.device)
        for some in self._whole(x):
            q = self._code(some)
            z = q.mean + q.stddev * noise[:, None]
            logits = self.model_.prior.logits(z.flatten(0, 1))  # type: ignore[operator]
            found.append(logits.double().softmax(-1).unflatten(0, z.shape[:2]).mean(0))
        return torch.cat(found)[: len(x)].cpu()
