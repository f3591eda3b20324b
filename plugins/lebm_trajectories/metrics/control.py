"""trajectories.control: futures under an imposed behaviour or goal.

Do they obey, and are they as plausible as the model's uncontrolled predictions?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from lebm_core.base.checks import positive, whole
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_trajectories.data.behaviour import BEHAVIOURS
from lebm_trajectories.metrics.control_scores import (
    GOALS,
    WITHIN,
    Values,
    behaviour_values,
    collision_rate,
    goal_values,
    nll,
    plausibility,
    turner_values,
)
from lebm_trajectories.metrics.steered import steered
from lebm_trajectories.metrics.steering import Steering
from lebm_trajectories.prediction import MOST_DRAWS

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
    """Metric trajectories.control: behaviours and goals imposed.

    Args:
        control_agents: agents of the split, at random
        control_draws: futures of each under each control
        class_strength: lambda of a behaviour
        goal_strength: lambda of a goal
        goal_sd: standard deviation about a goal at strength 1, metres
        strengths: lambdas of the curve, in addition to 0, no control
        curve_agents: agents of the curve
    """
    for name, agents in (("control_agents", control_agents), ("curve_agents", curve_agents)):
        whole(f"evaluation.{name}", agents, 4)
    whole("evaluation.control_draws", control_draws, 2, MOST_DRAWS)
    positive("evaluation.goal_sd", goal_sd)
    sweep = checked_strengths([0.0, *(s for s in strengths if s)])
    for name, given in (("class_strength", class_strength), ("goal_strength", goal_strength)):
        checked_strengths([given], f"evaluation.{name}")

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        steering = Steering(evaluation, control_draws, goal_sd)
        rows = steering.choose(control_agents)
        free, real = steering.free(rows), steering.real(rows)[:, None]
        values = plausibility(steering, rows, free, "uncontrolled", "without control")
        values["uncontrolled_collision_rate"] = collision_rate(
            steering, rows, free, "without control"
        )
        values["uncontrolled_nll"] = nll(
            steering, rows, steering.drawn(rows), "uncontrolled futures"
        )
        values |= in_row(
            "real",
            {
                "nll": nll(steering, rows, real, "real futures"),
                "collision_rate": collision_rate(steering, rows, real, "as observed"),
            },
        )
        if steering.classes:
            for y in range(len(BEHAVIOURS)):
                values |= behaviour_values(steering, rows, y, class_strength)
        for goal in GOALS:
            values |= goal_values(steering, rows, goal, goal_strength, evaluation.name == "model")
        values |= turner_values(steering, len(rows) // 4, goal_strength)
        few = steering.choose(min(curve_agents, len(rows)))
        swept = {strength: _point(steering, few, strength) for strength in sweep}
        folder = evaluation.folder / "figures"
        panels = [name for name in PANELS if name in swept[0.0]]
        levels = {k: float(v.value) for k, v in swept[0.0].items() if v.value is not None}
        evaluation.figure(
            curve_figure(swept, panels, folder / "strengths.png", levels),
            f"Strength of a control against what it does and costs, {len(few)} agents of "
            f"{steering.split}; dashed: no control.",
        )
        evaluation.figure(*steered(steering, class_strength, goal_strength, folder / "steered.png"))
        return values | curve_values(swept)

    return metric


def _point(steering: Steering, rows: Tensor, strength: float) -> Values:
    """Compute one point of the curve, each figure a mean over the behaviours or the goals."""
    obeyed, met, near, speeds = [], [], [], []
    for y in range(len(BEHAVIOURS) if steering.classes else 0):
        able, known = rows[steering.admits(rows)[:, y]], steering.known(y, len(rows))
        if len(able) > 1 and len(known) > 1:
            paths = steering.behaving(able, y, strength)
            obeyed.append((steering.classified(able, paths) == y).float().mean(1))
            met.append(steering.colliding(able, paths).mean(1))
            speeds.append(steering.distances(known, steering.behaving(known, y, strength))[0])
    for aside, _ in GOALS.values():
        goals = steering.goals(rows, aside)
        paths = steering.heading_for(rows, goals, strength)
        off = (paths[:, :, -1] - goals[:, None]).norm(dim=-1)
        near.append((off <= WITHIN * steering.metre).float().mean(1))
        if not steering.classes:
            met.append(steering.colliding(rows, paths).mean(1))
    split, over = steering.split, "behaviours" if steering.classes else "goals"
    values = {
        "goal_within": _mean(near, split, "share near its goal, mean over the goals", "higher"),
        "collision_rate": _mean(met, split, f"share near another, mean over the {over}", "lower"),
    }
    if obeyed:
        values["obeyed"] = _mean(
            obeyed, split, "share that obey, mean over the behaviours", "higher"
        )
        values["speed_distance"] = Value(
            sum(speeds) / len(speeds), None, len(rows), split,
            f"of agents who did so, mean over the behaviours, {steering.unit}", better="lower",
        )  # fmt: skip
    return values


def _mean(parts: Sequence[Tensor], split: str, definition: str, better: str) -> Value:
    """Average the means of several groups of agents, (n,) each."""
    each = [Value.mean(part, split, definition) for part in parts]
    error = sum((v.standard_error or 0.0) ** 2 for v in each) ** 0.5 / len(each)
    mean = sum(float(part.mean()) for part in parts) / len(parts)
    return Value(mean, error, sum(v.n for v in each), split, definition, better=better)
