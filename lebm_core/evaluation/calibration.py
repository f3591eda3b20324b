"""Calibration of p(y | x): reliability curve and expected calibration error."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lebm_core.evaluation.values import Numbers

__all__ = ["BINS", "expected_calibration_error", "reliability", "reliability_figure"]

BINS = 10  # of confidence


def expected_calibration_error(p: Numbers, y: Numbers) -> float:
    """The mean of |accuracy - confidence| over bins of confidence (Guo et al. 2017)."""
    bins = reliability(p, y)
    return float(sum(share * abs(accuracy - confidence) for confidence, accuracy, share in bins))


def reliability(p: Numbers, y: Numbers) -> list[tuple[float, float, float]]:
    """(mean confidence, accuracy, share of examples) of each bin that holds any.

    Args:
        p: (n, C) probabilities.
        y: (n,) true classes.
    """
    confidence, right = p.max(1), p.argmax(1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (float(confidence[mask].mean()), float(right[mask].mean()), float(mask.mean()))
        for mask in (bins == b for b in range(BINS))
        if mask.any()
    ]


def reliability_figure(p: Numbers, y: Numbers, file: Path) -> tuple[Path, str]:
    """Draw accuracy against confidence into `file`; the file and its caption."""
    from matplotlib.figure import Figure

    confidence, accuracy, share = map(list, zip(*reliability(p, y), strict=True))
    figure = Figure(figsize=(3.6, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
    axis.plot(confidence, accuracy, color="#1f4e79", lw=1)
    axis.scatter(confidence, accuracy, s=[10 + 200 * part for part in share], color="#1f4e79")
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    caption = "Reliability of p(y | x): perfect on the diagonal; area is the share of examples."
    return file, caption
