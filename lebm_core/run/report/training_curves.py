"""The training curves of a run, drawn from metrics.jsonl."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lebm_core.base.files import replace_file
from lebm_core.run.training.tracking import read_metrics

__all__ = ["training_curves"]

PRIOR = "loss/prior"  # on a scale of its own
# Panels, each a title and patterns of the names in it; those that were not logged are left out.
PANELS = (
    ("loss [nats]", ("loss/*",)),
    ("loss of the prior", (PRIOR,)),
    ("f [nats]", ("f_posterior", "f_chain", "f gap")),
    ("KL(q || p0) and I(x; z) [nats]", ("kl", "information")),
    ("codes", ("code_mean", "code_std")),
    ("gradient norm", ("gradient/*",)),
)
SHOWN = {
    "f_posterior": "f(posterior)",
    "f_chain": "f(chain)",
    "f gap": "difference",
    "information": "bound on I(x; z)",
    "code_mean": "largest mean",
    "code_std": "mean std",
}
ABREAST = 3  # panels: on a page of the usual width their letters are legible
SPARSE = 10  # points up to which each is marked


def training_curves(part: Path, folder: Path) -> Path | None:
    """Draw `folder/training.png`, unless it is up to date; None where nothing was logged.

    Args:
        part: folder of a model or baseline, with its metrics.jsonl.
        folder: where the picture goes.
    """
    target, source = folder / "training.png", part / "metrics.jsonl"
    if not source.is_file():
        return None
    if target.is_file() and target.stat().st_mtime_ns > source.stat().st_mtime_ns:
        return target  # drawn since the last line was written
    records = [line for line in read_metrics(part) if "warning" not in line]
    for line in records:
        if _number(line, "f_posterior") is not None and _number(line, "f_chain") is not None:
            line["f gap"] = line["f_posterior"] - line["f_chain"]
    series: dict[str, list[tuple[int, float]]] = {}
    for line in records:
        for name in line:
            value = _number(line, name)
            if value is not None:
                series.setdefault(name, []).append((line["step"], value))
    panels = [(title, _matching(patterns, series)) for title, patterns in PANELS]
    panels = [(title, names) for title, names in panels if names]
    if not panels:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(ABREAST, len(panels))
    rows = math.ceil(len(panels) / columns)
    width, height = 3.2 * columns, 2.7 * rows
    figure = Figure(figsize=(width, height))
    # Margins in inches. A layout that measures its labels draws all of it twice.
    figure.subplots_adjust(
        0.55 / width, 0.42 / height, 1 - 0.12 / width, 1 - 0.27 / height, 0.6 / 2.6, 0.75 / 2.0
    )
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[len(panels) :]:
        unused.set_axis_off()
    for axis, (title, names) in zip(axes, panels, strict=False):
        for name in names:
            steps, values = zip(*series[name], strict=True)
            label = SHOWN.get(name, name.split("/")[-1])
            marker = "o" if len(steps) <= SPARSE else ""
            axis.plot(steps, values, linewidth=1.2, marker=marker, markersize=3, label=label)
        axis.set_title(title, fontsize=9, y=1.0)  # at a fixed height: the ticks are not measured
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
        if names[0].startswith("gradient"):
            axis.set_yscale("log")
        else:
            axis.locator_params(nbins=5)
        if len(names) > 1:
            axis.legend(fontsize=7, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(target, lambda path: figure.savefig(path, dpi=140))
    return target


def _matching(patterns: Sequence[str], logged: Iterable[str]) -> list[str]:
    """The logged names of a panel, in the order of its patterns."""
    found = [(name, each) for each in patterns for name in logged if fnmatchcase(name, each)]
    return [name for name, each in found if name != PRIOR or each == PRIOR]


def _number(line: dict[str, Any], name: str) -> float | None:
    value = line.get(name)
    if not isinstance(value, int | float) or abs(value) > 1e300:  # an integer of 400 digits
        return None
    return float(value)
