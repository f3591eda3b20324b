"""Pictures of trajectories for the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from lebm_core.chains.trace import Chain
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.ebm import EBMPrior
from lebm_trajectories.data.behaviour import BEHAVIOURS

if TYPE_CHECKING:
    from lebm_trajectories.data.dataset import TrajectoryDataset
    from lebm_trajectories.metrics.steering import Steering

__all__ = ["pictures", "steered"]

SCENES, AGENTS, DRAWS = 6, 5, 20
PAST, TRUE, DRAWN = "#1f4e79", "#1b7837", "#d6604d"
CHAINS, CHAIN_STEPS = 200, 100
STEERED = 3  # agents of the picture of controls


def pictures(
    data: TrajectoryDataset, model: LatentEBM, folder: Path, generator: torch.Generator
) -> Iterator[tuple[Path, str]]:
    """Scenes with several agents, the spread of destinations, the energy along a chain."""
    split = next((s for s in ("test", "valid", "train") if data.length(s)), "")
    if not split:
        return
    yield _scenes(data, model, split, folder / "scenes.png", generator)
    yield _goals(data, model, split, folder / "destinations.png", generator)
    if isinstance(model.prior, EBMPrior):
        yield _chain(data, model, split, folder / "chain.png", generator)


def _spread(n: int, count: int) -> Tensor:
    return torch.linspace(0, n - 1, min(n, count)).long()


def _panels(count: int) -> tuple[Figure, list[Any]]:
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(4 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes


def _scenes(
    data: TrajectoryDataset, model: LatentEBM, split: str, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    from lebm_trajectories.prediction import futures

    windows, o = data.windows[split], data.options
    sizes = windows.group.unique(return_counts=True)
    many = sizes[0][sizes[1] >= min(3, int(sizes[1].max()))]  # where several walk
    chosen = many[_spread(len(many), SCENES)]
    figure, axes = _panels(len(chosen))
    for axis, group in zip(axes, chosen.tolist(), strict=False):
        rows = (windows.group == group).nonzero().squeeze(1)[:AGENTS]
        drawn = futures(model, data, split, rows, DRAWS, generator)
        for row, paths in zip(rows.tolist(), drawn, strict=True):
            path = windows.positions[row]
            here = path[o.observed - 1 : o.observed]
            for each in paths:
                axis.plot(*torch.cat([here, each]).T, color=DRAWN, lw=0.6, alpha=0.5)
            axis.plot(*path[o.observed - 1 :].T, color=TRUE, lw=1.8)
            axis.plot(*path[: o.observed].T, color=PAST, lw=1.8)
            axis.plot(*here.T, "o", color=PAST, ms=3)
        scene = windows.names[int(windows.scenes[rows[0]])]
        axis.set(title=f"{scene}, window {group}", xlabel=data.unit, aspect="equal")
        axis.set_adjustable("datalim")
        if data.unit == "pixels":  # whose rows are counted downwards
            axis.invert_yaxis()
    figure.savefig(file, dpi=100)
    return file, f"Observed (blue), true (green) and {DRAWS} predicted (red) paths of {split}."


def _goals(
    data: TrajectoryDataset, model: LatentEBM, split: str, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    from lebm_trajectories.prediction import means

    rows = _spread(data.length(split), SCENES)
    batch = data.batch(split, rows)
    ends = means(model, batch.context, CHAINS, generator)[:, :, -1] * data.scale  # type: ignore[arg-type]
    ahead, aside = ", ahead", "to the left" if data.unit == "metres" else "to the right"
    if not data.options.heading:
        ahead = aside = ""
    figure, axes = _panels(len(rows))
    for axis, row, points, x in zip(axes, rows.tolist(), ends, batch.x * data.scale, strict=False):
        axis.scatter(*points.T, s=4, color=DRAWN, alpha=0.5, linewidths=0)
        axis.plot(*torch.cat([torch.zeros(1, 2), x]).T, color=TRUE, lw=1.5)
        axis.plot(0, 0, "o", color=PAST, ms=4)
        axis.set(title=f"agent {row} of {split}", xlabel=f"{data.unit}{ahead}", ylabel=aside)
        axis.set_aspect("equal", adjustable="datalim")
    figure.savefig(file, dpi=100)
    return file, f"{CHAINS} predicted destinations of an agent (red), and the path it took (green)."


def _chain(
    data: TrajectoryDataset, model: LatentEBM, split: str, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    rows = torch.arange(min(CHAINS, data.length(split)))
    context = data.batch(split, rows).context.to(model.device)  # type: ignore[union-attr]
    trace = Chain()
    prior: Any = model.prior
    prior.sample(len(rows), context=context, generator=generator, steps=CHAIN_STEPS, trace=trace)
    energy = -torch.stack(trace.log_prob)
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axis = figure.subplots()
    middle = energy.mean(1)
    low, high = energy.quantile(0.1, 1), energy.quantile(0.9, 1)
    axis.fill_between(range(len(middle)), low, high, color=PAST, alpha=0.2, lw=0)
    axis.plot(middle, color=PAST)
    axis.axvline(prior.steps, color="0.6", lw=1, ls="--")
    axis.set(xlabel="step of the prior's chain", ylabel="energy, nats")
    figure.savefig(file, dpi=100)
    caption = (
        f"Energy -f(z) - log p0(z) along the chains of {len(rows)} agents: mean, and 80 % of them; "
        f"samples are taken at the dashed line, step {prior.steps}."
    )
    return file, caption


def steered(
    told: Steering, class_strength: float, goal_strength: float, file: Path
) -> tuple[Path, str]:
    """Some pasts, a row each, with futures drawn freely, under each behaviour and to a goal."""
    can = told.admits(told.some(0))[:, BEHAVIOURS.index("left")]
    walking = can & (told.pace(told.some(0)) > 0.7)
    rows = (walking if walking.any() else ~walking).nonzero().squeeze(1)
    rows = rows[_spread(len(rows), STEERED)]
    wanted = told.goals(rows, 2.0)
    columns: dict[str, Tensor] = {"no control": told.free(rows)}
    if told.classes:
        for name in ("left", "straight", "right"):
            y = BEHAVIOURS.index(name)
            columns[f"y = {name}"] = told.behaving(rows, y, class_strength)
    columns["goal (cross)"] = told.heading_for(rows, wanted, goal_strength)
    figure = Figure(figsize=(2.4 * len(columns), 2.4 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex="row", sharey="row")
    for i, row in enumerate(rows.tolist()):
        others = told.windows.group == told.windows.group[row]
        others[row] = False
        seen = [told.past(rows[i : i + 1])[0], told.real(rows[i : i + 1])[0], wanted[i : i + 1]]
        middle = seen[0][-1]
        for axis, (title, paths) in zip(axes[i], columns.items(), strict=True):
            for other in told.windows.positions[others, told.options.observed - 1 :]:
                axis.plot(*(other - middle).T, color="0.75", lw=1)
            for path in paths[i, :DRAWS]:
                axis.plot(*(torch.cat([middle[None], path]) - middle).T, color=DRAWN, lw=0.6)
            axis.plot(*(torch.cat([middle[None], seen[1]]) - middle).T, color=TRUE, lw=1.5)
            axis.plot(*(seen[0] - middle).T, color=PAST, lw=1.8)
            if "goal" in title:
                axis.plot(*(seen[2] - middle).T, "x", color="black", ms=7)
            reach = float((told.free(rows)[i] - middle).abs().max()) + 1.5 * told.metre
            down = -1 if told.unit == "pixels" else 1  # rows of pixels are counted downwards
            axis.set(xlim=(-reach, reach), ylim=(-down * reach, down * reach), aspect="equal")
            axis.set_title(title if i == 0 else "", fontsize=9)
            axis.tick_params(labelsize=7)
    figure.savefig(file, dpi=100)
    return file, (
        f"Futures (red, {min(DRAWS, told.draws)} draws) of some pasts (blue) of {told.split}; "
        f"green is what happened, grey where the others went; {told.unit}."
    )
