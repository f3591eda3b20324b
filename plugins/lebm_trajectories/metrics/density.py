"""trajectories.density: likelihood of the true future, and calibration of predicted destinations.

Sources: Ivanovic and Pavone 2019, arXiv 1810.05993 (likelihood by kernel density); Gneiting and
Raftery 2007 (energy score).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.figures.calibration import calibration_curve
from lebm_trajectories.metrics.density_scores import MIN_LOG, kernel_log, mixture_log, sigma_of
from lebm_trajectories.prediction import MOST_DRAWS, means

__all__ = ["density"]

LEVELS = torch.arange(1, 20) / 20


def density(*, density_draws: int = 200, density_agents: int = 2_000) -> Metric:
    """Metric trajectories.density: likelihood of the true future, and calibration.

    Args:
        density_draws: futures of each agent
        density_agents: agents, at random; 0 for all
    """
    whole("evaluation.density_draws", density_draws, 4, MOST_DRAWS)
    whole("evaluation.density_agents", density_agents, 0)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, split, generator = evaluation.model, evaluation.split, evaluation.generator
        data = evaluation.need(TrajectoryDataset, "trajectories.density")
        rows = subset(data.length(split), density_agents, evaluation.seed)
        batch = data.batch(split, rows)
        assert batch.context is not None
        middle = means(model, batch.context, density_draws, generator)
        sigma = sigma_of(model)
        noise = torch.randn(middle.shape, generator=generator, device=generator.device).cpu()
        drawn = middle + sigma * noise
        x, unit = batch.x, math.log(data.scale)
        steps = range(data.options.predicted)
        kernel = torch.stack([kernel_log(drawn[:, :, t], x[:, t]) for t in steps], 1)
        own = mixture_log(middle, x, sigma)
        covered = _coverage(middle, drawn, x, sigma, generator)
        half = density_draws // 2
        gap = (drawn[:, :half, -1] - drawn[:, half : 2 * half, -1]).norm(dim=-1).mean(1)
        score = ((drawn[:, :, -1] - x[:, None, -1]).norm(dim=-1).mean(1) - 0.5 * gap) * data.scale
        evaluation.figure(
            *calibration_curve(LEVELS, covered, evaluation.folder / "figures" / "calibration.png")
        )
        how = f"mean over the steps, {density_draws} futures, nats, lengths in {data.unit}"
        return {
            "nll": Value.mean(
                2 * unit - own.mean(1), split,
                f"-log density of the true position under the model's own mixture, {how}",
                better="lower",
            ),
            "nll_kde": Value.mean(
                -(kernel - 2 * unit).clamp(min=MIN_LOG).mean(1), split,
                f"-log of a Gaussian kernel density (Scott's width) of draws, cut at "
                f"{MIN_LOG:g}, {how}", better="lower",
            ),
            "energy_score": Value.mean(
                score, split,
                f"E|X - x| - E|X - X'|/2 of the last position, {data.unit}; low is good",
                better="lower",
            ),
            "calibration_error": Value(
                float((covered - LEVELS).abs().mean()), None, len(rows), split,
                "mean distance of the share of true last positions in the model's regions of "
                "highest density from what they promise, over 5 % to 95 %", better="lower",
            ),
        }  # fmt: skip

    return metric


def _coverage(
    middle: Tensor, drawn: Tensor, x: Tensor, sigma: Tensor, generator: torch.Generator
) -> Tensor:
    """Compute the share of true destinations within the region of highest density of each level.

    One half of the draws estimates the density, the other half its level sets.
    """
    draws = middle.shape[1]
    half = draws // 2
    at_truth = mixture_log(middle[:, :half, -1:], x[:, -1:], sigma[-1:]).squeeze(1)
    others = drawn[:, half:, -1:].flatten(0, 1)
    repeated = middle[:, :half, -1:].repeat_interleave(draws - half, 0)
    at_others = mixture_log(repeated, others, sigma[-1:]).view(len(x), -1)
    above = (at_others > at_truth[:, None]).float().sum(1)
    ties = torch.rand(above.shape, generator=generator, device=generator.device).cpu()
    level = (above + ties) / (at_others.shape[1] + 1)  # uniform, if calibrated
    return (level[:, None] <= LEVELS).float().mean(0)
