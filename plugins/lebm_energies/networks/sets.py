"""Energy "set": a network over sets of points, whose order does not matter."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from lebm_core import Energy
from lebm_core.base.checks import at_least, choice, whole
from lebm_core.base.checks import widths as check_layers
from lebm_energies.networks.convolution import check_shape, check_widths

__all__ = ["POOLINGS", "PointSet"]

POOLINGS = ("mean", "max", "both")


class PointSet(Energy):
    """F(x) of x (P, c): a network of each point, pooled over points, a network above.

    The energy of the generative PointNet (Xie et al., CVPR 2021, arXiv 2004.01301). What is
    normalised, is so over the channels of a point: a cloud of any size can be scored.

    Args:
        latent_dim: numbers of one x.
        shape: (P, c) of one x, points and their coordinates; the data set gives it.
        widths: units of the layers of each point.
        hidden: units of the layers between the pooled features and F.
        pooling: of the features over points: mean, max, or both side by side.
        frequencies: sines and cosines of so many frequencies that are added to each coordinate,
            of 1, 2, 4, ... half turns a unit: a surface is thin, and a small network smooth
            (Tancik et al., NeurIPS 2020, arXiv 2006.10739); 0 for none.
        normalised: whether the features of a point are normalised over its channels.
        spectral: normalise each layer by its largest singular value (Miyato et al., ICLR 2018,
            arXiv 1802.05957).
        gain: factor of F, which a spectral norm bounds.
        outputs: C of the logits.

    Raises:
        UsageError: for x that are no sets of points, or options that are not possible.
    """

    capturable = True

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        widths: Sequence[int] = (64, 64, 128),
        hidden: Sequence[int] = (128, 64),
        pooling: str = "both",
        frequencies: int = 2,
        normalised: bool = False,
        spectral: bool = False,
        gain: float = 1.0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        check_shape(shape, latent_dim, 2, "points (P, coordinates)", "set")
        check_widths(widths)
        check_layers("energy.hidden", hidden)
        choice("energy.pooling", pooling, POOLINGS)
        whole("energy.frequencies", frequencies, 0, 16)
        whole("energy.outputs", outputs, 1)
        at_least("energy.gain", gain, 0)
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.shape, self.gain, self.pooling = tuple(shape), gain, pooling
        self.frequencies = frequencies
        units = shape[1] * (1 + 2 * frequencies)
        each: list[nn.Module] = []
        for width in widths:
            each += [nn.Linear(units, width), *([nn.LayerNorm(width)] if normalised else [])]
            each.append(nn.SiLU())
            units = width
        self.features = nn.Sequential(*each)
        units *= 2 if pooling == "both" else 1
        above: list[nn.Module] = []
        for width in hidden:
            above += [nn.Linear(units, width), nn.SiLU()]
            units = width
        self.head = nn.Sequential(*above, nn.Linear(units, outputs))
        if spectral:  # not of the last layer: a later stage starts with it at 0
            for module in (*self.features, *above):
                if isinstance(module, nn.Linear):
                    parametrizations.spectral_norm(module)

    def flat_features(self, z: Tensor) -> Tensor:
        """The pooled features of each x, (B, features); x may have any number of points."""
        points = z.view(len(z), -1, self.shape[1])
        if self.frequencies:
            turns = [math.pi * 2**k * points for k in range(self.frequencies)]
            waves = [wave(turn) for turn in turns for wave in (torch.sin, torch.cos)]
            points = torch.cat([points, *waves], -1)
        hidden: Tensor = self.features(points)
        if self.pooling == "mean":
            return hidden.mean(1)
        if self.pooling == "max":
            return hidden.amax(1)
        return torch.cat([hidden.mean(1), hidden.amax(1)], -1)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        logits: Tensor = self.gain * self.head(self.flat_features(z))
        return logits
