"""energies.texture: spectrum, autocorrelation and pixel values of samples beside those of data."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row

__all__ = ["autocorrelation", "spectrum", "texture", "values_apart"]

QUANTILES = 101


def texture(*, texture_images: int = 500, lags: int = 6) -> Metric:
    """Metric energies.texture, of images (B, C, H, W).

    Args:
        texture_images: of the data, at most, and as many samples
        lags: pixels of the largest shift of the autocorrelation
    """
    whole("evaluation.texture_images", texture_images, 2, 1_000_000)
    whole("evaluation.lags", lags, 1, 1000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = evaluation.dataset, evaluation.split
        n = min(texture_images, data.length(split), data.length("train"))
        real = data.batch(split, torch.arange(n)).x
        if not (isinstance(real, Tensor) and real.ndim == 4):
            raise UsageError("The metric energies.texture needs images of one size.")
        train = data.batch("train", torch.randperm(data.length("train"),
                           generator=torch.Generator().manual_seed(0))[:n]).x  # fmt: skip
        values = _apart(evaluation.samples[:n], real, lags, "samples", split)
        if evaluation.name == "model":
            values |= in_row("real", _apart(train, real, lags, "train", split))
        return values

    return metric


def _apart(x: Tensor, real: Tensor, lags: int, of: str, split: str) -> dict[str, Value]:
    ours, theirs = (each.double().cpu() for each in (x, real))
    log = (spectrum(ours).log() - spectrum(theirs).log()).square().mean().sqrt()
    shifts = (autocorrelation(ours, lags) - autocorrelation(theirs, lags)).square().mean().sqrt()
    n = len(x)
    return {
        "spectrum": Value(
            float(log), None, n, of, "root mean square difference of the logarithms of the mean "
            f"power spectrum to that of {split}; 0 for the same", better="lower",
        ),
        "autocorrelation": Value(
            float(shifts), None, n, of, "root mean square difference of the correlation of pixels "
            f"up to {lags} apart to that of {split}; 0 for the same", better="lower",
        ),
        "pixel_values": Value(
            values_apart(ours, theirs), None, n, of, "mean distance of the quantiles of pixel "
            f"values to those of {split}, in units of x; 0 for the same", better="lower",
        ),
    }  # fmt: skip


def spectrum(x: Tensor) -> Tensor:
    """The mean power spectrum of images less their own mean, (H, W // 2 + 1), 0 left out as 1."""
    centred = x - x.mean((2, 3), keepdim=True)
    height, width = x.shape[2:]
    window = torch.outer(torch.hann_window(height), torch.hann_window(width)).to(x)
    power = torch.fft.rfft2(centred * window).abs().square().mean((0, 1))
    power[0, 0] = 1.0
    floored: Tensor = power.clamp(min=1e-12)
    return floored


def autocorrelation(x: Tensor, lags: int) -> Tensor:
    """Correlation of pixels by their shift, of 0 to `lags` down and -lags to lags to the right."""
    centred = x - x.mean()
    height, width = x.shape[2:]
    variance = centred.square().mean()
    found = []
    for down in range(min(lags, height - 1) + 1):
        for right in range(-min(lags, width - 1), min(lags, width - 1) + 1):
            a = centred[:, :, down:, max(0, right) : width + min(0, right)]
            b = centred[:, :, : height - down, max(0, -right) : width - max(0, right)]
            found.append((a * b).mean() / variance)
    return torch.stack(found)


def values_apart(x: Tensor, real: Tensor) -> float:
    """The mean distance of quantiles of pixel values: the Wasserstein distance of histograms."""
    at = torch.linspace(0, 1, QUANTILES).to(x)

    def quantiles(v: Tensor) -> Tensor:
        flat = v.flatten().sort().values
        return flat[(at * (len(flat) - 1)).long()]

    return float((quantiles(x) - quantiles(real)).abs().mean())
