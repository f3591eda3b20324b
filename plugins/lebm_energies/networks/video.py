"""Energy "video": a spatial-temporal convolutional network over clips."""

from __future__ import annotations

from collections.abc import Sequence

from lebm_core.base.checks import choice
from lebm_energies.networks.volumes import Volumes, check_volume

__all__ = ["STATIONARY", "Video"]

# Axes of the features (B, channels, time, height, width) that are averaged over.
STATIONARY = {"space-time": (2, 3, 4), "time": (2,), "none": ()}


class Video(Volumes):
    """F(x) of clips x (C, T, H, W): convolutions in space and time, SiLU, linear layers.

    The energy of the spatial-temporal generative ConvNet (Xie et al., CVPR 2017, arXiv
    1606.00972) with small kernels.

    Args:
        latent_dim: numbers of one x.
        shape: (C, T, H, W) of one x; the data set gives it.
        widths: channels of the convolutions, each of which halves the sides; the first keeps the
            frames.
        hidden: units of the layers between the last convolution and F.
        stationary: what f does not depend on the place in: space-time, for a texture that is the
            same everywhere; time, for one that has its places in the frame; none.
        spectral: normalise each layer by its largest singular value (Miyato et al., ICLR 2018,
            arXiv 1802.05957).
        gain: factor of F, which a spectral norm bounds.
        outputs: C of the logits.

    Raises:
        UsageError: for x that are no clips, or options that are not possible.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        widths: Sequence[int] = (16, 32, 64),
        hidden: Sequence[int] = (),
        stationary: str = "space-time",
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        choice("energy.stationary", stationary, STATIONARY)
        check_volume(
            "video", "clips (C, T, H, W)", latent_dim, shape, widths, hidden, gain, outputs
        )
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.shape, self.gain = tuple(shape), gain
        self.averaged = STATIONARY[stationary]
        strides = [(1 if place == 0 else 2, 2, 2) for place in range(len(widths))]
        self.build(widths, strides, hidden, spectral)
