"""The metric likelihood: log p(x) of examples of any kind, in nats.

Source: importance sampling, Burda et al., ICLR 2016, arXiv 1509.00519.
"""

from __future__ import annotations

import torch

from lebm_core.base.checks import at_least
from lebm_core.data.dataset import subset
from lebm_core.errors import UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.evidence.log_z import checked_log_z

__all__ = ["likelihood"]

BATCH = 50  # examples at once
LEAST_ESS = 2.0  # effective codes an example (the median) below which no likelihood is given
NLL = (
    "-log p(x), nats an example, by importance sampling from q(z | x); that of two models can be "
    "compared where x and its scaling are the same"
)


def likelihood(*, likelihood_draws: int = 200, likelihood_examples: int = 500) -> Metric:
    """Metric likelihood: the negative log-likelihood of examples of the split, or its refusal.

    Args:
        likelihood_draws: codes for each example
        likelihood_examples: examples of the split, at random; 0 for all
    """
    at_least("evaluation.likelihood_draws", likelihood_draws, 1)
    at_least("evaluation.likelihood_examples", likelihood_examples, 0)

    def metric(evaluation: Evaluation) -> dict[str, Value]:
        model, data, split = evaluation.model.density, evaluation.dataset, evaluation.split
        rows = subset(data.length(split), likelihood_examples, evaluation.seed)

        def refused(reason: str) -> dict[str, Value]:
            return {"nll": Value(None, None, len(rows), split, NLL, reason, better="lower")}

        if model.prior.context_dim:
            return refused("The prior is conditioned: it has one log Z for each context.")
        values, effective = [], []
        try:
            log_z, _ = checked_log_z(model.prior, generator=evaluation.generator)
            for index in rows.split(BATCH):
                batch = data.batch(split, index).to(model.device)
                found = model.log_prob(
                    batch.x, context=batch.context, n_samples=likelihood_draws, log_z=log_z,
                    generator=evaluation.generator,
                )  # fmt: skip
                values.append(-found.value.cpu())
                if found.ess is not None:
                    effective.append(found.ess.cpu())
        except UnsupportedEstimate as error:
            return refused(str(error))
        ess = float(torch.cat(effective).median()) if effective else float(likelihood_draws)
        if ess < LEAST_ESS:
            return refused(f"{ess:.1f} effective codes an example (the median) are too few.")
        extra = {"draws": likelihood_draws, "effective draws (median)": ess}
        return {"nll": Value.mean(torch.cat(values), split, NLL, extra, better="lower")}

    return metric
