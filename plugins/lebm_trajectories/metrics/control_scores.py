"""The figures of futures under one control: do they obey, and how plausible are they?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lebm_core.evaluation.values import Value
from lebm_trajectories.data.behaviour import BEHAVIOURS
from lebm_trajectories.metrics.displacement import mean_of
from lebm_trajectories.metrics.goals import to_goal
from lebm_trajectories.metrics.steering import Steering

__all__ = [
    "GOALS",
    "Values",
    "WITHIN",
    "behaviour_values",
    "collision_rate",
    "goal_values",
    "plausibility",
    "surprise",
    "turner_values",
]

WITHIN = 0.5  # metres of a goal
GOALS: dict[str, tuple[float | None, str]] = {
    "aside": (2.0, "2 m to the left of where constant velocity ends"),
    "true": (None, "the true end"),
}
PACES = {"slow": (0.0, 0.5), "usual": (0.5, 1.0), "fast": (1.0, math.inf)}  # of the usual step
Values = dict[str, Value]


def behaviour_values(told: Steering, rows: Tensor, y: int, strength: float) -> Values:
    """Of futures under y, after those pasts of `rows` that admit it; and of agents who did it."""
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
        f"{name}_collision_rate": collision_rate(told, mine, paths, under),
        f"{name}_collision_rate_uncontrolled": collision_rate(told, mine, free, "without control"),
        f"{name}_nll": surprise(told, mine, paths, f"futures {under}"),
        **{f"{name}_{word}": v for word, v in _by_pace(told, mine, obeyed, f"{how}, {under}")},
    }
    known = told.known(y, max(2, len(rows) // 2))
    if len(known) > 1:
        paths = told.behaving(known, y, strength)
        found |= plausibility(told, known, paths, name, f"{under}, of agents who really did that")
    return found


def goal_values(told: Steering, rows: Tensor, goal: str, strength: float, plain: bool) -> Values:
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
    found = {f"{goal}_nll": surprise(told, rows, paths, f"futures {drawn[2]}")}
    for name, made, how in [drawn, *(others if plain else [])]:
        off = (made[:, :, -1] - wanted[:, None]).norm(dim=-1)
        within = (off <= near).float().mean(1)
        found |= {
            f"{name}_distance": mean_of(off.mean(1), split, f"from it at the end, {how}, {unit}"),
            f"{name}_within": mean_of(within, split, f"share within {near:.3g} {unit}, {how}"),
            f"{name}_collision_rate": collision_rate(told, rows, made, how),
            **plausibility(told, rows, made, name, how),
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


def turner_values(told: Steering, n: int, strength: float) -> Values:
    """The way to the true end where it is no straight line: n agents of each side who turned."""
    rows = torch.cat([told.known(BEHAVIOURS.index(side), n) for side in ("left", "right")])
    if not len(rows):
        return {}
    past, wanted, real = told.past(rows), told.goals(rows), told.real(rows)[:, None]
    line, _ = to_goal(past[:, -1], past[:, -1] - past[:, -2], wanted, told.options.predicted)
    paths = told.heading_for(rows, wanted, strength)
    return {
        f"{name}_ADE_of_turners": mean_of(
            (made - real).norm(dim=-1).mean((1, 2)), told.split,
            f"mean error of paths {how} to the true end, of agents who really turned, {told.unit}",
        )
        for name, made, how in (("true", paths, "drawn"), ("true_straight_line", line, "straight"))
    }  # fmt: skip


def collision_rate(told: Steering, rows: Tensor, paths: Tensor, how: str) -> Value:
    """Share of paths that come close to where another of the window really went."""
    return mean_of(
        told.meeting(rows, paths).mean(1), told.split,
        f"share of paths {how} that come within {told.close:.3g} {told.unit} of where another of "
        "the window really went",
    )  # fmt: skip


def surprise(told: Steering, rows: Tensor, paths: Tensor, what: str) -> Value:
    """How odd the uncontrolled model finds some paths, nats."""
    return mean_of(
        told.surprise(rows, paths), told.split,
        f"-log density of {what} under the mixture of {told.draws} uncontrolled ones, each step "
        f"cut at 20, mean over the steps, nats, lengths in {told.unit}",
    )  # fmt: skip


def plausibility(told: Steering, rows: Tensor, paths: Tensor, name: str, how: str) -> Values:
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
