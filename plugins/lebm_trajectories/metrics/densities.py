"""Likelihood and calibration of predicted futures, and a simulated crowd against its own law.

Sources: Ivanovic and Pavone 2019, arXiv 1810.05993 (likelihood by kernel density); Gneiting and
Raftery 2007 (energy score).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.models.latent_ebm import LatentEBM
from lebm_trajectories.data.crowd import MANOEUVRES, CrowdDataset, manoeuvre
from lebm_trajectories.data.windows import apart
from lebm_trajectories.figures.calibration import calibration_curve
from lebm_trajectories.metrics.displacement import Metric, at_least, mean_of, trajectories_of
from lebm_trajectories.networks.paths import TrajectoryDecoder
from lebm_trajectories.prediction import futures, means

__all__ = ["density", "energy_distance", "kernel_log", "mixture_log", "sigma_of", "truth"]

LEAST_LOG = -20.0  # a kernel density's logarithm is cut there, as by Ivanovic and Pavone
LEVELS = torch.arange(1, 20) / 20


def density(*, density_draws: int = 200, density_agents: int = 2_000) -> Metric:
    """The metric trajectories.density: likelihood of the true future, and calibration.

    Args:
        density_draws: futures of each agent
        density_agents: agents, at random; 0 for all
    """

    at_least("density_draws", density_draws, 4)
    at_least("density_agents", density_agents, 0)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, data, split = evaluation.model, trajectories_of(evaluation), evaluation.split
        rows = subset(data.length(split), density_agents, evaluation.seed)
        batch, generator, o = data.batch(split, rows), evaluation.generator, data.options
        middle = means(model, batch.context, density_draws, generator)  # type: ignore[arg-type]
        sigma = sigma_of(model)
        noise = torch.randn(middle.shape, generator=generator, device=generator.device).cpu()
        drawn = middle + sigma * noise
        x, unit = batch.x, math.log(data.scale)
        kernel = torch.stack([kernel_log(drawn[:, :, t], x[:, t]) for t in range(o.predicted)], 1)
        own = mixture_log(middle, x, sigma)
        half = density_draws // 2
        at_truth = mixture_log(middle[:, :half, -1:], x[:, -1:], sigma[-1:]).squeeze(1)
        others = drawn[:, half:, -1:].flatten(0, 1)
        about = middle[:, :half, -1:].repeat_interleave(density_draws - half, 0)
        at_others = mixture_log(about, others, sigma[-1:]).view(len(rows), -1)
        above = (at_others > at_truth[:, None]).float().sum(1)
        between = torch.rand(above.shape, generator=generator, device=generator.device).cpu()
        level = (above + between) / (at_others.shape[1] + 1)  # uniform, if calibrated
        covered = (level[:, None] <= LEVELS).float().mean(0)
        gap = (drawn[:, :half, -1] - drawn[:, half : 2 * half, -1]).norm(dim=-1).mean(1)
        score = ((drawn[:, :, -1] - x[:, None, -1]).norm(dim=-1).mean(1) - 0.5 * gap) * data.scale
        evaluation.figure(
            *calibration_curve(LEVELS, covered, evaluation.folder / "figures" / "calibration.png")
        )
        how = f"mean over the steps, {density_draws} futures, nats, lengths in {data.unit}"
        return {
            "nll": mean_of(
                2 * unit - own.mean(1), split,
                f"-log density of the true position under the model's own mixture, {how}",
            ),
            "nll_kde": mean_of(
                -(kernel - 2 * unit).clamp(min=LEAST_LOG).mean(1), split,
                f"-log of a Gaussian kernel density (Scott's width) of draws, cut at "
                f"{LEAST_LOG:g}, {how}",
            ),
            "energy_score": mean_of(
                score, split,
                f"E|X - x| - E|X - X'|/2 of the last position, {data.unit}; low is good",
            ),
            "calibration_error": Value(
                float((covered - LEVELS).abs().mean()), None, len(rows), split,
                "mean distance of the share of true last positions in the model's regions of "
                "highest density from what they promise, over 5 % to 95 %",
            ),
        }  # fmt: skip

    return metric


def sigma_of(model: LatentEBM) -> Tensor:
    """The decoder's standard deviation at each step, (predicted, 1), in units of scale."""
    if not isinstance(model.decoder, TrajectoryDecoder):
        kind = type(model.decoder).__name__
        raise UsageError(f"Densities of trajectories need the decoder trajectories, not {kind}.")
    return model.decoder.log_sigma.detach().exp().cpu()


def mixture_log(middle: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """log of the equal mixture of Gaussians about `middle` (n, K, T, 2) at x (n, T, 2): (n, T)."""
    square = ((middle - x[:, None]) / sigma).square().sum(-1)
    norm = 2 * sigma.log().squeeze(-1) + math.log(2 * math.pi)
    return (-0.5 * square).logsumexp(1) - math.log(middle.shape[1]) - norm


def kernel_log(points: Tensor, x: Tensor) -> Tensor:
    """log of a Gaussian kernel density of points (n, K, 2) at x (n, 2), Scott's width: (n,)."""
    n, k, _ = points.shape
    centred = points - points.mean(1, keepdim=True)
    covariance = centred.mT @ centred / (k - 1) * k ** (-1 / 3)
    covariance = covariance + 1e-6 * torch.eye(2)
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, (points - x[:, None]).mT, upper=False)
    norm: Tensor = factor.diagonal(dim1=1, dim2=2).log().sum(1) + math.log(2 * math.pi)
    log_mean: Tensor = (-0.5 * white.square().sum(1)).logsumexp(1) - math.log(k)
    return log_mean - norm


def truth(*, truth_draws: int = 200, truth_agents: int = 500) -> Metric:
    """The metric trajectories.truth: a simulated crowd's predictions against its own law.

    Args:
        truth_draws: futures of each agent
        truth_agents: agents of the split
    """

    at_least("truth_draws", truth_draws, 2)
    at_least("truth_agents", truth_agents, 0)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split, generator = evaluation.dataset, evaluation.split, evaluation.generator
        if not isinstance(data, CrowdDataset):
            why = "it needs a simulated crowd, whose law is known"
            return {"energy_distance": Value(None, split=split, refused=why)}
        rows = subset(data.length(split), truth_agents, evaluation.seed)
        made = futures(evaluation.model, data, split, rows, truth_draws, generator)
        noise = torch.randn(made.shape, generator=generator, device=generator.device).cpu()
        noise *= sigma_of(evaluation.model) * data.scale
        own = torch.Generator().manual_seed(evaluation.seed)  # the simulator's draws
        real, again = (data.truth(split, rows, truth_draws, own) for _ in range(2))
        past = data.windows[split].positions[rows, : data.options.observed]
        step = (past[:, -1] - past[:, -2])[:, None]
        odds = data.odds(split, rows)

        def values(middle: Tensor, drawn: Tensor, prefix: str) -> dict[str, Value]:
            kinds = torch.nn.functional.one_hot(manoeuvre(step, middle), len(MANOEUVRES))
            off = (kinds.float().mean(1) - odds).abs().sum(1) / 2
            return {
                f"{prefix}energy_distance": mean_of(
                    energy_distance(drawn[:, :, -1], real[:, :, -1]), split,
                    f"of {truth_draws} last positions to as many of the simulator's, metres",
                ),
                f"{prefix}manoeuvre_distance": mean_of(
                    off, split,
                    "total variation of the shares of left, straight on and right from the "
                    f"simulator's own probabilities, by paths without noise; {truth_draws} draws "
                    "are not at 0 either",
                ),
            }  # fmt: skip

        found = values(made, made + noise, "")
        if evaluation.name == "model":
            found |= values(again, again, "real/")
        return found

    return metric


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """2 E|A - B| - E|A - A'| - E|B - B'| of points (n, K, 2) and (n, K, 2), unbiased: (n,)."""
    k = a.shape[1]
    within = sum(apart(x, x).sum((1, 2)) / (k * (k - 1)) for x in (a, b))
    return 2 * apart(a, b).mean((1, 2)) - within
