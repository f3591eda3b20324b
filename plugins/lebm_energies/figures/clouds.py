"""Figure of a model of clouds of points: data, and samples of each class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.priors.protocols import Coupled
from lebm_energies.data.clouds import CloudData
from lebm_energies.pictures import draw_clouds

__all__ = ["pictures"]

COLUMNS = 8


def pictures(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw real clouds, and samples, given each class where there are classes."""
    data = evaluation.need(CloudData, "energies.clouds")
    model, generator = evaluation.model, evaluation.generator
    split = next((s for s in ("test", "valid", "train") if data.length(s)), "")
    rows = [] if not split else [(split, data.raw(data.all(split, COLUMNS).x))]
    if isinstance(model.prior, Coupled) and model.prior.n_classes == len(data.classes):
        for k, name in enumerate(data.classes):
            drawn = model.decode_mode(model.prior.sample(COLUMNS, y=k, generator=generator))
            rows.append((f"samples:\n{name}", data.raw(drawn)))
    else:
        drawn = model.sample(2 * COLUMNS, generator=generator)
        rows += [("samples", data.raw(drawn[:COLUMNS])), ("", data.raw(drawn[COLUMNS:]))]
    file = evaluation.folder / "figures" / "samples.png"
    yield draw_clouds(rows, file), "Clouds of the data, and samples of the model."
