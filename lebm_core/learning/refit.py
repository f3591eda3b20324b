"""Refit the prior after training, on fixed posterior codes.

While decoder and encoder learn, the tilt follows codes that change. Afterwards it can be learned
from the aggregate posterior itself, without a decoder in the loop (the second stage of Aneja et
al., NeurIPS 2021, arXiv 2010.02917). It continues from the tilt of the training, or starts from
fresh weights: a tilt that tells codes from the reference too well stands at its bound, where it is
flat, and no chain leaves such a place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lebm_core.base.checks import choice, positive, whole
from lebm_core.base.randomness import randint
from lebm_core.base.schedules import cosine
from lebm_core.data.dataset import Dataset
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.latent.codes import PairedCodes, aggregate_codes, codes_with_classes, likeliest
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.drift import Rollback
from lebm_core.learning.rules import PriorRule
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Fitted, Tilted
from lebm_core.registry.parts import Part, make

__all__ = [
    "Refit", "REFIT_CODES", "REFIT_PASSES", "check_refit", "refit", "refit_codes", "refit_prior",
]  # fmt: skip

MOST_CODES = 1_000_000  # of one update
FITTED_CODES, REFIT_CODES = 10_000, 50_000  # posterior codes that a prior is fitted to
REFIT_PASSES = 40  # most codes of one example, where examples are few
LOG_EVERY = 1000  # updates
RULE = Part("learning_rules", "persistent", {"chain_steps": 20}, prefix="prior.")
CLASSES = ("likeliest", "soft", "clusters")


@dataclass(frozen=True)
class Refit:
    """How the prior is refitted after training.

    Attributes:
        steps: updates of the prior; 0 for no refit
        fresh: start from fresh weights, not from the training's tilt
        rule: prior rule; a rule of its own, which inherits nothing from learning.prior
        classes: the class of an example, coupled prior: likeliest (samples of a class are purer),
            soft, p(y|x) (the prior's own p(y|z) stays calibrated), or clusters: classes without
            labels are initialised again, by k-means with learning.symbols.clusters clusters
        lr: learning rate, falling to 0 as a cosine
        batch: codes of an update
    """

    steps: int = 0
    fresh: bool = False
    rule: Annotated[PriorRule | Mapping[str, Any] | str | None, RULE] = None
    classes: Literal["likeliest", "soft", "clusters"] = "likeliest"
    lr: float = 5e-4
    batch: int = 400

    def __post_init__(self) -> None:
        """Refuse values that are not possible.

        Raises:
            UsageError: naming the key.
        """
        whole("learning.refit.steps", self.steps)
        whole("learning.refit.batch", self.batch, 1, MOST_CODES)
        choice("learning.refit.classes", self.classes, CLASSES)
        positive("learning.refit.lr", self.lr)
        if self.rule is not None and not self.make_rule().trains:
            raise UsageError(
                "learning.refit.rule.name trains no prior; use learning.refit.steps = 0."
            )

    def make_rule(self) -> PriorRule:
        """The rule, without a state where it is given by its options."""
        rule: PriorRule = make(RULE, self.rule)
        return rule


def check_refit(prior: Prior, refit: Refit) -> None:
    """Refuse a refit that the prior cannot have, before anything is trained.

    Raises:
        UsageError: for a prior without a tilt, a conditioned prior with a rule that takes no
            context, or a coupled prior whose classes would be forgotten.
    """
    if not isinstance(prior, Tilted):
        raise UsageError(
            f"{type(prior).__name__} has no tilt to refit; use learning.refit.steps = 0."
        )
    rule = refit.make_rule()
    rule.check(prior)
    if prior.context_dim and not rule.takes_context:
        raise UsageError(
            "learning.refit.rule.name takes no context, which this prior is conditioned on; use "
            '"density-ratio" or "short-run", or learning.refit.steps = 0.'
        )
    if prior.n_classes and refit.fresh:
        raise UsageError(
            "learning.refit.fresh = true would forget the classes of a coupled prior; use false."
        )


def refit(
    model: LatentModel,
    dataset: Dataset,
    options: Refit,
    *,
    drift_limit: float,
    known: Tensor | None = None,
    generator: torch.Generator | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Fit a `Fitted` prior to posterior codes, or refit a tilt where `options.steps` is not 0.

    Args:
        model: trained; its prior is changed in place.
        dataset: its training split.
        options: of the refit.
        drift_limit: see `refit_prior`.
        known: training rows whose class may be used; None for all that have one.
        generator: source of all randomness.
        log: takes a line of progress now and then.
    """
    prior: object = model.prior
    if isinstance(prior, Fitted):
        mean = prior.fitted_to == "means"
        prior.fit(aggregate_codes(model, dataset, FITTED_CODES, generator, mean=mean))
    elif options.steps and isinstance(prior, Tilted):
        found = refit_codes(model, dataset, options, known=known, generator=generator)
        refit_prior(
            model.prior, found.z, options, drift_limit=drift_limit, generator=generator, log=log,
            p=found.p, context=found.context,
        )  # fmt: skip


@torch.no_grad()
def refit_codes(
    model: LatentModel,
    dataset: Dataset,
    options: Refit,
    *,
    known: Tensor | None = None,
    generator: torch.Generator | None = None,
    most: int = REFIT_CODES,
) -> PairedCodes:
    """Draw the posterior codes of a refit: of few examples about `most`, if it looks at so many.

    The other arguments are those of `refit`.
    """
    wanted = min(most, options.steps * options.batch)
    passes = min(REFIT_PASSES, -(-wanted // max(1, dataset.length("train"))))
    if not (model.prior.n_classes or model.prior.context_dim):
        return PairedCodes(aggregate_codes(model, dataset, REFIT_CODES, generator, draws=passes))
    found = codes_with_classes(model, dataset, REFIT_CODES, passes, known, generator)
    if found.p is None or options.classes == "soft":
        return found
    return found._replace(p=likeliest(found.p))


def refit_prior(
    prior: Prior,
    codes: Tensor,
    refit: Refit,
    *,
    drift_limit: float = 5.0,
    generator: torch.Generator | None = None,
    log: Callable[[str], None] = print,
    p: Tensor | None = None,
    context: Tensor | None = None,
) -> PriorRule:
    """Refit a tilted prior in place by `refit.steps` updates of Adam, the rate falling to 0.

    A coupled prior has two things to learn: f = logsumexp F from the codes, by the rule, and
    softmax F = p(y | z) from the classes of their examples, by cross-entropy. Each leaves the
    other free, so both reach what they would alone, and exp F_y(z) p0(z) is the density of the
    codes of class y times its share. Without the second, learning f changes the classes too.

    Where f(posterior) - f(chain) exceeds `drift_limit`, the prior goes back to its last state
    below the limit, and continues at half the rate.

    Args:
        prior: a tilted prior.
        codes: (N, d) draws of q(z | x) over the training data.
        refit: its options.
        drift_limit: nats.
        generator: source of all randomness.
        log: takes a line of progress now and then.
        p: (N, C) p(y | x) of the example that each code is of, for a coupled prior.
        context: (N, c) of each code, for a conditioned prior: it learns p(z | context) from pairs.

    Returns:
        The rule, with its chains as they ended.

    Raises:
        UsageError: see `check_refit`; and for a conditioned prior without contexts.
        DivergenceError: where the loss is not finite.
    """
    check_refit(prior, refit)
    if prior.context_dim and context is None:
        raise UsageError(
            f"A prior conditioned on {prior.context_dim} features is refitted to codes with their "
            "contexts: pass context=(N, c)."
        )
    rule, tilted = refit.make_rule(), cast(Tilted, prior)
    if refit.fresh:
        tilted.reset(generator)
    steps, rate = refit.steps, refit.lr
    adam = torch.optim.Adam(prior.parameters(), rate, betas=(0.9, 0.99))
    # The training's own gap may yet be closed.
    rollback = Rollback(prior, rule, drift_limit, 0.0 if refit.fresh else math.inf)
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = rate * cosine(step, steps)
        rows = randint(len(codes), refit.batch, codes, generator)
        given = None if context is None else context[rows]
        loss, metrics = rule(prior, codes[rows], given, step / steps, generator)
        if p is not None:
            label_loss = cross_entropy(tilted.logits(codes[rows], given), p[rows])
            loss, metrics = loss + label_loss, {**metrics, "label_loss": label_loss.detach()}
        if not math.isfinite(float(loss.detach())):
            raise DivergenceError(
                f"The loss of the prior is {float(loss.detach())} at step {step + 1} of the refit: "
                "lower learning.refit.lr, or bound the tilt (prior.bound)."
            )
        adam.zero_grad()
        loss.backward()
        adam.step()
        done = step + 1
        kept_at, gap = rollback.step, rollback(metrics, done, last=done == steps)
        if gap is not None:
            rate /= 2
            adam.state.clear()
            log(
                f"refit of the prior: step {done}/{steps}  f(posterior) - f(chain) = {gap:.1f} "
                f"nats: back to step {kept_at}, continued at half the rate"
            )
        if done % LOG_EVERY == 0 or done == steps:
            facts = ", ".join(f"{name} {float(value):.3g}" for name, value in metrics.items())
            log(f"refit of the prior: step {done}/{steps}  {facts}")
    return rule
