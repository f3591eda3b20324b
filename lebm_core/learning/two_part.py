"""The rule "two-part": one rule teaches decoder and encoder, another the prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, within
from lebm_core.base.modules import Configured
from lebm_core.data.dataset import Batch, Dataset
from lebm_core.data.labels import Labelled, choose_labelled, labels_of
from lebm_core.errors import UsageError
from lebm_core.latent.inference import LearnedInference
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.cluster_init import check_clusters, init_classes
from lebm_core.learning.drift import Monitor
from lebm_core.learning.properties import check_properties, fit_properties
from lebm_core.learning.refit import Refit, check_refit, refit
from lebm_core.learning.rules import DecoderRule, Outcome, PriorRule, Rule
from lebm_core.learning.symbol import Symbols
from lebm_core.priors.protocols import Tilted
from lebm_core.registry.parts import Part, Table, arguments, make, table_of

__all__ = ["TwoPart"]

Given = Mapping[str, Any] | str | None  # a part by its table, its name, or its default
DECODER = Part("learning_rules", "variational", prefix="decoder.")
PRIOR = Part("learning_rules", "density-ratio", prefix="prior.")
NO_SYMBOLS, NO_REFIT = Symbols(), Refit()


class TwoPart(Configured, Rule):
    """Learns in two independent halves: how the decoder learns, and how the prior learns.

    Args:
        decoder: the decoder rule, registered as "decoder.NAME"
        prior: the prior rule, registered as "prior.NAME"
        symbols: what a coupled prior learns about classes
        refit: how the prior is refitted after training
        properties: properties of the examples that heads are fitted to after training, so that
            samples can be controlled by them
        prior_start: share of the training before the prior starts to learn; 1: only a refit
            teaches it
        drift_limit: warn where f(posterior) - f(chain) exceeds this many nats; stop at ten times it

    Attributes:
        monitor: run a chain of the prior once in a while, to log f on it, where the rule runs none.

    Raises:
        UsageError: for an unknown rule, or options that are not possible.
    """

    monitor = True

    def __init__(
        self,
        decoder: Annotated[DecoderRule | Given, DECODER] = None,
        prior: Annotated[PriorRule | Given, PRIOR] = None,
        symbols: Annotated[Symbols, Table()] = NO_SYMBOLS,
        refit: Annotated[Refit, Table()] = NO_REFIT,
        properties: Sequence[str] = (),
        prior_start: float = 0.0,
        drift_limit: float = 5.0,
    ) -> None:
        within("learning.prior_start", prior_start, 0, 1)
        at_least("learning.drift_limit", drift_limit, 0)
        self.decoder: DecoderRule = make(DECODER, decoder)
        self.prior: PriorRule = make(PRIOR, prior)
        self.remember(decoder=table_of(DECODER, self.decoder), prior=table_of(PRIOR, self.prior))
        self.symbols: Symbols = _table(Symbols, symbols, "learning.symbols")
        self.refit: Refit = _table(Refit, refit, "learning.refit")
        self.remember(symbols=self.symbols, refit=self.refit)
        self.properties, self.prior_start = list(properties), prior_start
        if self.decoder.uses_tilt and not self.prior.trains:
            raise UsageError(
                'learning.prior.name = "none" needs a decoder rule without the tilt; use '
                'learning.decoder.name = "variational" with learning.decoder.encoder_tilt = 0, '
                "because f is not trained and must not affect the encoder."
            )
        if self.refit.classes == "clusters" and not (self.symbols.clusters and self.refit.steps):
            raise UsageError(
                'learning.refit.classes = "clusters" needs learning.symbols.clusters, how many, '
                "and learning.refit.steps."
            )
        self.figures = Monitor(drift_limit)
        self.model: LatentModel | None = None
        self.labelled: Labelled | None = None
        self.waiting: tuple[Dataset, int] | None = None  # data and seed, until classes are made
        self.seed = 0

    def check(self, model: LatentModel) -> None:
        """Refuse a model that these rules cannot teach.

        Raises:
            UsageError: without an encoder that the decoder rule needs, for a rule that learns no
                labels, or a prior that cannot be refitted or begin with clusters.
        """
        if self.decoder.needs_encoder and model.latent_dim and model.encoder is None:
            raise UsageError(
                f"{type(self.decoder).__name__} (learning.decoder.name) needs an encoder: set "
                'encoder.name, or use learning.decoder.name = "mcmc".'
            )
        if model.prior.n_classes and not self.decoder.learns_labels:
            raise UsageError(
                f"{type(self.decoder).__name__} (learning.decoder.name) learns no labels, which a "
                'coupled prior needs; use "variational" or "mcmc".'
            )
        if isinstance(model.inference, LearnedInference) and not self.decoder.learns_inference:
            raise UsageError(
                f"{type(model.inference).__name__} (inference.name) is not taught by "
                f"{type(self.decoder).__name__} (learning.decoder.name); use "
                'inference.name = "amortized" beside it, or learning.decoder.name = "mcmc".'
            )
        self.prior.check(model.prior)
        if self.refit.steps and isinstance(model.prior, Tilted):
            check_refit(model.prior, self.refit)
        if self.symbols.clusters:
            check_clusters(model, self.symbols.clusters)

    def prepare(self, model: LatentModel, dataset: Dataset, seed: int) -> None:
        """Choose the examples that keep their label; refuse what cannot be learned.

        Args:
            model: a prior without classes needs no labels.
            dataset: its training split.
            seed: of the choice.

        Raises:
            UsageError: where labels cannot be learned (too many classes, or a rule without them),
                the prior cannot be refitted, or the data set does not give a property.
        """
        self.check(model)
        check_properties(model, dataset, self.properties)
        self.seed = seed
        classes, known = dataset.sizes.get("n_classes", 0), model.prior.n_classes
        if known and classes > known:
            raise UsageError(
                f"prior.n_classes = {known} is less than the {classes} classes of the data; use "
                f"{classes}, or leave it out."
            )
        clusters = self.symbols.clusters
        if clusters:
            if classes and self.symbols.weight:
                raise UsageError(
                    f"learning.symbols.clusters = {clusters} is for data without classes; use 0, "
                    "or learning.symbols.weight = 0."
                )
            self.waiting = dataset, seed
        if known and self.symbols.labels:
            rows = choose_labelled(labels_of(dataset, "train"), self.symbols.labels, seed)
            size = self.symbols.labelled_batch
            self.labelled = Labelled(dataset, rows, size, dataset.weights)

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        self.model = model
        if self.waiting is not None and progress >= self.decoder.warmup:
            init_classes(model, self.waiting[0], self.symbols.clusters, self.waiting[1])
            self.waiting = None
        if self.labelled is not None:  # the other labels are hidden
            batch = batch._replace(y=None, labelled=self.labelled.draw(generator, model.device))
        codes = self.decoder(model, batch, self.symbols, progress, generator)
        losses, metrics = dict(codes.losses), dict(codes.metrics)
        if progress >= self.prior_start and model.latent_dim:
            rest = 1 - self.prior_start
            own = (progress - self.prior_start) / rest if rest else 1.0
            y = batch.y if model.prior.n_classes and self.symbols.weight else None
            tilt = self.prior(model.prior, codes.z, batch.context, own, generator, y)
            losses["prior"] = tilt.loss
            metrics.update(tilt.metrics)
            if self.monitor and self.prior.trains:
                chain = self.figures.chain(model.prior, codes.z, batch.context, generator, metrics)
                metrics.update(chain)
        metrics.update(self.figures.codes(codes.z))
        self.figures.calls += 1
        return Outcome({k: v for k, v in losses.items() if v.requires_grad}, metrics)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """A message for each sign of drift in the metrics of a step, and those of the decoder rule.

        Raises:
            DivergenceError: where the training must stop.
        """
        return [*self.figures.warnings(metrics), *self.decoder.warnings(metrics)]

    def finish(
        self,
        model: LatentModel,
        dataset: Dataset,
        generator: torch.Generator | None = None,
        log: Callable[[str], None] = print,
        share: float = 1.0,
    ) -> None:
        """Learn what is learned from fixed posterior codes: the prior, and property heads."""
        if model.latent_dim:
            known = None if self.labelled is None else self.labelled.rows
            if not self.symbols.weight:  # labels without weight are not learned here either
                known = torch.zeros(0, dtype=torch.long)
            if self.refit.steps and self.refit.classes == "clusters":
                init_classes(model, dataset, self.symbols.clusters, self.seed)
            options = replace(self.refit, steps=math.ceil(share * self.refit.steps))
            refit(
                model, dataset, options, drift_limit=self.figures.guard.limit, known=known,
                generator=generator, log=log,
            )  # fmt: skip
        if self.properties:
            fit_properties(model, dataset, self.properties, generator, log)

    def state_dict(self) -> dict[str, Tensor]:
        """Chains and counters, for a checkpoint."""
        state = {f"prior.{k}": v for k, v in self.prior.state_dict().items()}
        if self.model is not None and not isinstance(self.model.inference, LearnedInference):
            inference = self.model.inference.state_dict()
            state |= {f"inference.{k}": v for k, v in inference.items()}
        if self.symbols.clusters:
            state["classes_made"] = torch.tensor(self.waiting is None)
        return {**state, **{f"monitor.{k}": v for k, v in self.figures.state_dict().items()}}

    def load_state_dict(self, state: dict[str, Tensor], model: LatentModel | None = None) -> None:
        """Restore what `state_dict` returned; `model` is needed where inference keeps chains."""
        self.figures.load_state_dict(_under(state, "monitor."))
        if bool(state.get("classes_made", False)):
            self.waiting = None
        self.prior.load_state_dict(_under(state, "prior."))
        if model is not None:
            self.model = model
            if not isinstance(model.inference, LearnedInference):  # the model has its weights
                model.inference.load_state_dict(_under(state, "inference."))


def _table(of: type, given: Any, label: str) -> Any:
    """A dataclass of options, made where it is given as a table."""
    if isinstance(given, Mapping):
        return of(**arguments(of, given, {}, label))
    return given


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
