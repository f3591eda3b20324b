"""Scalar properties of images: brightness, and slant and stroke width of handwriting."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["properties_of"]

MIN_INK = 1e-3  # share of the image, below which slant and stroke width are not defined


def properties_of(x: Tensor) -> dict[str, Tensor]:
    """Measure properties of images (B, C, H, W) in [-1, 1], each (B,).

    - brightness: mean over pixels and channels, 0 to 1.
    - slant (C = 1): tangent of the angle to the vertical, positive to the right: the shear that
      second moments of the ink undo, mu_xy / mu_yy (Teow and Loe 2002 deslant digits by it).
    - stroke (C = 1): width of the stroke in pixels, twice the area of the ink over the length of
      its outline, which is the total variation of the image (co-area formula).

    Bright pixels are ink. Slant and stroke are NaN where there is almost none.
    """
    ink = (x + 1) / 2
    properties = {"brightness": ink.flatten(1).mean(1)}
    if x.shape[1] != 1:
        return properties
    ink = ink[:, 0]
    area = ink.sum((1, 2))
    empty = area < MIN_INK * ink[0].numel()
    rows = torch.arange(ink.shape[1], dtype=x.dtype, device=x.device)[:, None]
    columns = torch.arange(ink.shape[2], dtype=x.dtype, device=x.device)[None]
    share = ink / area.clamp(min=1e-12)[:, None, None]
    up = (share * rows).sum((1, 2))[:, None, None] - rows  # rows count downwards
    right = columns - (share * columns).sum((1, 2))[:, None, None]
    slant = (share * up * right).sum((1, 2)) / (share * up.square()).sum((1, 2)).clamp(min=1e-12)
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    down, along = padded.diff(dim=1), padded.diff(dim=2)  # both averaged to corners of pixels
    down = (down[:, :, 1:] + down[:, :, :-1]) / 2
    along = (along[:, 1:] + along[:, :-1]) / 2
    outline = (down.square() + along.square()).sqrt().sum((1, 2))
    stroke = 2 * area / outline.clamp(min=1e-12)
    return properties | {
        "slant": slant.masked_fill(empty, torch.nan),
        "stroke": stroke.masked_fill(empty, torch.nan),
    }
