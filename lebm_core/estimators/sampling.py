"""The prior that an estimator draws samples from: refitted when the first are asked for."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch

from lebm_core.data.dataset import Dataset
from lebm_core.estimators.parts import PENALTY
from lebm_core.latent.codes import PairedCodes
from lebm_core.learning.refit import Refit, refit_codes, refit_prior
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior

__all__ = ["SamplingPrior", "own_draws"]

RULE = {"name": "density-ratio", "reference_samples": 2, "code_pool": 0}
DRIFT_LIMIT, BATCH = 5.0, 200  # nats, codes
CODES = 10_000  # that are kept with an estimator until it samples


class SamplingPrior:
    """A copy of the prior, refitted on fixed codes: p(z), and the likeliest class of each example.

    Predictions keep the prior of the training. The codes are drawn with the training, the refit is
    made by the first call: who only predicts does not wait for it.

    Args:
        prior: as the training left it.
        codes: to refit to; None for a prior that is not refitted.
        options: of the refit.
        seed: of all randomness.
        narrow: one thread is enough.
    """

    def __init__(
        self, prior: Prior, codes: PairedCodes | None, options: Refit, seed: int, narrow: bool
    ) -> None:
        self.prior, self.codes, self.options = prior, codes, options
        self.seed, self.narrow = seed, narrow

    @classmethod
    def of(
        cls, given: Mapping[str, Any], model: LatentEBM, data: Dataset, passes: int, *,
        seed: int, narrow: bool,
    ) -> Self:  # fmt: skip
        """Draw the codes of the training examples; where x is z there is nothing to refit.

        Args:
            given: the estimator's arguments.
            model: trained.
            data: the training examples.
            passes: of the training; the refit of a density, which is part of its fit, makes at
                most half as many steps.
            seed: of all randomness.
            narrow: one thread is enough.
        """
        n = data.length("train")
        rule = RULE | {"energy_l2": given.get("energy_l2", PENALTY)}
        steps = given["refit_steps"]
        if not model.prior.n_classes:
            steps = min(steps, max(1, passes * -(-n // given["batch_size"]) // 2))
        options = Refit(steps=steps, rule=rule, lr=1e-3, batch=min(BATCH, n))
        if model.observed or not steps:
            return cls(model.prior, None, options, seed, narrow)
        owner = LatentEBM(model.prior, model.decoder, model.encoder).eval()
        generator = torch.Generator(model.device).manual_seed(seed)
        codes = refit_codes(owner, data, options, generator=generator, most=CODES)
        return cls(model.prior, codes, options, seed + 1, narrow)

    def __call__(self) -> Prior:
        """The refitted prior.

        Raises:
            DivergenceError: where its loss is not finite.
        """
        if self.codes is not None:
            prior = copy.deepcopy(self.prior)
            generator = torch.Generator(self.codes.z.device).manual_seed(self.seed)
            with own_draws(self.seed, self.narrow):
                refit_prior(
                    prior, self.codes.z, self.options, drift_limit=DRIFT_LIMIT, p=self.codes.p,
                    generator=generator, log=_silent,
                )  # fmt: skip
            self.prior, self.codes = prior, None
        return self.prior

    def cpu(self) -> Self:
        """The same on the CPU, in place."""
        self.prior = self.prior.cpu()
        if self.codes is not None:
            z, p, _ = self.codes
            self.codes = PairedCodes(z.cpu(), None if p is None else p.cpu())
        return self


@contextmanager
def own_draws(seed: int, narrow: bool) -> Iterator[None]:
    """A scope with draws of its own: no others of the process change.

    Args:
        seed: of the draws that have no generator.
        narrow: an operation has one thread.
    """
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1 if narrow else before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _silent(line: str) -> None:
    """Progress that an estimator does not print."""
