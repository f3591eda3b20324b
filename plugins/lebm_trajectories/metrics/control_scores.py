"""Scores of futures under one control: obedience and plausibility."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lebm_core.evaluation.values import Value, in_row
from lebm_trajectories.data.behaviour import BEHAVIOURS
from lebm_trajectories.goals import to_goal
from lebm_trajectories.metrics.steering import Steering

__all__ = [
    "GOALS",
    "Values",
    "WITHIN",
    "behaviour_values",
    "collision_rate",
    "goal_values",
    "nll",
    "plausibility",
    "turner_values",
]

WITHIN = 0.5  # metres of a goal
GOALS: dict[str, tuple[float | None, str]] = {
    "aside": (2.0, "2 m to the left of where constant velocity ends"),
    "true": (None, "the true end"),
}
PACES = {"slow": (0.0, 0.5), "usual": (0.5, 1.0), "fast": (1.0, math.inf)}  # of the usual step
Values = dict[str, Value]


def behaviour_values(steering: Steering, rows: Tensor, y: int, strength: float) -> Values:
    """Score futures under y, after the pasts of `rows` that admit it, and of agents who did it."""
    name, split, k = BEHAVIOURS[y], steering.split, steering.draws
    can = steering.admits(rows)[:, y]
    values = {
        f"{name}_admitted": Value.mean(
            can.float(), split, f"share of pasts after which the whole track can be {name}"
        )
    }
    if not can.any():
        refused = f"no past here admits {name}"
        return {**values, name: Value(None, split=split, refused=refused, better="higher")}
    able = rows[can]
    paths = steering.behaving(able, y, strength)
    obeyed = (steering.classified(able, paths) == y).float().mean(1)
    free = steering.free(rows)[can]
    chance = (steering.classified(able, free) == y).float()
    how = f"share of tracks that are {name} by the rule of the labels, after pasts that admit it"
    under = f"under y = {name}, strength {strength:g}"
    values |= {
        name: Value.mean(obeyed, split, f"{how}, {under}", better="higher"),
        f"{name}_uncontrolled": Value.mean(chance.mean(1), split, f"{how}, without control"),
        f"{name}_any_of_{k}": Value.mean(
            chance.amax(1), split, f"share of these pasts with {name} among {k} free futures"
        ),
        **in_row(
            "real",
            {name: Value.mean((steering.truth(able) == y).float(), split, f"{how}, real tracks")},
        ),
        f"{name}_collision_rate": collision_rate(steering, able, paths, under),
        f"{name}_collision_rate_uncontrolled": collision_rate(
            steering, able, free, "without control"
        ),
        f"{name}_nll": nll(steering, able, paths, f"futures {under}"),
        **{f"{name}_{word}": v for word, v in _by_pace(steering, able, obeyed, f"{how}, {under}")},
    }
    known = steering.known(y, max(2, len(rows) // 2))
    if len(known) > 1:
        paths = steering.behaving(known, y, strength)
        values |= plausibility(
            steering, known, paths, name, f"{under}, of agents who really did that"
        )
    return values


def goal_values(
    steering: Steering, rows: Tensor, goal: str, strength: float, plain: bool
) -> Values:
    """Score drawn futures and, where `plain` is True, two ways to the goal without a model."""
    split, unit, near = steering.split, steering.unit, WITHIN * steering.metre
    aside, where = GOALS[goal]
    goals = steering.goals(rows, aside)
    past = steering.past(rows)
    last, step = past[:, -1], past[:, -1] - past[:, -2]
    line, constant = to_goal(last, step, goals, steering.options.predicted)
    paths = steering.heading_for(rows, goals, strength)
    drawn = (goal, paths, f"drawn towards {where}, strength {strength:g}")
    others = [
        (f"{goal}_straight_line", line, f"in a straight line to {where}"),
        (f"{goal}_constant_velocity", constant, f"as fast as before, turned to {where}"),
    ]
    values = {f"{goal}_nll": nll(steering, rows, paths, f"futures {drawn[2]}")}
    for name, made, how in [drawn, *(others if plain else [])]:
        off = (made[:, :, -1] - goals[:, None]).norm(dim=-1)
        within = (off <= near).float().mean(1)
        values |= {
            f"{name}_distance": Value.mean(
                off.mean(1), split, f"from it at the end, {how}, {unit}", better="lower"
            ),
            f"{name}_within": Value.mean(
                within, split, f"share within {near:.3g} {unit}, {how}", better="higher"
            ),
            f"{name}_collision_rate": collision_rate(steering, rows, made, how),
            **plausibility(steering, rows, made, name, how),
        }
        if aside is None:
            error = (made - steering.real(rows)[:, None]).norm(dim=-1).mean((1, 2))
            text = f"mean error {how}, {unit}"
            values[f"{name}_ADE"] = Value.mean(error, split, text, better="lower")
        if name == goal:
            by_pace = _by_pace(steering, rows, within, f"share within {near:.3g} {unit}, {how}")
            values |= {f"{goal}_within_{word}": value for word, value in by_pace}
    best = (steering.free(rows)[:, :, -1] - goals[:, None]).norm(dim=-1).amin(1)
    of = f"the free future of {steering.draws} that ends nearest to {where}"
    values[f"{goal}_best_distance"] = Value.mean(best, split, f"distance of {of}, {unit}")
    values[f"{goal}_best_within"] = Value.mean((best <= near).float(), split, f"share within, {of}")
    return values


def turner_values(steering: Steering, n: int, strength: float) -> Values:
    """Score the way to the true end where it is not straight: n agents of each side who turned."""
    rows = torch.cat([steering.known(BEHAVIOURS.index(side), n) for side in ("left", "right")])
    if not len(rows):
        return {}
    past, goals, real = steering.past(rows), steering.goals(rows), steering.real(rows)[:, None]
    line, _ = to_goal(past[:, -1], past[:, -1] - past[:, -2], goals, steering.options.predicted)
    unit = steering.unit
    paths = steering.heading_for(rows, goals, strength)
    return {
        f"{name}_ADE_of_turners": Value.mean(
            (made - real).norm(dim=-1).mean((1, 2)), steering.split,
            f"mean error of paths {how} to the true end, of agents who really turned, {unit}",
            better="lower",
        )
        for name, made, how in (("true", paths, "drawn"), ("true_straight_line", line, "straight"))
    }  # fmt: skip


def collision_rate(steering: Steering, rows: Tensor, paths: Tensor, how: str) -> Value:
    """Compute the share of paths that come close to where another of the window really went."""
    return Value.mean(
        steering.colliding(rows, paths).mean(1), steering.split,
        f"share of paths {how} that come within {steering.close:.3g} {steering.unit} of where "
        "another of the window really went", better="lower",
    )  # fmt: skip


def nll(steering: Steering, rows: Tensor, paths: Tensor, what: str) -> Value:
    """Compute the negative log-density of paths under the uncontrolled model, nats."""
    return Value.mean(
        steering.nll(rows, paths), steering.split,
        f"-log density of {what} under the mixture of {steering.draws} uncontrolled ones, each "
        f"step cut at 20, mean over the steps, nats, lengths in {steering.unit}", better="lower",
    )  # fmt: skip


def plausibility(steering: Steering, rows: Tensor, paths: Tensor, name: str, how: str) -> Values:
    """Compute distances of speeds and turnings from the agents' real ones, and their floor."""
    n, prefix = paths.shape[0] * paths.shape[1], name if name in BEHAVIOURS else "any"
    values: Values = {}
    for what, value, floor, unit in zip(
        ("speed", "turning"), steering.distances(rows, paths), steering.floor(rows),
        (steering.unit, "degrees"), strict=True,
    ):  # fmt: skip
        if what == "turning" and name == "standing":  # an agent that stands has no direction
            continue
        of = "step lengths" if what == "speed" else "turnings of whole tracks"
        values[f"{name}_{what}_distance"] = Value(
            value, None, n, steering.split,
            f"Wasserstein distance of {of} {how}, from the real ones of these agents, {unit}",
            better="lower",
        )  # fmt: skip
        halves = Value(
            floor, None, len(rows), steering.split,
            f"the same between two halves of the real tracks, mean of 20 halvings, {unit}",
        )  # fmt: skip
        values |= in_row("real", {f"{prefix}_{what}_distance": halves})
    return values


def _by_pace(
    steering: Steering, rows: Tensor, values: Tensor, definition: str
) -> Iterator[tuple[str, Value]]:
    pace = steering.pace(rows)
    for word, (low, high) in PACES.items():
        at = (pace >= low) & (pace < high)
        if at.any():
            how = f"{definition}, pasts at {low:g} to {high:g} times the usual pace"
            yield word, Value.mean(values[at], steering.split, how, better="higher")
