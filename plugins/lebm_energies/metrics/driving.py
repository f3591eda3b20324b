"""energies.driving: is the cost of the demonstrations found, and what do its draws do?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lebm_core.base.checks import positive, whole
from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_energies.data.driving import Driving
from lebm_energies.evaluators.driving import draws_of, is_linear, theta_of

__all__ = ["driving"]

COSINE = "cosine between theta, with what p0 adds to drive and steer, and theta*"
ERROR = "norm of theta - theta*, divided by that of theta*"
WORST = "largest relative error of one weight"


def driving(
    *, driving_scenes: int = 100, driving_draws: int = 20, collision_radius: float = 0.75
) -> Metric:
    """Metric energies.driving: theta against theta*, and drawn trajectories against demonstrations.

    Args:
        driving_scenes: scenes of the split; 0 for all
        driving_draws: trajectories drawn in each
        collision_radius: a trajectory that comes nearer to anything collides, metres
    """
    whole("evaluation.driving_scenes", driving_scenes, 0)
    whole("evaluation.driving_draws", driving_draws, 2, 10_000)
    positive("evaluation.collision_radius", collision_radius)

    def metric(evaluation: Evaluation) -> dict[str, Value]:
        data = evaluation.need(Driving, "energies.driving")
        split, n = evaluation.split, driving_draws
        rows = subset(data.length(split), driving_scenes, evaluation.seed)
        drawn = draws_of(evaluation.model, data, split, rows, n, evaluation.generator)
        theta = theta_of(evaluation.model, data) if is_linear(evaluation.model) else None
        found = dict(_weights(theta, data))
        found |= dict(_paths(data, split, rows, drawn, collision_radius))
        if evaluation.name == "model":
            fresh = data.draw(split, rows, n, evaluation.generator)
            found |= in_row("real", dict(_paths(data, split, rows, fresh, collision_radius)),
                            "fresh draws from theta*")  # fmt: skip
            fisher = _fisher(data, split, rows, fresh)
            found |= in_row("bound", dict(_bound(data, fisher)), "likelihood's own spread")
            flat = dict(_weights(torch.ones_like(data.theta), data))
            found |= in_row("flat", {"theta_cosine": flat["theta_cosine"]}, "equal weights")
        return found

    return metric


def _weights(theta: Tensor | None, data: Driving) -> Iterator[tuple[str, Value]]:
    """Theta against theta*; None where the cost has more than weights."""
    true, n = data.theta, len(data.theta)
    if theta is None:
        why = "its cost is not the weights alone"
        yield "theta_cosine", Value(None, None, n, "", COSINE, why, better="higher")
        yield "theta_error", Value(None, None, n, "", ERROR, why, better="lower")
        yield "theta_worst", Value(None, None, n, "", WORST, why, better="lower")
        return
    off = theta - true
    each = {f"theta of {k}": round(float(v), 4) for k, v in zip(data.costs.names, theta,
                                                                strict=True)}  # fmt: skip
    cosine = float(torch.cosine_similarity(theta, true, dim=0))
    error, worst = float(off.norm() / true.norm()), float((off / true).abs().amax())
    yield "theta_cosine", Value(cosine, None, n, "", COSINE, extra=each, better="higher")
    yield "theta_error", Value(error, None, n, "", ERROR, better="lower")
    yield "theta_worst", Value(worst, None, n, "", WORST, better="lower")


def _paths(
    data: Driving, split: str, rows: Tensor, x: Tensor, radius: float
) -> Iterator[tuple[str, Value]]:
    """What drawn controls x (n, draws, d) do in their scenes."""
    context, draws = data.contexts[split][rows], x.shape[1]
    many, flat = context.repeat_interleave(draws, 0), x.flatten(0, 1)
    true = data.controls[split][rows].flatten(1)
    there = data.costs.states(true, context)[:, None, :, 1:, :2]
    paths = data.costs.states(flat, many)[..., 1:, :2].unflatten(0, (-1, draws))

    def rmse(path: Tensor) -> Tensor:
        return (path - there).square().sum(-1).mean((-1, -2)).sqrt()  # (n, draws)

    what = "root mean square distance from the demonstration over steps, metres: {}"
    near = data.costs.nearest(flat, many).unflatten(0, (-1, draws)) < radius
    shown = (data.costs.nearest(true, context) < radius).float().mean()
    cost = (data.costs.total(flat, many) * data.theta).sum(-1).unflatten(0, (-1, draws))
    for name, values, definition in (
        ("rmse", rmse(paths).mean(1), what.format("a drawn trajectory")),
        ("rmse_mean", rmse(paths.mean(1, True))[:, 0], what.format(f"the mean of {draws}")),
        ("rmse_best", rmse(paths).amin(1), what.format(f"the best of {draws}")),
        ("collisions", near.float().mean(1),
         f"share of drawn trajectories that come nearer than {radius:g} metres to anything; of "
         f"the demonstrations {float(shown):.3f}"),
    ):  # fmt: skip
        yield name, Value.mean(values, split, definition, better="lower")
    told = "theta* . phi of drawn controls, nats; best where it is that of fresh draws"
    yield "true_cost", Value.mean(cost.mean(1), split, told)


def _fisher(data: Driving, split: str, rows: Tensor, x: Tensor) -> Tensor:
    """The mean covariance of phi under theta* in a scene, of fresh draws x (n, draws, d)."""
    many = data.contexts[split][rows].repeat_interleave(x.shape[1], 0)
    phi = data.costs.total(x.flatten(0, 1), many).double().unflatten(0, (len(rows), -1))
    off = phi - phi.mean(1, True)
    return torch.einsum("nki,nkj->ij", off, off) / (len(rows) * (x.shape[1] - 1))


def _bound(data: Driving, fisher: Tensor) -> Iterator[tuple[str, Value]]:
    """The error of maximum likelihood on as many demonstrations as there are to learn from."""
    variance = torch.linalg.inv(fisher * data.length("train")).diagonal()
    true = data.theta.double()
    n = data.length("train")
    of = f"; expected of maximum likelihood on {n} demonstrations, by the Fisher information"
    along = (variance.sum() - true @ torch.linalg.inv(fisher * n) @ true / (true @ true)) / (
        true @ true
    )
    for name, value, what in (
        ("theta_cosine", (1 + along).rsqrt(), COSINE),
        ("theta_error", variance.sum().sqrt() / true.norm(), ERROR),
        ("theta_worst", (variance.sqrt() / true).amax(),
         "standard error of the weight that is known worst, divided by it"),
    ):  # fmt: skip
        yield name, Value(float(value), None, n, definition=what + of)
