"""Pictures of models of small binary images: samples, and what each hidden unit looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from lebm_core import Evaluation
from lebm_core.errors import UsageError
from lebm_energies.data.binary import BinaryImages
from lebm_energies.priors.rbm import RBMPrior

__all__ = ["binary_images"]

COLUMNS, MOST = 16, 64


def binary_images(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw samples over data, and the receptive fields of a restricted Boltzmann machine."""
    data = evaluation.dataset
    if not isinstance(data, BinaryImages):
        raise UsageError("energies.binary-images draws small binary images, and no other data.")
    folder = evaluation.folder / "figures"
    if evaluation.recipe is None or evaluation.recipe.evaluation["samples"]:
        n = min(MOST, data.length(evaluation.split), len(evaluation.samples))
        real = data.batch(evaluation.split, torch.arange(n)).x
        rows = torch.cat([real[: n // 2], evaluation.samples[: n - n // 2]])
        file = folder / "samples.png"
        sheet(rows.flatten(0, 1), file, "gray_r", (0.0, 1.0))
        yield file, f"Upper half: images of the {evaluation.split} split. Lower half: samples."
    prior = evaluation.model.prior
    if isinstance(prior, RBMPrior):
        weight = prior.weight.detach().cpu().T[:MOST].reshape(-1, data.side, data.side)
        most = float(weight.abs().max())
        file = folder / "receptive-fields.png"
        sheet(weight, file, "RdBu_r", (-most, most))
        yield (
            file,
            (
                f"Weights of each hidden unit to the pixels, red positive, blue negative, up to "
                f"{most:.1f}."
            ),
        )


def sheet(images: Tensor, file: Path, colours: str, limits: tuple[float, float]) -> None:
    """Write images (n, H, W) as rows of 16 to a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(COLUMNS, len(images))
    lines = -(-len(images) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(0.5 * columns, 0.5 * lines), squeeze=False)
    for place, axis in enumerate(axes.flat):
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_visible(place < len(images))
        if place < len(images):
            low, high = limits
            axis.imshow(images[place].numpy(force=True), cmap=colours, vmin=low, vmax=high)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99, 0.08, 0.08)
    figure.savefig(file, dpi=110)
    plt.close(figure)
