"""The rule "joint.cycle": translators of two domains learn, there and back, from unpaired x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from lebm_cooperative.models.two_domains import DOMAINS, TwoDomains
from lebm_core.base.checks import at_least, choice, within
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.learning.contrastive import contrast
from lebm_core.learning.rules import Metrics, Outcome, Rule, check_one_level
from lebm_core.priors.protocols import Tilted

__all__ = ["Cycle"]

OPPONENTS = ("cooperative", "critic", "pairs")
SPREAD = 10  # times the standard deviation of the data, or a part of it, that chains may have


class Cycle(Configured, Rule):
    """Teaches the model "two-domains": what is translated there and back must be what it was.

    With the opponent "cooperative" (CycleCoopNets) the translation of a is where the chain of B's
    descriptor starts; f of B goes up on examples of B and down on where the chain ends, and the
    translator learns to give at once what the chain made of its translation. With "critic"
    (CycleGAN) f tells examples of B from translations by least squares, 1 from 0, and the
    translator wants its translations taken for 1. Either way for both directions. With
    `reconstruction` and `kl` the code is shared: of either domain it is N(0, I), and its decoder
    gives back x (UNIT). "pairs" is the bound: regression, for data whose training rows are pairs.

    Sources: Xie et al., "Learning cycle-consistent cooperative networks via alternating MCMC
    teaching for unsupervised cross-domain translation", AAAI 2021, arXiv 2103.04285; Zhu et al.,
    ICCV 2017, arXiv 1703.10593; Liu et al., "Unsupervised image-to-image translation networks",
    NeurIPS 2017, arXiv 1703.00848. Here no weights are tied between the domains.

    Args:
        opponent: what a translation must satisfy: cooperative, critic or pairs
        teaching: weight of the opponent's loss for the translators; in cooperative learning of the
            squared distance of a translation from where the chain takes it, a mean over numbers
        cycle: weight of the mean absolute difference of x from x translated there and back; 0: none
        identity: weight of the mean absolute difference of x of a domain from its translation into
            the same domain
        identity_until: share of the training in which that weight holds; where maps that the
            densities cannot tell apart are many, it chooses where the search for one begins
        reconstruction: weight of the mean absolute difference of x from what its own decoder makes
            of its code; above 0 codes are drawn, not means
        kl: weight of KL(q(z | x) || N(0, I)), nats a number of x, of examples and of translations
        noise: standard deviation of the noise on the examples that a descriptor learns from, in
            units of x; of a critic on translations, too
        energy_l2: L2 penalty of f on examples and chains, in cooperative learning

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        opponent: Literal["cooperative", "critic", "pairs"] = "cooperative",
        teaching: float = 1.0,
        cycle: float = 10.0,
        identity: float = 0.0,
        identity_until: float = 1.0,
        reconstruction: float = 0.0,
        kl: float = 0.0,
        noise: float = 0.0,
        energy_l2: float = 0.0,
    ) -> None:
        choice("learning.opponent", opponent, OPPONENTS)
        weights = {
            "teaching": teaching, "cycle": cycle, "identity": identity,
            "reconstruction": reconstruction, "kl": kl, "noise": noise, "energy_l2": energy_l2,
        }  # fmt: skip
        for key, value in weights.items():
            at_least(f"learning.{key}", value, 0)
        within("learning.identity_until", identity_until, 0, 1)
        self.opponent, self.teaching, self.cycle = opponent, teaching, cycle
        self.identity, self.identity_until = identity, identity_until
        self.reconstruction, self.kl, self.noise = reconstruction, kl, noise
        self.energy_l2 = energy_l2

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach.

        Raises:
            UsageError: naming the keys that do not go together.
        """
        if not isinstance(model, TwoDomains):
            raise UsageError(
                'learning.name = "joint.cycle" teaches the model "two-domains" (model.name); use '
                "another rule for this one."
            )
        prior = model.descriptor
        check_one_level(prior, "joint.cycle")
        if self.opponent != "pairs" and not isinstance(prior, Tilted):
            raise UsageError('learning.name = "joint.cycle" needs descriptor.name = "ebm".')
        if self.opponent == "critic" and prior.options.get("bound"):
            raise UsageError(
                "The critic of least squares has no bound: set descriptor.bound = 0, or "
                'learning.opponent = "cooperative".'
            )

    def __call__(
        self,
        model: Any,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        """The losses of one batch, x (B, 2, ...): one of translators, one of descriptors."""
        both = (batch.x[:, 0], batch.x[:, 1])
        codes = [self._code(model, x, domain, generator) for domain, x in enumerate(both)]
        guesses = [model.decoded(codes[1 - to], to) for to in (0, 1)]
        metrics: Metrics = {}
        if self.opponent == "pairs":
            fit = (guesses[0] - both[0]).square().mean() + (guesses[1] - both[1]).square().mean()
            return Outcome({"decoder": fit}, {"fit": fit.detach()})
        learned, taught = self._opposed(model, both, guesses, metrics, generator)
        identity = self.identity if progress < self.identity_until else 0.0
        kept = self._kept(model, both, codes, guesses, identity, metrics, generator)
        return Outcome({"decoder": self.teaching * taught + kept, "descriptor": learned}, metrics)

    def _code(
        self, model: TwoDomains, x: Tensor, domain: int, generator: torch.Generator | None
    ) -> Tensor:
        """The code of x: the mean, or a draw where codes are shared."""
        q: Any = model.code(x, domain)
        mean: Tensor = q.mean
        return mean + q.stddev * normal_like(mean, generator) if self.reconstruction else mean

    def _opposed(
        self,
        model: TwoDomains,
        both: tuple[Tensor, Tensor],
        guesses: list[Tensor],
        metrics: Metrics,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """The loss of the descriptors, and what they teach the translators."""
        learned, taught = guesses[0].new_zeros(()), guesses[0].new_zeros(())
        for to, (real, guess) in enumerate(zip(both, guesses, strict=True)):
            name = DOMAINS[to]
            real = self._noisy(real, generator)
            if self.opponent == "critic":
                false = self._noisy(guess.detach(), generator)
                f_real, f_false = model.log_tilt(real, to), model.log_tilt(false, to)
                learned = learned + ((f_real - 1).square().mean() + f_false.square().mean()) / 2
                with frozen(model.descriptors[to]):
                    f = model.log_tilt(self._noisy(guess, generator), to)
                taught = taught + (f - 1).square().mean()
                metrics |= {f"f_{name}": f_real.detach().mean(), f"f_to_{name}": f.detach().mean()}
                continue
            revised = model.revised(guess, to, generator=generator)
            prior: Any = model.descriptors[to]
            loss, found = contrast(prior, real.flatten(1), revised.flatten(1), None, self.energy_l2)
            learned = learned + loss
            taught = taught + (guess - revised).square().mean()
            moved = (guess.detach() - revised).square().mean().sqrt()
            metrics |= {f"f_{name}": found["f_posterior"], f"f_to_{name}": found["f_chain"]}
            metrics |= {f"moved_{name}": moved, f"spread_{name}": found.get("chain_spread", 1.0)}
        return learned, taught

    def _kept(
        self,
        model: TwoDomains,
        both: tuple[Tensor, Tensor],
        codes: list[Tensor],
        guesses: list[Tensor],
        identity: float,
        metrics: Metrics,
        generator: torch.Generator | None,
    ) -> Tensor:
        """What a translation must keep: the cycle, the identity, the shared code."""
        loss = guesses[0].new_zeros(())
        for domain, x in enumerate(both):
            other = 1 - domain
            if self.cycle:
                code = self._code(model, guesses[other], other, generator)
                back = (model.decoded(code, domain) - x).abs().mean()
                metrics[f"cycle_{DOMAINS[domain]}"] = back.detach()
                loss = loss + self.cycle * back
            if identity:
                same = model.translated(x, domain)  # as if it were of the other domain
                loss = loss + identity * (same - x).abs().mean()
            if self.reconstruction:
                own = (model.decoded(codes[domain], domain) - x).abs().mean()
                metrics[f"reconstruction_{DOMAINS[domain]}"] = own.detach()
                loss = loss + self.reconstruction * own
            if self.kl:
                terms = self._kl(model, x, domain) + self._kl(model, guesses[domain], domain)
                loss = loss + self.kl * terms
        return loss

    @staticmethod
    def _kl(model: TwoDomains, x: Tensor, domain: int) -> Tensor:
        """The mean of KL(q(z | x) || N(0, I)), nats a number of x."""
        q: Any = model.code(x, domain)
        terms = (q.mean.square() + q.variance - 1) / 2 - q.stddev.log()
        kl: Tensor = terms.sum(1).mean() / x[0].numel()
        return kl

    def _noisy(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return x + self.noise * normal_like(x, generator) if self.noise else x

    def warnings(self, metrics: Mapping[str, float]) -> list[str]:
        """A stop where chains have left the data.

        Raises:
            DivergenceError: where chains spread far more than the data, or far less.
        """
        for name in DOMAINS:
            spread = metrics.get(f"spread_{name}")
            if spread is not None and spread > SPREAD:
                raise DivergenceError(
                    f"The chains of domain {name} have left the data: their standard deviation is "
                    f"{spread:.3g} times that of the data. Lower training.parts.descriptor.lr, or "
                    "use a smaller descriptor.sampler.step_size."
                )
        return []
