"""Energies of an image at several sizes, drawn from the coarsest to the finest.

Sources: Gao et al., "Learning generative ConvNets via multi-grid modeling and sampling", CVPR 2018,
arXiv 1709.08868; of one picture: Zheng, Xie and Li, "Patchwise generative ConvNet", CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from lebm_core import EBMPrior, Sampler
from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.priors.ebm import ENERGY, SAMPLER
from lebm_core.priors.energy import Energy
from lebm_energies.networks.convolution import check_shape

__all__ = ["MultigridPrior"]


class MultigridPrior(EBMPrior):
    """An energy f at each of several sizes, each half the next; a chain starts at the size before.

    A draw begins with noise at the coarsest size; the end of each chain, every pixel repeated, is
    the start of the chain at twice the size. f of the finest is the tilt of the prior. The rule
    "prior.multigrid" teaches all.

    Args:
        latent_dim: numbers of one x.
        shape: (C, H, W) of one x; the data set gives it.
        energy: the network at every size, an `Energy` with an option `shape`, or its table.
        sampler: of the chain at every size.
        reference: p0, "gaussian" or "uniform" on [-std, std] in each pixel.
        reference_std: standard deviation of a Gaussian p0, half width of a uniform one.
        bound: C of the bounded tilt f = C tanh(f/C), in nats; 0 or none leaves f unbounded.
        grids: sizes; H and W must be divisible by 2 so many times less one.

    Raises:
        UsageError: for x that are no images, or sides that cannot be halved so often.
    """

    taught_by = "multigrid"

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        reference: Literal["gaussian", "uniform"] = "uniform",
        reference_std: float = 1.0,
        bound: float | None = 0.0,
        grids: int = 3,
    ) -> None:
        check_shape(shape, latent_dim, 3, "images (C, H, W)", "multigrid")
        whole("prior.grids", grids, 1, 20)
        channels, *sides = shape
        for side in sides:
            if side % 2 ** (grids - 1):
                raise UsageError(
                    f"prior.grids = {grids} halves the side {side} of an image {grids - 1} times, "
                    "which leaves no whole number of pixels; use fewer."
                )
        if isinstance(energy, Mapping | None):
            energy = {"name": "convolution", **(energy or {})}
            energy.setdefault("shape", list(shape))
        super().__init__(
            latent_dim, energy, sampler, reference, reference_std, bound=bound
        )  # fmt: skip
        self.shape = tuple(shape)
        finest = self.energies[0]
        if "shape" not in finest.options:
            raise UsageError(
                "The prior multigrid needs an energy of images of any size, and "
                f"{type(finest).__name__} has no option shape: use prior.energy.name = "
                '"convolution".'
            )
        coarse = []
        for halvings in range(grids - 1, 0, -1):
            small = [channels, *(side // 2**halvings for side in sides)]
            d = channels * small[1] * small[2]
            own = finest.replaced(shape=small, latent_dim=d)
            coarse.append(EBMPrior(d, own, self.sampler, reference, reference_std, bound=bound))
        self.coarse = nn.ModuleList(coarse)

    @property
    def scales(self) -> list[EBMPrior]:
        """The prior of each size, from the coarsest; the last is this one."""
        return [*self.coarse, self]

    def reset(self, generator: torch.Generator | None = None) -> None:
        super().reset(generator)
        for prior in self.scales[:-1]:
            prior.reset(generator)

    def shrunk(self, x: Tensor, scale: int) -> Tensor:
        """x (B, d) at a size, (B, d'): means of blocks of pixels."""
        side = 2 ** (len(self.coarse) - scale)
        return avg_pool2d(x.view(-1, *self.shape), side).flatten(1) if side > 1 else x

    def enlarged(self, x: Tensor, scale: int) -> Tensor:
        """x of a size (B, d') at twice that, each pixel four times."""
        side = 2 ** (len(self.coarse) - scale)
        channels, height, width = self.shape
        small = x.view(-1, channels, height // side, width // side)
        return interpolate(small, scale_factor=2.0).flatten(1)

    def draw_start(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Where n chains of the finest size start: the enlarged ends of those of the size before.

        It is p0 where there is one size alone.
        """
        x = self.scales[0].draw_reference(n, generator)
        for scale, prior in enumerate(self.scales[:-1]):
            x = self.enlarged(prior.sample(n, start=x, generator=generator), scale)
        return x
