"""How good predicted futures are: best of 20, likelihood and calibration, collisions.

Sources: Gupta et al. 2018, arXiv 1803.10892 (best of 20, the windows); Ivanovic and Pavone 2019,
arXiv 1810.05993 (likelihood by kernel density); Pang et al. 2021, arXiv 2104.03086 (LB-EBM).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.model import LatentEBM
from lebm_core.run.evaluation import Evaluation, Value
from lebm_trajectories.crowd import MANOEUVRES, CrowdDataset, manoeuvre
from lebm_trajectories.dataset import TrajectoryDataset
from lebm_trajectories.networks import TrajectoryDecoder, goal_steps
from lebm_trajectories.pictures import calibration_curve
from lebm_trajectories.prediction import futures, means

__all__ = ["collisions", "density", "displacement", "truth"]

Metric = Callable[[Evaluation], Mapping[str, Value]]
PUBLISHED_GOALS = 4
TURNED = 25 * math.pi / 180  # of the baseline that walks on at a random angle
LEAST_LOG = -20.0  # a kernel density's logarithm is cut there, as by Ivanovic and Pavone
CLOSE = 0.2  # metres
LEVELS = torch.arange(1, 20) / 20


def trajectories_of(evaluation: Evaluation) -> TrajectoryDataset:
    """The data set, which these metrics need to be one of trajectories."""
    data = evaluation.dataset
    if not isinstance(data, TrajectoryDataset):
        kind = type(data).__name__
        raise UsageError(f"The metrics of trajectories need trajectories, not {kind}.")
    return data


def _some(n: int, size: int, seed: int) -> Tensor:
    if not size or size >= n:
        return torch.arange(n)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator)[:size].sort().values


def _mean(values: Tensor, split: str, definition: str, **extra: object) -> Value:
    n = len(values)
    error = float(values.std()) / n**0.5 if n > 1 else None
    return Value(float(values.mean()), error, n, split, definition, extra=dict(extra))


def displacement(*, draws: int = 20) -> Metric:
    """The metric trajectories.displacement: the best of 20, by the standard and as published.

    Args:
        draws: futures of each agent
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = trajectories_of(evaluation), evaluation.split
        rows = torch.arange(data.length(split))
        o, unit = data.options, data.unit
        real = data.windows[split].positions[:, o.observed :]
        drawn = futures(evaluation.model, data, split, rows, draws, evaluation.generator)
        values = {
            f"minADE_{draws}": _best(drawn, real, split, unit, "mean over the steps"),
            f"minFDE_{draws}": _best(drawn[:, :, -1:], real[:, -1:], split, unit, "last step"),
        }
        goals = goal_steps(o.predicted, min(PUBLISHED_GOALS, o.predicted))
        off = (drawn[:, :, goals] - real[:, None, goals]).square().sum((2, 3))
        chosen = drawn[torch.arange(len(drawn)), off.argmin(1)]
        error = (chosen - real).norm(dim=-1)
        how = f"of the one future of {draws} whose {len(goals)} sub-goals are nearest together"
        for name, off_by, what in (
            ("ADE_as_published", error.mean(1), "mean error"),
            ("FDE_as_published", error[:, -1], "error at the last step"),
        ):
            values[name] = _mean(off_by, split, f"{what} {how}, {unit}")
        values["ADE_mean"] = _mean(
            (drawn - real[:, None]).norm(dim=-1).mean((1, 2)), split,
            f"mean error of all {draws} futures, {unit}",
        )  # fmt: skip
        if evaluation.name == "model":
            values |= _walking_on(data, split, draws, evaluation.generator)
        return values

    return metric


def _best(drawn: Tensor, real: Tensor, split: str, unit: str, what: str) -> Value:
    error = (drawn - real[:, None]).norm(dim=-1).mean(2).amin(1)
    return _mean(
        error, split,
        f"least error of {drawn.shape[1]} futures, {what}, {unit}; the windows overlap, so the "
        "standard error is too small",
    )  # fmt: skip


def _walking_on(
    data: TrajectoryDataset, split: str, draws: int, generator: torch.Generator
) -> dict[str, Value]:
    """Constant velocity, and the best of several at random angles (Schoeller et al. 2020)."""
    windows, o, unit = data.windows[split].positions, data.options, data.unit
    last, real = windows[:, o.observed - 1], windows[:, o.observed :]
    step = last - windows[:, o.observed - 2]
    times = torch.arange(1, o.predicted + 1)[:, None]
    shape = (len(step), draws)
    angle = TURNED * torch.randn(shape, generator=generator, device=generator.device).cpu()
    c, s = angle.cos(), angle.sin()
    x, y = step[:, :1], step[:, 1:]
    turned = torch.stack([c * x - s * y, s * x + c * y], dim=-1)  # (N, draws, 2)
    many = last[:, None, None] + times * turned[:, :, None]
    error = (last[:, None] + times * step[:, None] - real).norm(dim=-1)
    return {
        "constant_velocity_ADE": _mean(error.mean(1), split, f"as in the last step, {unit}"),
        "constant_velocity_FDE": _mean(error[:, -1], split, f"the same, last step, {unit}"),
        f"constant_velocity_minADE_{draws}": _best(
            many, real, split, unit, "mean over the steps, going on at an angle of 25 degrees s.d."
        ),
        f"constant_velocity_minFDE_{draws}": _best(
            many[:, :, -1:], real[:, -1:], split, unit, "last step, likewise"
        ),
    }  # fmt: skip


def density(*, density_draws: int = 200, density_agents: int = 2_000) -> Metric:
    """The metric trajectories.density: likelihood of the true future, and calibration.

    Args:
        density_draws: futures of each agent
        density_agents: agents, at random; 0 for all
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, data, split = evaluation.model, trajectories_of(evaluation), evaluation.split
        rows = _some(data.length(split), density_agents, evaluation.seed)
        batch, generator, o = data.batch(split, rows), evaluation.generator, data.options
        middle = means(model, batch.context, density_draws, generator)  # type: ignore[arg-type]
        sigma = _sigma(model)
        noise = torch.randn(middle.shape, generator=generator, device=generator.device).cpu()
        drawn = middle + sigma * noise
        x, unit = batch.x, math.log(data.scale)
        kernel = torch.stack([_kernel_log(drawn[:, :, t], x[:, t]) for t in range(o.predicted)], 1)
        own = mixture_log(middle, x, sigma)
        half = density_draws // 2
        at_truth = mixture_log(middle[:, :half, -1:], x[:, -1:], sigma[-1:]).squeeze(1)
        others = drawn[:, half:, -1:].flatten(0, 1)
        about = middle[:, :half, -1:].repeat_interleave(density_draws - half, 0)
        at_others = mixture_log(about, others, sigma[-1:]).view(len(rows), -1)
        level = (at_others > at_truth[:, None]).float().mean(1)  # uniform, if calibrated
        covered = (level[:, None] <= LEVELS).float().mean(0)
        gap = (drawn[:, :half, -1] - drawn[:, half : 2 * half, -1]).norm(dim=-1).mean(1)
        score = ((drawn[:, :, -1] - x[:, None, -1]).norm(dim=-1).mean(1) - 0.5 * gap) * data.scale
        evaluation.figure(
            *calibration_curve(LEVELS, covered, evaluation.folder / "figures" / "calibration.png")
        )
        how = f"mean over the steps, {density_draws} futures, nats, lengths in {data.unit}"
        return {
            "nll": _mean(
                2 * unit - own.mean(1), split,
                f"-log density of the true position under the model's own mixture, {how}",
            ),
            "nll_kde": _mean(
                (2 * unit - kernel.clamp(min=LEAST_LOG)).mean(1), split,
                f"-log of a Gaussian kernel density (Scott's width) of draws of the model, {how}",
            ),
            "energy_score": _mean(
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


def _sigma(model: LatentEBM) -> Tensor:
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


def _kernel_log(points: Tensor, x: Tensor) -> Tensor:
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


def collisions(*, collision_draws: int = 20) -> Metric:
    """The metric trajectories.collisions: how often predicted agents walk into each other.

    Args:
        collision_draws: futures of each window
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = trajectories_of(evaluation), evaluation.split
        rows = torch.arange(data.length(split))
        drawn = futures(evaluation.model, data, split, rows, collision_draws, evaluation.generator)
        real = data.windows[split].positions[:, data.options.observed :]
        group = data.windows[split].group
        close = CLOSE if data.unit == "metres" else CLOSE * data.scale
        definition = (
            f"share of agents that come within {close:.3g} {data.unit} of another of their window "
            "at a predicted step"
        )
        made = _close(drawn, group, close).mean(1)
        values = {"collision_rate": _mean(made, split, definition)}
        if evaluation.name == "model":
            met = _close(real[:, None], group, close).squeeze(1)
            values["real/collision_rate"] = _mean(met, split, definition)
        return values

    return metric


def _close(paths: Tensor, group: Tensor, close: float) -> Tensor:
    """Whether each agent (N, K, T, 2) comes close to one of its group, in each draw: (N, K)."""
    found = torch.zeros(paths.shape[:2])
    order = group.argsort(stable=True)
    counts = group[order].unique_consecutive(return_counts=True)[1].tolist()
    for members in order.split(counts):
        if len(members) < 2:
            continue
        p = paths[members].permute(1, 2, 0, 3)  # (K, T, m, 2)
        apart = torch.cdist(p, p)
        apart.diagonal(dim1=2, dim2=3).fill_(torch.inf)
        found[members] = (apart < close).any(-1).any(1).T.float()
    return found


def truth(*, truth_draws: int = 200, truth_agents: int = 500) -> Metric:
    """The metric trajectories.truth: a simulated crowd's predictions against its own law.

    Args:
        truth_draws: futures of each agent
        truth_agents: agents of the split
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split, generator = evaluation.dataset, evaluation.split, evaluation.generator
        if not isinstance(data, CrowdDataset):
            kind = type(data).__name__
            raise UsageError(f"The metric trajectories.truth needs a simulated crowd, not {kind}.")
        rows = _some(data.length(split), truth_agents, evaluation.seed)
        model = evaluation.model
        made = futures(model, data, split, rows, truth_draws, generator)
        sigma = _sigma(model) * data.scale
        made = made + sigma * torch.randn(made.shape, generator=generator).to(made)
        real = data.truth(split, rows, truth_draws)
        again = data.truth(split, rows, truth_draws)
        past = data.windows[split].positions[rows, : data.options.observed]
        step = (past[:, -1] - past[:, -2])[:, None]
        odds = data.odds(split, rows)

        def values(drawn: Tensor, prefix: str) -> dict[str, Value]:
            kinds = torch.nn.functional.one_hot(manoeuvre(step, drawn), len(MANOEUVRES))
            off = (kinds.float().mean(1) - odds).abs().sum(1) / 2
            return {
                f"{prefix}energy_distance": _mean(
                    energy_distance(drawn[:, :, -1], real[:, :, -1]), split,
                    f"of {truth_draws} last positions to as many of the simulator's, metres",
                ),
                f"{prefix}manoeuvre_distance": _mean(
                    off, split,
                    "total variation of the shares of left, straight on and right from the "
                    "simulator's own probabilities",
                ),
            }  # fmt: skip

        found = values(made, "")
        return found | values(again, "real/") if evaluation.name == "model" else found

    return metric


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """2 E|A - B| - E|A - A'| - E|B - B'| of points (n, K, 2) and (n, K, 2), unbiased: (n,)."""
    k = a.shape[1]
    within = sum(torch.cdist(x, x).sum((1, 2)) / (k * (k - 1)) for x in (a, b))
    return 2 * torch.cdist(a, b).mean((1, 2)) - within
