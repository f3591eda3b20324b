"""Figures of a model of trajectories: scenes, destinations, and the energy along a chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.protocols import Tilted
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.prediction import futures, means

__all__ = ["DRAWN", "DRAWS", "PAST", "TRUE", "evenly_spaced", "scenes"]

SCENES, AGENTS, DRAWS = 6, 5, 20
PAST, TRUE, DRAWN = "#1f4e79", "#1b7837", "#d6604d"
CHAINS, CHAIN_STEPS = 200, 100


def scenes(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw scenes with several agents, the spread of destinations, the energy along a chain."""
    data = evaluation.need(TrajectoryDataset, "trajectories.model")
    model, generator = evaluation.model, evaluation.generator
    folder = evaluation.folder / "figures"
    split = next((s for s in ("test", "valid", "train") if data.length(s)), "")
    if not split:
        return
    yield _scenes(data, model, split, folder / "scenes.png", generator)
    yield _destinations(data, model, split, folder / "destinations.png", generator)
    prior, sampler = model.prior, model.prior.sampler
    if isinstance(prior, Tilted) and sampler is not None and "steps" in sampler.options:
        yield _chain(data, prior, sampler, split, folder / "chain.png", evaluation)


def evenly_spaced(n: int, count: int) -> Tensor:
    """Choose `count` of n rows, evenly spaced; all where there are fewer."""
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
    windows, o = data.windows[split], data.options
    sizes = windows.group.unique(return_counts=True)
    crowded = sizes[0][sizes[1] >= min(3, int(sizes[1].max()))]
    chosen = crowded[evenly_spaced(len(crowded), SCENES)]
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
        if data.unit == "pixels":  # whose rows count downwards
            axis.invert_yaxis()
    figure.savefig(file, dpi=100)
    return file, f"Observed (blue), true (green) and {DRAWS} predicted (red) paths of {split}."


def _destinations(
    data: TrajectoryDataset, model: LatentEBM, split: str, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    rows = evenly_spaced(data.length(split), SCENES)
    batch = data.batch(split, rows)
    assert batch.context is not None
    ends = means(model, batch.context, CHAINS, generator)[:, :, -1] * data.scale
    ahead, aside = ", ahead", "to the right" if data.unit == "pixels" else "to the left"
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
    data: TrajectoryDataset,
    prior: Tilted,
    sampler: Sampler,
    split: str,
    file: Path,
    evaluation: Evaluation,
) -> tuple[Path, str]:
    rows = torch.arange(min(CHAINS, data.length(split)))
    context = data.batch(split, rows).context
    assert context is not None
    trace = Chain()
    prior.sample(
        len(rows),
        context=context.to(evaluation.model.device),
        generator=evaluation.generator,
        sampler=sampler.replaced(steps=CHAIN_STEPS),
        trace=trace,
    )
    energy = -torch.stack(trace.log_prob)
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axis = figure.subplots()
    middle = energy.mean(1)
    low, high = energy.quantile(0.1, 1), energy.quantile(0.9, 1)
    axis.fill_between(range(len(middle)), low, high, color=PAST, alpha=0.2, lw=0)
    axis.plot(middle, color=PAST)
    steps = sampler.options["steps"]
    axis.axvline(steps, color="0.6", lw=1, ls="--")
    axis.set(xlabel="step of the prior's chain", ylabel="energy, nats")
    figure.savefig(file, dpi=100)
    caption = (
        f"Energy -f(z) - log p0(z) along the chains of {len(rows)} agents: mean, and 80 % of them; "
        f"samples are taken at the dashed line, step {steps}."
    )
    return file, caption
