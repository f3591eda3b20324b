"""Augmentations of images that keep their class: shifts, mirroring and Cutout."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.errors import UsageError

__all__ = ["augment", "check_augmentation"]


def check_augmentation(shift: int, mirror: bool, side: int) -> None:
    """Check an encoder's options of `augment` for images of that side.

    Raises:
        UsageError: for a shift beyond the image, or a mirror that is no bool.
    """
    if not isinstance(shift, int) or not 0 <= shift < side:
        raise UsageError(
            f"encoder.shift = {shift} must be an integer from 0 to below the side, {side}."
        )
    if not isinstance(mirror, bool):
        raise UsageError(f"encoder.mirror = {mirror!r} must be true or false.")


def augment(
    x: Tensor, hidden: float, shift: int, mirror: bool, generator: torch.Generator | None = None
) -> Tensor:
    """Augment each image independently.

    Sources: Zagoruyko and Komodakis 2016, arXiv 1605.07146 (shifts and mirroring); DeVries and
    Taylor 2017, arXiv 1708.04552 (Cutout).

    Args:
        x: (B, C, H, W).
        hidden: largest share of the image that a square of zeros covers; above 0 it covers at
            least one pixel. Its side is odd and its centre any pixel, so that the border may cut
            it; in an image that is not square it is a rectangle of the same proportions.
        shift: largest shift in pixels along either axis; border pixels are repeated.
        mirror: exchange left and right with probability one half.
        generator: source of all randomness.

    Returns:
        (B, C, H, W), a new tensor.
    """
    n, _, height, width = x.shape
    device = x.device if generator is None else generator.device

    def drawn(low: int, above: int) -> Tensor:
        return torch.randint(low, above, (n, 1), generator=generator, device=device).to(x.device)

    row = torch.arange(height, device=x.device).expand(n, height)
    column = torch.arange(width, device=x.device).expand(n, width)
    outside_rows = (row - drawn(0, height)).abs() > _reach(height, hidden)
    outside_columns = (column - drawn(0, width)).abs() > _reach(width, hidden)
    shown = outside_rows[:, :, None] | outside_columns[:, None]
    if mirror:
        column = torch.where(drawn(0, 2) == 1, column.flip(1), column)
    if shift:
        row = (row + drawn(-shift, shift + 1)).clamp(0, height - 1)
        column = (column + drawn(-shift, shift + 1)).clamp(0, width - 1)
    moved = x[torch.arange(n, device=x.device)[:, None, None], :, row[:, :, None], column[:, None]]
    augmented: Tensor = (moved * shown[..., None]).permute(0, 3, 1, 2)
    return augmented


def _reach(side: int, hidden: float) -> int:
    """Count the pixels from the centre of the hidden square to its edge; -1 for no square."""
    return max(0, math.floor((side * hidden**0.5 - 1) / 2)) if hidden else -1
