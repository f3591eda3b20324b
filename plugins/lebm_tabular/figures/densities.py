"""Figure of a model of the plane: data, prior, aggregate posterior and samples side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from lebm_core import LatentEBM
from lebm_core.errors import UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evidence.log_z import log_z
from lebm_core.latent.codes import aggregate_codes
from lebm_tabular.data.synthetic import Synthetic

__all__ = ["densities"]

POINTS = 2_000  # codes, and samples


def densities(evaluation: Evaluation) -> list[tuple[Path, str]]:
    """Draw four panels: the true density, prior, posterior codes, model samples."""
    data = evaluation.need(Synthetic, "tabular.densities")  # type: ignore[type-abstract]
    model, generator, n = evaluation.model.density, evaluation.generator, POINTS
    codes = aggregate_codes(model, data, n, generator).detach().cpu()
    drawn = evaluation.model.sample(n, generator=generator).cpu()
    reach = max(3.0, float(codes.abs().quantile(0.999)) * 1.2)
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    axes = figure.subplots(1, 4)
    _density(axes[0], "data: true density p(x)", 2.6, lambda x: data.log_prob(x).exp())
    shown = [
        (axes[2], codes, "examples x" if model.observed else "posterior codes of the data", reach),
        (axes[3], drawn, "samples x of the model", 2.6),
    ]
    norm = _log_z(model)
    if norm is not None:

        def prior(z: Tensor) -> Tensor:
            return (model.prior.log_prob(z.to(model.device)) - norm).exp().cpu()

        _density(axes[1], "prior density p(z)", reach, prior)
    else:  # draws; of more dimensions the first two coordinates represent all
        z = model.prior.sample(n, generator=generator).cpu()
        shown.insert(0, (axes[1], z, "draws z of the prior", reach))
    for axis, points, title, limit in shown:
        plane = torch.nn.functional.pad(points, (0, 1))[:, :2]  # codes of one dimension too
        axis.scatter(*plane.T, s=1, alpha=0.4, color="#1f4e79", linewidths=0)
        axis.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    path = evaluation.folder / "figures" / "densities.png"
    figure.savefig(path, dpi=110)
    caption = f"Data, prior, {n:,} posterior codes and {n:,} samples of the model."
    return [(path, caption)]


def _log_z(model: LatentEBM) -> float | None:
    """log Z by quadrature; None where there are other than two dimensions, or no density."""
    if model.latent_dim != 2:
        return None
    try:
        return float(log_z(model.prior, method="quadrature"))
    except UnsupportedEstimate:
        return None


def _density(
    axis: Any, title: str, limit: float, value: Callable[[Tensor], Tensor], points: int = 121
) -> None:
    line = torch.linspace(-limit, limit, points)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        image = value(grid).view(points, points).T
    axis.imshow(
        image.numpy(), origin="lower", extent=(-limit, limit, -limit, limit), cmap="viridis"
    )
    axis.set(title=title)
