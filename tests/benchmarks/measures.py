"""Quality of a model of text, images or trajectories, for `quality.py`: lower is better."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.data.dataset import Batch, subset
from lebm_core.errors import UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evidence.estimate import from_log_weights
from lebm_core.evidence.log_z import checked_log_z, log_z
from lebm_core.latent.inference import posterior_target
from lebm_images.evaluators.options import FeatureOptions
from lebm_images.metrics.frechet import build as frechet
from lebm_images.metrics.reconstruction import build as reconstruction
from lebm_trajectories.metrics.displacement import displacement

SENTENCES, FIT_STEPS, DRAWS = 64, 20, 20
SAMPLES, IMAGES = 1000, 200


def proposal(target: Callable[[Tensor], Tensor], n: int, d: int) -> torch.distributions.Normal:
    """A Gaussian for each of n posteriors, fitted by their own bounds, a tenth wider."""
    mean, log_std = (torch.zeros(n, d, requires_grad=True) for _ in range(2))
    adam = torch.optim.Adam([mean, log_std], lr=0.1)
    for _ in range(FIT_STEPS):
        z = mean + log_std.exp() * torch.randn(n, d)
        loss = -(target(z) + log_std.sum(1)).sum()
        mean.grad, log_std.grad = torch.autograd.grad(loss, [mean, log_std])
        adam.step()
    return torch.distributions.Normal(mean.detach(), 1.1 * log_std.detach().exp())


def text_quality(model: Any, dataset: Any, cache: Path) -> dict[str, float]:
    """Perplexity by importance sampling, the encoder unused: the same proposal for both."""
    rows = subset(dataset.length("valid"), SENTENCES, 0)
    rows = rows[dataset.lengths("valid")[rows].argsort()]
    try:
        z = checked_log_z(model.prior, n_samples=20_000)[0]
        sure = 1.0
    except UnsupportedEstimate:
        z, sure = log_z(model.prior, method="ais", n_samples=2000), 0.0
    nats, ess = [], []
    for part in rows.split(32):
        with frozen(model, evaluating=True):
            batch = dataset.batch("valid", part)
            target = posterior_target(model, Batch(batch.x))
            q = proposal(target, len(part), model.latent_dim)
            with torch.no_grad():
                draws = q.sample((DRAWS,))
                weights = torch.stack([target(v) - q.log_prob(v).sum(1) for v in draws])
        found = from_log_weights(weights, "importance")
        nats.append(float(z) - found.value)
        ess.append(found.ess)
    tokens = int(dataset.lengths("valid")[rows].sum())
    per_token = float(torch.cat(nats).sum()) / tokens
    effective = float(torch.cat(cast(list[Tensor], ess)).median())
    return {"perplexity": math.exp(per_token), "log_z_sure": sure, "ess": effective}


def by_metric(
    metric: Metric, names: dict[str, str], split: str, model: Any, dataset: Any, cache: Path
) -> dict[str, float]:
    """Values of a metric of a recipe, under shorter names."""

    def draw() -> Tensor:
        with torch.no_grad():
            parts: list[Tensor] = [model.sample(500) for _ in range(SAMPLES // 500)]
        return torch.cat(parts)

    generator = torch.Generator().manual_seed(0)
    asked = Evaluation(
        model, dataset, split, generator, 0, cache, cache, None, print, "other", draw
    )
    found = metric(asked)
    return {short: float(cast(float, found[name].value)) for name, short in names.items()}


def image_quality(model: Any, dataset: Any, cache: Path) -> dict[str, float]:
    """Frechet distance of 1,000 samples, and the error of 200 reconstructions."""
    features = FeatureOptions(feature_epochs=1)
    distance = frechet(manifold_images=0, neighbour_samples=0, features=features)
    error = reconstruction(reconstruction_images=IMAGES)
    measure = functools.partial(by_metric, split="valid", model=model, dataset=dataset, cache=cache)
    found = measure(distance, {"frechet_distance": "Frechet distance"})
    return found | measure(error, {"mse": "reconstruction error"})


def trajectory_quality(model: Any, dataset: Any, cache: Path) -> dict[str, float]:
    """Best of 20 futures in the scene that was left out."""
    names = {"minADE_20": "minADE", "minFDE_20": "minFDE"}
    return by_metric(displacement(chosen_of=0), names, "test", model, dataset, cache)


TASKS = {
    "text-ptb": text_quality,
    "image-mnist": image_quality,
    "trajectory-eth-ucy": trajectory_quality,
}
