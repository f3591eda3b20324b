"""energies.rbm: likelihood of a restricted Boltzmann machine, exact and by AIS from both ends."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lebm_core import Dataset, Estimate, Evaluation, Value
from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Metric
from lebm_core.evaluation.values import in_row
from lebm_core.evidence.estimate import from_log_weights
from lebm_energies.data.binary import BinaryImages
from lebm_energies.priors.annealing import annealed_draws, from_reference, high_log_z
from lebm_energies.priors.enumeration import can_enumerate, exact_log_z
from lebm_energies.priors.rbm import RBMPrior

__all__ = ["Annealing", "examples", "measured", "pseudo_likelihood", "rbm"]

LIKELIHOOD = "log p(x) of examples, nats, log Z {how}"
TRUTH = "log p(x) of the same examples under the density they were drawn from, nats"
BELOW = (
    "how far log p(x) is below the true one of the same examples, nats, paired; an estimate of "
    "KL(truth || model)"
)
LOW = "log Z by {n} annealed chains from p0, nats: low on average"
HIGH = "log Z by {n} annealed chains from draws of the model, nats: high on average"
PSEUDO = "sum over pixels of log p(pixel | the others), nats, all pixels of all examples"


class Annealing:
    """How AIS is run, from both ends.

    Args:
        chains: at each end.
        temperatures: densities between p0 and the model.
        steps: sweeps of the draws of the model with which the chains back begin.

    Raises:
        UsageError: for counts that are not possible.
    """

    def __init__(self, chains: int, temperatures: int, steps: int) -> None:
        self.chains = whole("evaluation.ais_chains", chains, 2, 10**6)
        self.temperatures = whole("evaluation.ais_temperatures", temperatures, 1, 10**7)
        self.steps = whole("evaluation.ais_steps", steps)

    def low(self, prior: RBMPrior, generator: torch.Generator) -> Estimate:
        """log Z from p0, which is low on average."""
        weights = from_reference(prior, self.chains, self.temperatures, generator)
        return from_log_weights(weights, "ais")

    def high(self, prior: RBMPrior, generator: torch.Generator) -> Estimate:
        """log Z from draws of the model, high on average.

        The draws are those of annealed chains, kept in proportion to their weights, and moved on
        by Gibbs sweeps: chains from p0 alone seldom come to every mode of a trained machine.
        """
        v, weights = annealed_draws(prior, self.chains, self.temperatures, generator)
        chosen = torch.multinomial(
            weights.softmax(0), self.chains, replacement=True, generator=generator
        )
        v = v[chosen]
        with torch.no_grad():
            for _ in range(self.steps):
                v = prior.gibbs_step(v, generator)
        return high_log_z(prior, v, self.temperatures, generator)


def rbm(*, ais_chains: int = 1000, ais_temperatures: int = 1000, ais_steps: int = 200) -> Metric:
    """Metric energies.rbm.

    Args:
        ais_chains: chains from each end.
        ais_temperatures: densities between p0 and the model.
        ais_steps: Gibbs sweeps of the draws of the model with which the chains back begin.

    Raises:
        UsageError: for counts that are not possible.
    """
    annealing = Annealing(ais_chains, ais_temperatures, ais_steps)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        prior = getattr(evaluation.model, "prior", None)
        if not isinstance(prior, RBMPrior) or not evaluation.model.observed:
            raise UsageError(
                'energies.rbm measures model.name = "ebm" with prior.name = "rbm", which this '
                "model is not; leave it out of evaluation.metrics."
            )
        data, split = evaluation.dataset, evaluation.split
        values = measured(prior, data, split, annealing, evaluation.generator)
        if evaluation.name == "model" and isinstance(data, BinaryImages):
            truth = data.log_prob(examples(data, split))
            if truth is not None:
                real = Value.mean(truth, split, TRUTH, better="higher")
                values |= in_row("real", {"log_likelihood": real})
        return values

    return metric


def examples(data: Dataset, split: str) -> Tensor:
    """All x of a split."""
    return torch.cat([batch.x for batch in data.batches(split, 1000)])


@torch.no_grad()
def measured(
    prior: RBMPrior, data: Dataset, split: str, annealing: Annealing, generator: torch.Generator
) -> dict[str, Value]:
    """The values of one machine on a split.

    Args:
        prior: the machine.
        data: the data.
        split: on which its likelihood is measured, beside that on "train".
        annealing: how AIS is run.
        generator: source of randomness.
    """
    low, high = annealing.low(prior, generator), annealing.high(prior, generator)
    exact = exact_log_z(prior) if can_enumerate(prior) else None
    norm, how = (low, "by AIS") if exact is None else (exact, "exact, by enumeration")
    found: dict[str, Value] = {}
    shown = {"log_likelihood": split, "train_log_likelihood": "train"}
    for name, part in shown.items():
        x = examples(data, part)
        v = x.flatten(1).to(prior.weight)
        log_p = prior.log_prob(v).double().cpu() - float(norm)
        definition = LIKELIHOOD.format(how=how)
        found[name] = Value.mean(log_p, part, definition, better="higher")
        truth = data.log_prob(x) if isinstance(data, BinaryImages) else None
        if part == split and truth is not None:
            found["below_truth"] = Value.mean(truth - log_p, part, BELOW, better="lower")
        if part == split and prior.units.discrete:
            pseudo = pseudo_likelihood(prior, v).double().cpu()
            found["pseudo_likelihood"] = Value.mean(pseudo, part, PSEUDO, better="higher")
    if exact is not None:
        found["log_z"] = Value(float(exact), None, exact.n_samples, "", "log Z, nats, exact")
    for name, each, text in (("ais_low", low, LOW), ("ais_high", high, HIGH)):
        away = "" if exact is None else f"; exact is {float(exact):.3f}"
        found[name] = Value(
            float(each) if exact is None else float(each) - float(exact),
            float(each.standard_error), annealing.chains, "samples",
            text.format(n=annealing.chains) + ("" if exact is None else f", less the exact{away}"),
            extra={"effective": round(float(each.ess), 1)} if each.ess is not None else {},
        )  # fmt: skip
    return found


def pseudo_likelihood(prior: RBMPrior, v: Tensor) -> Tensor:
    """sum_i log p(v_i | the other pixels) of binary v (B, d), (B,) in nats (Besag 1975)."""
    log_p = prior.log_prob(v)
    total = torch.zeros_like(log_p)
    for i in range(v.shape[1]):
        other = v.clone()
        other[:, i] = 1 - other[:, i]
        total += logsigmoid(log_p - prior.log_prob(other))
    return total
