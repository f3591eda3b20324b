"""Another view of an image: shifted, mirrored, a square of it hidden. Its class stays the same."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.errors import UsageError

__all__ = ["check_view", "view"]


def check_view(shift: int, mirror: bool, side: int) -> None:
    """Sees that an encoder's options can be those of a `view` of images of that side.

    Raises:
        UsageError: for a shift that no such image has, or a mirror that is no bool.
    """
    if not isinstance(shift, int) or not 0 <= shift < side:
        raise UsageError(
            f"encoder.shift = {shift} must be an integer from 0 to below the side, {side}."
        )
    if not isinstance(mirror, bool):
        raise UsageError(f"encoder.mirror = {mirror!r} must be true or false.")


def view(
    x: Tensor, hidden: float, shift: int, mirror: bool, generator: torch.Generator | None = None
) -> Tensor:
    """One view of each image, drawn for each by itself.

    Sources: Zagoruyko and Komodakis 2016, arXiv 1605.07146 (shifts and mirrors); DeVries and Taylor
    2017, arXiv 1708.04552 (squares).

    Args:
        x: (B, C, H, W).
        hidden: share of the image that the square has at most; above 0 it has one pixel at least.
            Its side is an odd number of pixels, its centre any pixel, so that the border may cut
            it; it is set to 0. Of an image that is no square, a rectangle like it.
        shift: largest shift in pixels, down or up and right or left; the border's pixels fill.
        mirror: every second image, by chance, has left and right exchanged.
        generator: source of all randomness.

    Returns:
        (B, C, H, W), a new tensor.
    """
    n, _, high, wide = x.shape
    on = x.device if generator is None else generator.device

    def drawn(low: int, above: int) -> Tensor:
        return torch.randint(low, above, (n, 1), generator=generator, device=on).to(x.device)

    row = torch.arange(high, device=x.device).expand(n, high)
    column = torch.arange(wide, device=x.device).expand(n, wide)
    below = (row - drawn(0, high)).abs() > _reach(high, hidden)
    beside = (column - drawn(0, wide)).abs() > _reach(wide, hidden)
    shown = below[:, :, None] | beside[:, None]
    if mirror:
        column = torch.where(drawn(0, 2) == 1, column.flip(1), column)
    if shift:
        row = (row + drawn(-shift, shift + 1)).clamp(0, high - 1)
        column = (column + drawn(-shift, shift + 1)).clamp(0, wide - 1)
    moved = x[torch.arange(n, device=x.device)[:, None, None], :, row[:, :, None], column[:, None]]
    found: Tensor = (moved * shown[..., None]).permute(0, 3, 1, 2)
    return found


def _reach(side: int, hidden: float) -> int:
    """Pixels from the middle one of the hidden square to its edge; -1 where nothing is hidden."""
    return max(0, math.floor((side * hidden**0.5 - 1) / 2)) if hidden else -1
