"""Energy "frame": potentials of the answers of a fixed bank of Gabor filters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lebm_core import Energy
from lebm_core.base.checks import at_least, positive, whole
from lebm_core.base.randomness import fork
from lebm_core.errors import UsageError
from lebm_energies.networks.convolution import check_shape

__all__ = ["Frame", "gabor_bank"]


class Frame(Energy):
    """f(x) = sum over filters k and places s of lambda_k((F_k * x)(s)): FRAME.

    The density of most entropy among those with the same histograms of filter answers (Zhu, Wu and
    Mumford, International Journal of Computer Vision 27, 1998). The filters are fixed, a potential
    lambda_k is a learned sum of Gaussian bumps, so f is linear in all that is learned and the
    likelihood has one maximum.

    Args:
        latent_dim: numbers of one x.
        shape: (C, H, W) of one x; the data set gives it.
        orientations: of the Gabor filters, cosine and sine of each.
        wavelengths: of the Gabor filters, in pixels; a filter is about 1.5 wavelengths wide.
        bumps: of each potential, over the range of answers.
        reach: answers, in absolute value, up to which the bumps lie.
        outputs: C of the logits.

    Raises:
        UsageError: for x that are no images, or a filter wider than the image.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        orientations: int = 6,
        wavelengths: Sequence[float] = (3.0, 5.0, 8.0),
        bumps: int = 13,
        reach: float = 1.5,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        check_shape(shape, latent_dim, 3, "images (C, H, W)", "frame")
        whole("energy.orientations", orientations, 1, 1000)
        whole("energy.bumps", bumps, 2, 1000)
        whole("energy.outputs", outputs, 1)
        positive("energy.reach", reach)
        for length in wavelengths:
            at_least("energy.wavelengths", length, 2)  # a shorter wave is none on the grid
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.shape = tuple(shape)
        banks = [gabor_bank(orientations, length) for length in wavelengths]
        for bank, length in zip(banks, wavelengths, strict=True):
            if bank.shape[-1] > min(shape[1:]):
                raise UsageError(
                    f"energy.wavelengths = {length:g} makes filters of {bank.shape[-1]} pixels, "
                    f"wider than images of {shape[1]} x {shape[2]}; use a shorter one."
                )
        for place, bank in enumerate(banks):
            self.register_buffer(f"bank{place}", bank, persistent=False)
        self.n_banks, filters = len(banks), 1 + sum(len(bank) for bank in banks)
        self.register_buffer("centres", torch.linspace(-reach, reach, bumps), persistent=False)
        self.weights = nn.Parameter(torch.zeros(outputs, shape[0] * filters, bumps))
        self.reset()

    centres: Tensor

    def reset(self, generator: torch.Generator | None = None) -> None:
        with fork(generator), torch.no_grad():
            self.weights.normal_(0.0, 1e-3)

    def start_at_zero(self) -> None:
        """Make F = 0."""
        nn.init.zeros_(self.weights)

    def answers(self, x: Tensor) -> list[Tensor]:
        """The answers of the filters at all places where they fit, (B, C k, places), by bank."""
        channels = self.shape[0]
        found = [x.flatten(2)]  # the pixels themselves are the first filter
        for place in range(self.n_banks):
            bank = getattr(self, f"bank{place}").repeat(channels, 1, 1, 1)
            found.append(nn.functional.conv2d(x, bank, groups=channels).flatten(2))
        return found

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        logits, first = z.new_zeros(len(z), self.outputs), 0
        precision = 0.5 / float(self.centres[1] - self.centres[0]) ** 2
        for answer in self.answers(z.view(-1, *self.shape)):
            k = answer.shape[1]
            bumps = (-precision * (answer[..., None] - self.centres).square()).exp().sum(2)
            logits = logits + torch.einsum("bkm,okm->bo", bumps, self.weights[:, first : first + k])
            first += k
        return logits


def gabor_bank(orientations: int, wavelength: float) -> Tensor:
    """Gabor filters, cosine and sine, of sum 0 and length 1, (2 orientations, 1, w, w).

    Source: Daugman, Journal of the Optical Society of America A 2, 1985.
    """
    half = max(1, math.ceil(0.75 * wavelength))
    line = torch.arange(-half, half + 1, dtype=torch.float32)
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    window = torch.exp(-(rows.square() + columns.square()) / (2 * (0.4 * wavelength) ** 2))
    filters = []
    for step in range(orientations):
        angle = math.pi * step / orientations
        along = 2 * math.pi * (columns * math.cos(angle) + rows * math.sin(angle)) / wavelength
        for wave in (along.cos(), along.sin()):
            gabor = window * wave
            gabor = gabor - window * (gabor.sum() / window.sum())
            filters.append(gabor / gabor.norm())
    return torch.stack(filters)[:, None]
