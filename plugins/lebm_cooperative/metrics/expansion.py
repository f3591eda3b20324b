"""cooperative.expansion: larger pictures and longer clips, by the part that no training saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lebm_cooperative.networks.dynamic import DynamicDecoder
from lebm_cooperative.networks.maps import MapDecoder
from lebm_core.base.checks import whole
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row

__all__ = ["build", "expanded", "spectrum"]

SHOWN = 4


def build(*, expanded_samples: int = 100, expansion: int = 4) -> Metric:
    """Metric cooperative.expansion, of the decoders dynamic and map-deconv.

    Args:
        expanded_samples: larger samples, and examples that they are compared with, at most
        expansion: by how much the number of frames, or the side, is multiplied; from 2 on

    Raises:
        UsageError: for options that are not possible.
    """
    whole("evaluation.expanded_samples", expanded_samples, 1, 100_000)
    whole("evaluation.expansion", expansion, 2, 1000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split, model = evaluation.dataset, evaluation.split, evaluation.model
        if not isinstance(model.decoder, (DynamicDecoder, MapDecoder)):
            return {}  # a row of another decoder has no larger samples
        n = min(expanded_samples, data.length(split), data.length("train"))
        real = data.batch(split, torch.arange(n)).x
        larger = expanded(evaluation, n, expansion)
        size = real.shape[2:]
        if isinstance(model.decoder, DynamicDecoder):
            parts = {"last": larger[:, :, -size[0] :], "first": larger[:, :, : size[0]]}
        else:
            a, b = size
            parts = {"last": larger[:, :, -a:, -b:], "first": larger[:, :, :a, :b]}
        where = {"last": f"the far end of samples {expansion} times as large", "first": "samples"}
        values: dict[str, Value] = {}
        for name, part in parts.items():
            values |= _compared(part, real, name, where[name], split)
        if evaluation.name == "model":
            train = data.batch("train", torch.arange(n)).x
            for name in parts:
                values |= in_row(
                    "real", _compared(train, real, name, "training examples", split),
                    "training examples",
                )  # fmt: skip
        _draw(evaluation, larger, len(size))
        return values

    return metric


def expanded(evaluation: Evaluation, n: int, by: int) -> Tensor:
    """n samples `by` times as long, or as high and wide, as the data; without noise of x given z.

    The data's own noise is not known apart from it, and a sample's is white.
    """
    model = evaluation.model
    decoder: Any = model.decoder
    longer = isinstance(decoder, DynamicDecoder)
    size = decoder.shape[1] if longer else decoder.side
    options = {("frames" if longer else "side"): by * size}
    drawn: Tensor = model.sample(
        n, generator=evaluation.generator, batch_size=50, noise=False, **options
    )
    return drawn.cpu()


def _compared(x: Tensor, real: Tensor, name: str, of: str, split: str) -> dict[str, Value]:
    apart = 0.5 * (spectrum(x) - spectrum(real)).abs().sum()
    n = len(x)
    return {
        f"{name}_spectrum": Value(
            float(apart), None, n, "samples",
            f"of {of}: half the summed difference of the mean power spectrum to that of {split}, "
            "each of sum 1: 0 to 1", better="lower",
        ),
        f"{name}_deviation": Value(
            float(x.std() / real.std()), None, n, "samples",
            f"of {of}: standard deviation of x over that of {split}; 1 for the same",
        ),
    }  # fmt: skip


def spectrum(x: Tensor) -> Tensor:
    """Mean power of x (B, C, ...) at each frequency of the axes behind C, divided by its sum.

    The mean of each example is taken away, and a Hann window laid along each axis, since examples
    do not close on themselves.
    """
    x = x.double()
    axes = tuple(range(2, x.ndim))
    window = x.new_ones(())
    for axis in axes:
        one = torch.hann_window(x.shape[axis] + 2, periodic=False, dtype=x.dtype)[1:-1]
        window = window[..., None] * one
    centred = x - x.mean(axes, keepdim=True)
    power = torch.fft.fftn(centred * window, dim=axes).abs().square().mean((0, 1))
    share: Tensor = power / power.sum().clamp(min=1e-30)
    return share


def _draw(evaluation: Evaluation, x: Tensor, axes: int) -> None:
    """Write the first samples as a figure: pictures, or clips as strips of frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    if axes == 3:  # one strip for each clip, sixteen frames or so
        step = max(1, x.shape[2] // 16)
        strips = [clip[0, ::step] for clip in x[:SHOWN]]
        shown = [torch.nn.functional.pad(s, (0, 1), value=-1.0) for s in strips]
        images = [s.transpose(0, 1).flatten(1) for s in shown]
        figure, panels = plt.subplots(len(images), 1, figsize=(10, 0.75 * len(images)))
        told = f"Clips carried on to {x.shape[2]} frames, every {step} frames."
    else:
        images = [picture[0] for picture in x[:SHOWN]]
        figure, panels = plt.subplots(1, len(images), figsize=(2.5 * len(images), 2.6))
        told = f"Samples of {x.shape[2]} x {x.shape[3]} pixels."
    for panel, image in zip([panels] if len(images) == 1 else panels, images, strict=True):
        panel.imshow(image.numpy(), cmap="gray", vmin=-1, vmax=1)
        panel.set_axis_off()
    file = evaluation.folder / "figures" / "expanded.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100, bbox_inches="tight")
    plt.close(figure)
    evaluation.figure(file, told)
