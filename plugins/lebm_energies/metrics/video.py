"""energies.video: spectrum and autocorrelation of clips, and frames that are filled in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_energies.data.texture import ClipData
from lebm_energies.evaluators.filling import completed

__all__ = ["autocorrelation", "build", "interpolated", "spectrum"]


def build(*, recovered: int = 50, gap: int = 3, steps: int = 200) -> Metric:
    """Metric energies.video.

    Args:
        recovered: test clips of which frames are filled in; 0 for none.
        gap: frames in the middle that are unknown.
        steps: of the chains that fill in.

    Raises:
        UsageError: for options that are not possible.
    """
    whole("evaluation.recovered", recovered)
    whole("evaluation.gap", gap, 1)
    whole("evaluation.steps", steps, 1)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(ClipData, "energies.video")
        samples = evaluation.samples.cpu()
        n = min(len(samples), data.length(evaluation.split))
        test = data.all(evaluation.split, n).x
        values = _compared(samples[:n], test, evaluation.split)
        train = data.all("train", n).x
        if evaluation.name == "model" and len(train) == n:
            values |= in_row("real", _compared(train, test, evaluation.split), "training clips")
        return values | _filled(evaluation, data, recovered, gap, steps)

    return metric


def spectrum(x: Tensor) -> Tensor:
    """Mean power of clips (B, C, T, H, W) at each frequency, (T, H, W), divided by its sum.

    Each clip is multiplied by a Hann window along all three axes, as it does not close on itself.
    """
    window = x.new_ones(())
    for size in x.shape[2:]:
        window = window[..., None] * torch.hann_window(size + 2, periodic=False)[1:-1]
    power = torch.fft.fftn((x * window).double(), dim=(2, 3, 4)).abs().square().mean((0, 1))
    share: Tensor = power / power.sum().clamp(min=1e-30)
    return share


def autocorrelation(x: Tensor, axis: int, lags: int) -> Tensor:
    """Correlation of clips (B, C, T, H, W) at lags 1 to `lags` along an axis, (lags,)."""
    x = x.double()
    variance = x.square().mean().clamp(min=1e-30)
    size = x.shape[axis]
    found = [
        (x.narrow(axis, 0, size - lag) * x.narrow(axis, lag, size - lag)).mean() / variance
        for lag in range(1, lags + 1)
    ]
    return torch.stack(found)


def _compared(samples: Tensor, real: Tensor, split: str) -> dict[str, Value]:
    n = len(samples)
    apart = 0.5 * (spectrum(samples) - spectrum(real)).abs().sum()
    values = {
        "spectrum": Value(
            float(apart), None, n, split,
            "half the summed difference of the mean power spectra in time and space, each of sum "
            "1: 0 to 1; training clips in the place of samples give what chance does",
            better="lower",
        )
    }  # fmt: skip
    for name, axes in (("time", (2,)), ("space", (3, 4))):
        square = []
        for axis in axes:
            lags = max(1, real.shape[axis] // 2)
            difference = autocorrelation(samples, axis, lags) - autocorrelation(real, axis, lags)
            square.append(difference.square())
        values[f"autocorrelation_{name}"] = Value(
            float(torch.cat(square).mean().sqrt()), None, n, split,
            f"root mean squared difference of the autocorrelations in {name}, lags up to half of "
            "the size", better="lower",
        )  # fmt: skip
    values["deviation"] = Value(
        float(samples.std()), None, n, "samples", "standard deviation of x; .4 in the data"
    )
    return values


def interpolated(x: Tensor, first: int, gap: int) -> Tensor:
    """x (B, C, T, H, W) with `gap` frames from `first` on a line between their neighbours."""
    filled = x.clone()
    before, after = x[:, :, first - 1], x[:, :, first + gap]
    for i in range(gap):
        share = (i + 1) / (gap + 1)
        filled[:, :, first + i] = (1 - share) * before + share * after
    return filled


def _filled(
    evaluation: Evaluation, data: ClipData, n: int, gap: int, steps: int
) -> dict[str, Value]:
    split = evaluation.split
    x = data.all(split, n).x
    if not len(x):
        return {}
    frames = x.shape[2]
    if gap > frames - 2:
        raise UsageError(
            f"evaluation.gap = {gap} leaves no frame on both sides of it in clips of {frames}; use "
            f"at most {frames - 2}."
        )
    first = (frames - gap) // 2
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, :, first : first + gap] = False
    fillings = {"": ("", completed(evaluation, x, mask, steps))}
    if evaluation.name == "model":
        line = interpolated(x, first, gap)
        fillings["linear"] = ("frames on a line between their neighbours", line)
        fillings["mean"] = ("the mean of the data", torch.zeros_like(x))
    values: dict[str, Value] = {}
    power = x[~mask].square().mean()
    for row, (title, filled) in fillings.items():
        error = ((filled - x) * ~mask).square().flatten(1).sum(1) / (~mask).flatten(1).sum(1)
        found = {
            "filled_error": Value.mean(
                error.double() / float(power), split,
                f"squared error of {gap} unknown frames in the middle over their mean square; 1 "
                "for the mean of the data, and up to 2 for an independent draw", better="lower",
            )
        }  # fmt: skip
        values |= in_row(row, found, title) if row else found
    return values
