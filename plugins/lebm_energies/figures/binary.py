"""Pictures of models of small binary images: samples, and what each hidden unit looks at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lebm_core import Evaluation
from lebm_core.errors import UsageError
from lebm_energies.data.binary import BinaryImages
from lebm_energies.priors.rbm import RBMPrior

__all__ = ["binary_images"]

COLUMNS, MOST = 16, 64
ZOOM, GAP = 6, 3  # pixels of the picture


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
    """Write images (n, H, W) as rows of 16 to a PNG, a pixel of them as 6 x 6."""
    import matplotlib
    from matplotlib import image

    n, height, width = images.shape
    columns = min(COLUMNS, n)
    rows = -(-n // columns)
    low, high = limits
    shades = ((images.float() - low) / max(high - low, 1e-12)).numpy(force=True)
    coloured = matplotlib.colormaps[colours](shades)[..., :3].repeat(ZOOM, 1).repeat(ZOOM, 2)
    down, right = height * ZOOM + GAP, width * ZOOM + GAP
    whole = np.full((rows * down + GAP, columns * right + GAP, 3), 0.6)
    for place, each in enumerate(coloured):
        top, left = GAP + place // columns * down, GAP + place % columns * right
        whole[top : top + height * ZOOM, left : left + width * ZOOM] = each
    image.imsave(file, whole)
