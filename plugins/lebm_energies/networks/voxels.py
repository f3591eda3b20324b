"""Energy "voxels": a convolutional network over solids in voxels."""

from __future__ import annotations

from collections.abc import Sequence

from lebm_energies.networks.volumes import Volumes, check_volume

__all__ = ["Voxels"]


class Voxels(Volumes):
    """F(x) of x (C, D, H, W): convolutions of stride 2 in space, SiLU, linear layers.

    The energy of the generative VoxelNet (Xie et al., TPAMI 2022, arXiv 2012.13522) with small
    kernels, of side 4; features keep their places, since a chair has its legs below.

    Args:
        latent_dim: numbers of one x.
        shape: (C, D, H, W) of one x; the data set gives it.
        widths: channels of the convolutions, each of which halves the sides.
        hidden: units of the layers between the last convolution and F.
        spectral: normalise each layer by its largest singular value (Miyato et al., ICLR 2018,
            arXiv 1802.05957).
        gain: factor of F, which a spectral norm bounds.
        outputs: C of the logits.

    Raises:
        UsageError: for x that are no volumes, or widths that are not positive.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        widths: Sequence[int] = (16, 32, 64),
        hidden: Sequence[int] = (),
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        check_volume(
            "voxels", "voxels (C, D, H, W)", latent_dim, shape, widths, hidden, gain,
            outputs,
        )  # fmt: skip
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.shape, self.gain, self.averaged = tuple(shape), gain, ()
        self.build(widths, [(2, 2, 2)] * len(widths), hidden, spectral)
