"""The metric trajectories.control: futures under an imposed behaviour or goal.

Do they obey, and are they as plausible as what the model predicts without being told?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_trajectories.data.behaviour import BEHAVIOURS
from lebm_trajectories.figures.scenes import steered
from lebm_trajectories.metrics.control_scores import (
    GOALS,
    WITHIN,
    Values,
    behaviour_values,
    collision_rate,
    goal_values,
    plausibility,
    surprise,
    turner_values,
)
from lebm_trajectories.metrics.displacement import Metric, at_least, mean_of
from lebm_trajectories.metrics.steering import Steering

__all__ = ["control"]

PANELS = ("obeyed", "goal_within", "collision_rate", "speed_distance")


def control(
    *,
    control_agents: int = 300,
    control_draws: int = 32,
    class_strength: float = 1.0,
    goal_strength: float = 1.0,
    goal_sd: float = 0.2,
    strengths: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
    curve_agents: int = 100,
) -> Metric:
    """The metric trajectories.control: behaviours and goals imposed.

    Args:
        control_agents: agents of the split, at random
        control_draws: futures of each under each control
        class_strength: lambda of a behaviour
        goal_strength: lambda of a goal
        goal_sd: standard deviation about a goal at strength 1, metres
        strengths: lambdas of the curve, beside 0, no control
        curve_agents: agents of the curve
    """
    for name, agents in (("control_agents", control_agents), ("curve_agents", curve_agents)):
        at_least(name, agents, 4)
    at_least("control_draws", control_draws, 2)
    if not goal_sd > 0:
        raise UsageError(f"evaluation.goal_sd = {goal_sd} must be positive.")
    sweep = checked_strengths([0.0, *(s for s in strengths if s)])
    for name, given in (("class_strength", class_strength), ("goal_strength", goal_strength)):
        checked_strengths([given], f"evaluation.{name}")

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        told = Steering(evaluation, control_draws, goal_sd)
        rows = told.some(control_agents)
        free, real = told.free(rows), told.real(rows)[:, None]
        values = plausibility(told, rows, free, "uncontrolled", "without control")
        values["uncontrolled_collision_rate"] = collision_rate(told, rows, free, "without control")
        values["uncontrolled_nll"] = surprise(told, rows, told.drawn(rows), "uncontrolled futures")
        values["real/nll"] = surprise(told, rows, real, "real futures")
        values["real/collision_rate"] = collision_rate(told, rows, real, "as it went")
        if told.classes:
            for y in range(len(BEHAVIOURS)):
                values |= behaviour_values(told, rows, y, class_strength)
        for goal in GOALS:
            values |= goal_values(told, rows, goal, goal_strength, evaluation.name == "model")
        values |= turner_values(told, len(rows) // 4, goal_strength)
        few = told.some(min(curve_agents, len(rows)))
        swept = {strength: _point(told, few, strength) for strength in sweep}
        folder, panels = evaluation.folder / "figures", [p for p in PANELS if p in swept[0.0]]
        still = {k: float(v.value) for k, v in swept[0.0].items() if v.value is not None}
        evaluation.figure(
            curve_figure(swept, panels, folder / "strengths.png", still),
            f"Strength of a control against what it does and costs, {len(few)} agents of "
            f"{told.split}; dashed: no control.",
        )
        evaluation.figure(*steered(told, class_strength, goal_strength, folder / "steered.png"))
        return values | curve_values(swept)

    return metric


def _point(told: Steering, rows: Tensor, strength: float) -> Values:
    """One point of the curve, each figure a mean over the behaviours, or over the goals."""
    obeyed, met, near, speeds = [], [], [], []
    for y in range(len(BEHAVIOURS) if told.classes else 0):
        mine, known = rows[told.admits(rows)[:, y]], told.known(y, len(rows))
        if len(mine) > 1 and len(known) > 1:
            paths = told.behaving(mine, y, strength)
            obeyed.append((told.judged(mine, paths) == y).float().mean(1))
            met.append(told.meeting(mine, paths).mean(1))
            speeds.append(told.apart(known, told.behaving(known, y, strength))[0])
    for aside, _ in GOALS.values():
        wanted = told.goals(rows, aside)
        paths = told.heading_for(rows, wanted, strength)
        off = (paths[:, :, -1] - wanted[:, None]).norm(dim=-1)
        near.append((off <= WITHIN * told.metre).float().mean(1))
        if not told.classes:
            met.append(told.meeting(rows, paths).mean(1))
    split, over = told.split, "behaviours" if told.classes else "goals"
    found = {
        "goal_within": _mean(near, split, "share near its goal, mean over the goals"),
        "collision_rate": _mean(met, split, f"share near another, mean over the {over}"),
    }
    if obeyed:
        found["obeyed"] = _mean(obeyed, split, "share that obey, mean over the behaviours")
        found["speed_distance"] = Value(
            sum(speeds) / len(speeds), None, len(rows), split,
            f"of agents who did so, mean over the behaviours, {told.unit}",
        )  # fmt: skip
    return found


def _mean(parts: Sequence[Tensor], split: str, definition: str) -> Value:
    """The mean of the means of several groups of agents, (n,) each."""
    each = [mean_of(part, split, definition) for part in parts]
    error = sum((v.standard_error or 0.0) ** 2 for v in each) ** 0.5 / len(each)
    mean = sum(float(part.mean()) for part in parts) / len(parts)
    return Value(mean, error, sum(v.n for v in each), split, definition)
