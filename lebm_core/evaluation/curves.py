"""The strength of a control against what it does and what it costs: values and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from lebm_core.errors import UsageError
from lebm_core.evaluation.values import Value

__all__ = ["checked_strengths", "curve_figure", "curve_values"]

PANEL = (2.9, 2.5)  # inches


def checked_strengths(strengths: Sequence[float], key: str = "evaluation.strengths") -> list[float]:
    """The strengths of a sweep in order.

    Raises:
        UsageError: where there is none, one twice, or one below 0.
    """
    found = sorted(float(each) for each in strengths)
    known = found and found[0] >= 0 and math.isfinite(sum(found))
    if not known or len(set(found)) < len(found):
        raise UsageError(f"{key} = {list(strengths)} must be one or more numbers >= 0, each once.")
    return found


def curve_values(swept: Mapping[float, Mapping[str, Value]]) -> dict[str, Value]:
    """The values of a sweep under one name each: "accuracy" at strength 2 is "accuracy_at_2".

    Args:
        swept: strength to the values found there.
    """
    return {
        f"{name}_at_{strength:g}": value
        for strength, values in swept.items()
        for name, value in values.items()
    }


def curve_figure(
    swept: Mapping[float, Mapping[str, Value]],
    names: Sequence[str],
    file: Path,
    reference: Mapping[str, float] | None = None,
) -> Path:
    """Draws a panel for each of `names`: its values against the strength, with error bars.

    Args:
        swept: strength to the values found there.
        names: which of them; a value that is refused leaves a gap.
        file: where to.
        reference: levels to compare with, for instance those of test data; a dashed line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PANEL[0] * len(names), PANEL[1]), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        points = [(s, v[name]) for s, v in swept.items() if v[name].value is not None]
        errors = [value.standard_error or 0.0 for _, value in points]
        axis.errorbar(
            [s for s, _ in points], [value.value for _, value in points], errors,
            color="#1f4e79", marker="o", ms=4, lw=1, capsize=2,
        )  # fmt: skip
        if reference and name in reference:
            axis.axhline(reference[name], color="0.6", lw=1, ls="--")
        axis.set(xlabel="strength λ", title=name.replace("_", " "))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    return file
