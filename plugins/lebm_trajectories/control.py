"""The metric trajectories.control: futures under an imposed behaviour or goal.

Do they obey, and are they as plausible as what the model predicts without being told?
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.run.curves import checked_strengths, curve_figure, curve_values
from lebm_core.run.evaluation import Evaluation, Value
from lebm_trajectories.behaviour import BEHAVIOURS
from lebm_trajectories.goals import to_goal
from lebm_trajectories.metrics import Metric, at_least, mean_of
from lebm_trajectories.pictures import steered
from lebm_trajectories.steering import Steering

__all__ = ["GOALS", "control"]

WITHIN = 0.5  # metres of a goal
GOALS: dict[str, tuple[float | None, str]] = {
    "aside": (2.0, "2 m to the left of where constant velocity ends"),
    "true": (None, "the true end"),
}
PACES = {"slow": (0.0, 0.5), "usual": (0.5, 1.0), "fast": (1.0, math.inf)}  # of the usual step
PANELS = ("obeyed", "goal_within", "collision_rate", "speed_distance")
Values = dict[str, Value]


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
        values = _plausible(told, rows, free, "uncontrolled", "without control")
        values["uncontrolled_collision_rate"] = _collisions(told, rows, free, "without control")
        values["uncontrolled_nll"] = _nll(told, rows, told.drawn(rows), "uncontrolled futures")
        values["real/nll"] = _nll(told, rows, real, "real futures")
        values["real/collision_rate"] = _collisions(told, rows, real, "as it went")
        if told.classes:
            for y in range(len(BEHAVIOURS)):
                values |= _behaviour(told, rows, y, class_strength)
        for goal in GOALS:
            values |= _goal(told, rows, goal, goal_strength, evaluation.name == "model")
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


def _behaviour(told: Steering, rows: Tensor, y: int, strength: float) -> Values:
    name, split, k = BEHAVIOURS[y], told.split, told.draws
    can = told.admits(rows)[:, y]
    found = {
        f"{name}_admitted": mean_of(
            can.float(), split, f"share of pasts after which the whole track can be {name}"
        )
    }
    if not can.any():
        return {**found, name: Value(None, split=split, refused=f"no past here admits {name}")}
    mine = rows[can]
    paths = told.behaving(mine, y, strength)
    obeyed = (told.judged(mine, paths) == y).float().mean(1)
    free = told.free(rows)[can]
    chance = (told.judged(mine, free) == y).float()
    how = f"share of tracks that are {name} by the rule of the labels, after pasts that admit it"
    under = f"under y = {name}, strength {strength:g}"
    found |= {
        name: mean_of(obeyed, split, f"{how}, {under}"),
        f"{name}_uncontrolled": mean_of(chance.mean(1), split, f"{how}, without control"),
        f"{name}_any_of_{k}": mean_of(
            chance.amax(1), split, f"share of these pasts with {name} among {k} free futures"
        ),
        f"real/{name}": mean_of((told.truth(mine) == y).float(), split, f"{how}, real tracks"),
        f"{name}_collision_rate": _collisions(told, mine, paths, under),
        f"{name}_collision_rate_uncontrolled": _collisions(told, mine, free, "without control"),
        f"{name}_nll": _nll(told, mine, paths, f"futures {under}"),
        **{f"{name}_{word}": v for word, v in _by_pace(told, mine, obeyed, f"{how}, {under}")},
    }
    known = told.known(y, max(2, len(rows) // 2))
    if len(known) > 1:
        paths = told.behaving(known, y, strength)
        found |= _plausible(told, known, paths, name, f"{under}, of agents who really did that")
    return found


def _goal(told: Steering, rows: Tensor, goal: str, strength: float, plain: bool) -> Values:
    """Of drawn futures and, where `plain` ones are wanted, of two ways that no model makes."""
    split, unit, near = told.split, told.unit, WITHIN * told.metre
    aside, where = GOALS[goal]
    wanted = told.goals(rows, aside)
    past = told.past(rows)
    last, step = past[:, -1], past[:, -1] - past[:, -2]
    line, kept = to_goal(last, step, wanted, told.options.predicted)
    paths = told.heading_for(rows, wanted, strength)
    drawn = (goal, paths, f"drawn towards {where}, strength {strength:g}")
    others = [
        (f"{goal}_straight_line", line, f"in a straight line to {where}"),
        (f"{goal}_constant_velocity", kept, f"as fast as before, turned to {where}"),
    ]
    found = {f"{goal}_nll": _nll(told, rows, paths, f"futures {drawn[2]}")}
    for name, made, how in [drawn, *(others if plain else [])]:
        off = (made[:, :, -1] - wanted[:, None]).norm(dim=-1)
        within = (off <= near).float().mean(1)
        found |= {
            f"{name}_distance": mean_of(off.mean(1), split, f"from it at the end, {how}, {unit}"),
            f"{name}_within": mean_of(within, split, f"share within {near:.3g} {unit}, {how}"),
            f"{name}_collision_rate": _collisions(told, rows, made, how),
            **_plausible(told, rows, made, name, how),
        }
        if aside is None:
            error = (made - told.real(rows)[:, None]).norm(dim=-1).mean((1, 2))
            found[f"{name}_ADE"] = mean_of(error, split, f"mean error {how}, {unit}")
        if name == goal:
            by_pace = _by_pace(told, rows, within, f"share within {near:.3g} {unit}, {how}")
            found |= {f"{goal}_within_{word}": value for word, value in by_pace}
    best = (told.free(rows)[:, :, -1] - wanted[:, None]).norm(dim=-1).amin(1)
    of = f"the free future of {told.draws} that ends nearest to {where}"
    found[f"{goal}_best_distance"] = mean_of(best, split, f"distance of {of}, {unit}")
    found[f"{goal}_best_within"] = mean_of((best <= near).float(), split, f"share within, {of}")
    return found


def _collisions(told: Steering, rows: Tensor, paths: Tensor, how: str) -> Value:
    return mean_of(
        told.meeting(rows, paths).mean(1), told.split,
        f"share of paths {how} that come within {told.close:.3g} {told.unit} of where another of "
        "the window really went",
    )  # fmt: skip


def _nll(told: Steering, rows: Tensor, paths: Tensor, what: str) -> Value:
    return mean_of(
        told.surprise(rows, paths), told.split,
        f"-log density of {what} under the mixture of {told.draws} uncontrolled ones, each step "
        f"cut at 20, mean over the steps, nats, lengths in {told.unit}",
    )  # fmt: skip


def _plausible(told: Steering, rows: Tensor, paths: Tensor, name: str, how: str) -> Values:
    """Distances of speeds and turnings from the real ones of the same agents, and the floor."""
    n, prefix = paths.shape[0] * paths.shape[1], name if name in BEHAVIOURS else "any"
    found = {}
    for what, value, floor, unit in zip(
        ("speed", "turning"), told.apart(rows, paths), told.floor(rows),
        (told.unit, "degrees"), strict=True,
    ):  # fmt: skip
        if what == "turning" and name == "standing":  # who stands has no direction
            continue
        of = "step lengths" if what == "speed" else "turnings of whole tracks"
        found[f"{name}_{what}_distance"] = Value(
            value, None, n, told.split,
            f"Wasserstein distance of {of} {how}, from the real ones of these agents, {unit}",
        )  # fmt: skip
        found[f"real/{prefix}_{what}_distance"] = Value(
            floor, None, len(rows), told.split,
            f"the same between two halves of the real tracks, mean of 20 halvings, {unit}",
        )  # fmt: skip
    return found


def _by_pace(
    told: Steering, rows: Tensor, values: Tensor, definition: str
) -> Iterator[tuple[str, Value]]:
    pace = told.pace(rows)
    for word, (low, high) in PACES.items():
        at = (pace >= low) & (pace < high)
        if at.any():
            how = f"{definition}, pasts at {low:g} to {high:g} times the usual pace"
            yield word, mean_of(values[at], told.split, how)


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
