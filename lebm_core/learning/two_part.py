"""Learning in two independent halves: how the decoder learns, and how the tilt learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.baselines.autoencoder import autoencoder
from lebm_core.baselines.no_tilt import NoTilt
from lebm_core.chains.diagnostics import step_size_warning
from lebm_core.data.dataset import Batch, Dataset
from lebm_core.data.labels import Labelled, choose_labelled, labels_of
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.learning.cluster_init import check_class_start, start_classes
from lebm_core.learning.contrastive import PersistentChains, ShortRunChains
from lebm_core.learning.density_ratio import DensityRatio
from lebm_core.learning.drift import DriftGuard
from lebm_core.learning.mcmc import mcmc
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.properties import check_properties, fit_properties
from lebm_core.learning.refit import finish_prior
from lebm_core.learning.rules import Codes, Outcome
from lebm_core.learning.tilt_refit import check_finish
from lebm_core.learning.variational import variational
from lebm_core.priors.ebm import EBMPrior

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["DECODER_RULES", "Learning", "TILT_RULES"]

DecoderRule = Callable[..., Codes]
DECODER_RULES: dict[str, DecoderRule] = {
    "mcmc": mcmc,
    "variational": variational,
    "autoencoder": autoencoder,
}
TILT_RULES: dict[str, Callable[[LearningOptions], Any]] = {
    "density-ratio": DensityRatio,
    "short-run": ShortRunChains,
    "persistent": PersistentChains,
    "none": NoTilt,
}
LEAST = {
    "labels": 0, "labelled_batch": 1, "label_weight": 0, "mutual_information": 0, "smoothness": 0,
    "smoothness_radius": 0, "consistency": 0, "consistency_hidden": 0,
    "class_start": 0,
}  # fmt: skip
MONITOR_EVERY = 50  # updates between two chains run only to watch f(chain), density ratio
MOMENT_DECAY = 0.98
STEP_CHECK_EVERY, STEP_CHECK_CODES = 500, 32  # updates between two looks at the curvature


class Learning:
    """The pair of rules that a recipe's [learning] table names.

    Args:
        options: which rules, and their weights.
        monitor: now and then run a chain on the prior, to look at, where the rule runs none.

    Raises:
        UsageError: for an unknown rule.
    """

    def __init__(self, options: LearningOptions, *, monitor: bool = True) -> None:
        for key, value, known in (
            ("decoder", options.decoder, list(DECODER_RULES)),
            ("tilt", options.tilt, list(TILT_RULES)),
            ("finish_classes", options.finish_classes, ["likeliest", "soft", "clusters"]),
            ("finish_tilt", options.finish_tilt, [rule for rule in TILT_RULES if rule != "none"]),
        ):
            if value not in known:
                raise UsageError(
                    f'Unknown learning.{key} "{value}": accepted are {", ".join(known)}.'
                    + did_you_mean(value, known)
                )
        for key, least in LEAST.items():
            if getattr(options, key) < least:
                raise UsageError(
                    f"learning.{key} = {getattr(options, key)} must be at least {least}."
                )
        if options.finish_classes == "clusters":
            if not options.class_start or not options.finish_steps:
                raise UsageError(
                    'learning.finish_classes = "clusters" needs learning.class_start, how many, '
                    "and learning.finish_steps."
                )
        if options.consistency_hidden >= 1:
            raise UsageError(
                f"learning.consistency_hidden = {options.consistency_hidden} must be below 1: "
                "something has to be seen."
            )
        self.options, self.monitor = options, monitor
        self.decoder_rule = DECODER_RULES[options.decoder]
        self.tilt_rule = TILT_RULES[options.tilt](options)
        self.guard = DriftGuard(options.drift_limit)
        self.model: LatentEBM | None = None
        self.labelled: Labelled | None = None
        self.calls = 0
        self.clustered: tuple[Dataset, int] | None = None  # data and seed, until classes begin
        self.seed = 0
        self.step_said: str | None = None
        self.moments: Tensor | None = None  # running mean and mean square of the codes, (2, d)

    def prepare(self, model: LatentEBM, dataset: Dataset, seed: int) -> None:
        """Chooses the examples that keep their label; sees that the data set has what is learned.

        Args:
            model: a prior without classes needs no labels.
            dataset: its training split.
            seed: of the choice.

        Raises:
            UsageError: where labels cannot be learned (too many classes, or a rule without them),
                or the data set does not give a property.
        """
        check_properties(model, dataset, self.options.properties)
        self.seed = seed
        classes, known = dataset.sizes.get("n_classes", 0), model.prior.n_classes
        if known and self.options.decoder == "autoencoder":
            raise UsageError(
                'learning.decoder = "autoencoder" learns no labels: a coupled prior needs '
                '"variational" or "mcmc".'
            )
        if self.options.finish_steps and model.prior.context_dim:
            check_finish(self.options)
        if known and classes > known:
            raise UsageError(
                f"The data set has {classes} classes, the prior {known}: set prior.n_classes to "
                f"{classes}, or leave it to the data."
            )
        if self.options.class_start:
            check_class_start(model, self.options.class_start)
            if classes and self.options.label_weight:
                raise UsageError(
                    f"learning.class_start = {self.options.class_start} is for data without "
                    "classes: set it to 0, or learning.label_weight to 0."
                )
            self.clustered = dataset, seed
        if model.prior.n_classes and self.options.labels:
            rows = choose_labelled(labels_of(dataset, "train"), self.options.labels, seed)
            self.labelled = Labelled(dataset, rows, self.options.labelled_batch)

    def __call__(
        self,
        model: LatentEBM,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        """The losses of one batch.

        Args:
            model: in training mode.
            batch: examples.
            progress: share of the training that is done, in [0, 1].
            generator: source of all randomness.
        """
        self.model = model
        rest = self.options.kl_zero / max(1, self.options.kl_cycles)
        if self.clustered is not None and progress >= rest:
            dataset, seed = self.clustered
            start_classes(model, dataset, self.options.class_start, seed)
            self.clustered = None
        if self.labelled is not None:  # the other labels are hidden
            batch = batch._replace(y=None, labelled=self.labelled.draw(generator, model.device))
        codes = self.decoder_rule(model, batch, self.options, progress, generator)
        losses, metrics = dict(codes.losses), dict(codes.metrics)
        if progress >= self.options.tilt_start and model.latent_dim:
            tilt = self.tilt_rule(model.prior, codes.z, batch.context, progress, generator)
            losses["prior"] = tilt.loss
            metrics.update(tilt.metrics)
            metrics.update(self._monitor(model, codes.z, batch.context, generator, tilt.metrics))
        metrics.update(self._moments(codes.z))
        self.calls += 1
        return Outcome({k: v for k, v in losses.items() if v.requires_grad}, metrics)

    def _monitor(
        self,
        model: LatentEBM,
        z: Tensor,
        context: Tensor | None,
        generator: torch.Generator | None,
        known: dict[str, Tensor | float],
    ) -> dict[str, Tensor | float]:
        """Density ratio runs no chain of its own: one in `MONITOR_EVERY` updates is for looking."""
        prior = model.prior
        if not self.monitor or isinstance(self.tilt_rule, NoTilt):
            return {}
        if not isinstance(prior, EBMPrior):
            return {}
        if self.calls % STEP_CHECK_EVERY == 0:
            target, some = prior.target(None, context), slice(STEP_CHECK_CODES)
            if context is not None:
                target = prior.target(None, context[some])
            said = step_size_warning(target, z[some], prior.step_size, generator=generator)
            self.step_said = None if said is None or prior.adjust else f"The prior's {said}"
        if "f_chain" in known or self.calls % MONITOR_EVERY:
            return {}
        with torch.no_grad(), frozen(prior):
            drawn = prior.sample(len(z), context=context, generator=generator)
            return {"f_chain": prior.log_tilt(drawn, None, context).mean()}

    def _moments(self, z: Tensor) -> dict[str, Tensor | float]:
        if not z.numel():
            return {}
        now = torch.stack([z.mean(0), z.square().mean(0)])
        old = now if self.moments is None else self.moments.to(z.device)
        self.moments = MOMENT_DECAY * old + (1 - MOMENT_DECAY) * now
        mean, square = self.moments
        spread = (square - mean.square()).clamp(min=0).sqrt()
        return {"code_mean": mean.abs().max(), "code_std": spread.mean()}

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """What the figures of this step say about drift, a sentence each.

        Raises:
            DivergenceError: where the training must stop.
        """
        said, self.step_said = self.step_said, None
        return [*self.guard(metrics), *([said] if said else [])]

    def finish(
        self,
        model: LatentEBM,
        dataset: Dataset,
        generator: torch.Generator | None = None,
        log: Callable[[str], None] = print,
    ) -> None:
        """What is learned after training, from codes at rest: the prior, and property heads."""
        if model.latent_dim:
            options = replace(
                self.options, code_pool=0, chain_steps=self.options.finish_chain_steps,
                tilt_start=0.0,
            )  # fmt: skip
            rule = TILT_RULES[options.finish_tilt](options)
            known = None if self.labelled is None else self.labelled.rows
            if not options.label_weight:  # labels that are not learned are not learned at the end
                known = torch.zeros(0, dtype=torch.long)
            if options.finish_steps and options.finish_classes == "clusters":
                start_classes(model, dataset, options.class_start, self.seed)
            finish_prior(model, dataset, self.options, rule, known, generator, log)
        if self.options.properties:
            fit_properties(model, dataset, self.options.properties, generator, log)

    def state_dict(self) -> dict[str, Tensor]:
        """Chains and counters, for a checkpoint."""
        state = {f"tilt.{k}": v for k, v in self.tilt_rule.state_dict().items()}
        if self.model is not None:
            inference = self.model.inference.state_dict()
            state |= {f"inference.{k}": v for k, v in inference.items()}
        if self.moments is not None:
            state["moments"] = self.moments
        if self.options.class_start:
            state["classes_begun"] = torch.tensor(self.clustered is None)
        return {**state, "calls": torch.tensor(self.calls)}

    def load_state_dict(self, state: dict[str, Tensor], model: LatentEBM | None = None) -> None:
        """Takes back what `state_dict` gave; `model` is needed where inference keeps chains."""
        self.calls = int(state["calls"])
        self.moments = state.get("moments")
        if bool(state.get("classes_begun", False)):
            self.clustered = None
        self.tilt_rule.load_state_dict(_under(state, "tilt."))
        if model is not None:
            self.model = model
            model.inference.load_state_dict(_under(state, "inference."))


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
