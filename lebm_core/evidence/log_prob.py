"""log p(x), an `Estimate` with its standard error, refused where its log Z is unsupported.

Sources: importance sampling, Burda et al., ICLR 2016, arXiv 1509.00519 (eq. 8); AIS as in
`lebm_core.evidence.log_z`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from lebm_core.base.checks import choice, fits, positive, whole
from lebm_core.base.modules import frozen
from lebm_core.base.randomness import fork
from lebm_core.chains.ais import annealed_log_weights
from lebm_core.chains.densities import LogDensity
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.evidence.estimate import Estimate, from_log_weights
from lebm_core.evidence.log_z import checked_log_z
from lebm_core.latent.inference import posterior_target
from lebm_core.latent.parts import LatentModel

__all__ = ["log_evidence"]


@torch.no_grad()
def log_evidence(
    model: LatentModel,
    batch: Batch,
    *,
    method: str = "importance",
    n_samples: int = 50,
    log_z: Estimate | None = None,
    temperatures: int = 100,
    step_size: float = 0.1,
    chunk: int = 4000,
    generator: torch.Generator | None = None,
) -> Estimate:
    """log p(x), (B,) in nats.

    The proposal is the encoder's q(z|x), or where there is none a Gaussian fitted to posterior
    chains. "importance" averages p(x|z) p(z) / q(z|x) over n_samples draws; "ais" moves the draws
    from q to the posterior in `temperatures` adjusted steps of size `step_size`.

    Args:
        model: the model.
        batch: B examples.
        method: "importance" or "ais".
        n_samples: draws for each example.
        log_z: log Z where it is known already; else it is estimated, twice, and checked.
        temperatures: AIS only.
        step_size: AIS only.
        chunk: codes decoded at once: what bounds the memory.
        generator: source of randomness.

    Raises:
        UnsupportedEstimate: where the two estimates of log Z disagree or rest on too few draws.
    """
    choice("method", method, ("importance", "ais"))
    for key, count in (("n_samples", n_samples), ("temperatures", temperatures), ("chunk", chunk)):
        whole(key, count, 1)
    positive("step_size", step_size)
    if log_z is not None and not isinstance(log_z, Estimate):
        raise UsageError(f"log_z is a {type(log_z).__name__}; give the Estimate of log_z(prior).")
    x, context = model.arguments(batch.x, batch.context)
    batch = batch._replace(x=x, context=context)
    fits(float(n_samples) * len(x) * max(1, model.latent_dim), f"n_samples = {n_samples:,}")
    if model.prior.context_dim and log_z is None:
        raise UsageError(
            "A conditioned prior has one log Z for each context: pass log_z for this context."
        )
    with frozen(model, evaluating=True):
        norm = checked_log_z(model.prior, generator=generator)[0] if log_z is None else log_z
        raw = _less_log_z(
            model, batch, method, n_samples, temperatures, step_size, chunk, generator
        )
    error = (raw.standard_error.square() + float(norm.standard_error) ** 2).sqrt()
    return replace(raw, value=raw.value - float(norm), standard_error=error)


def _less_log_z(
    model: LatentModel,
    batch: Batch,
    method: str,
    n_samples: int,
    temperatures: int,
    step_size: float,
    chunk: int,
    generator: torch.Generator | None,
) -> Estimate:
    """log p(x) + log Z, (B,), of checked arguments and a frozen model."""
    n = len(batch.x)
    if model.latent_dim == 0:
        value = model.decoder.likelihood(batch.x, batch.context)(
            model.prior.draw_reference(n, generator)
        ).double()
        return Estimate(value, torch.zeros_like(value), None, "exact", 1)
    with torch.set_grad_enabled(method == "ais"):  # its chains will ask for gradients
        target = posterior_target(model, batch)
    proposal = _proposal(model, batch, generator)
    with fork(generator):
        z = proposal.sample((n_samples,))  # (n_samples, B, d)
    weights = []
    for part in z.split(max(1, chunk // n)):
        k = len(part)
        flat = part.transpose(0, 1).reshape(n * k, -1)  # example by example, as likelihood asks

        def start(v: Tensor, k: int = k) -> Tensor:
            return proposal.log_prob(v.view(n, k, -1).transpose(0, 1)).transpose(0, 1).reshape(-1)

        def change(v: Tensor, start: LogDensity = start) -> Tensor:
            return target(v) - start(v)

        if method == "importance":
            log_weights = change(flat)
        else:
            log_weights = annealed_log_weights(
                flat, start, change, temperatures, step_size, generator
            )
        weights.append(log_weights.view(n, k).T)
    return from_log_weights(torch.cat(weights), method)


def _proposal(
    model: LatentModel, batch: Batch, generator: torch.Generator | None, chains: int = 64
) -> Distribution:
    """q(z|x), or a Gaussian with the moments of posterior chains, a fifth wider to cover them."""
    if model.encoder is not None:
        return model.encoder(batch.x, batch.context)  # type: ignore[no-any-return]
    draws = torch.stack([model.inference(model, batch, generator=generator) for _ in range(chains)])
    mean = draws.mean(0)
    centred, d = draws - mean, model.latent_dim
    covariance = torch.einsum("nbi,nbj->bij", centred, centred) / (chains - 1)
    # Few chains in many dimensions say little of correlations, and would make it singular.
    kept = max(0.0, 1 - d / chains)
    covariance = kept * covariance + (1 - kept) * torch.diag_embed(covariance.diagonal(0, 1, 2))
    ridge = 1e-3 * torch.eye(model.latent_dim, device=mean.device)
    return MultivariateNormal(mean, 1.44 * covariance + ridge, validate_args=False)
