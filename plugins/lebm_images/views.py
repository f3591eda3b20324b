"""Another view of an image: shifted, mirrored, a square of it hidden. Its class stays the same."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["view"]


def view(
    x: Tensor, hidden: float, shift: int, mirror: bool, generator: torch.Generator | None = None
) -> Tensor:
    """One view of each image, drawn for each by itself.

    Sources: Zagoruyko and Komodakis 2016, arXiv 1605.07146 (shifts and mirrors); DeVries and Taylor
    2017, arXiv 1708.04552 (squares).

    Args:
        x: (B, C, H, W).
        hidden: area of the square over that of the image; it is set to 0, and what of it lies
            beyond the border hides nothing, for its centre may be any pixel.
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
    half = 0.5 * hidden**0.5
    below = (row - drawn(0, high)).abs() > half * high - 0.5
    beside = (column - drawn(0, wide)).abs() > half * wide - 0.5
    shown = below[:, :, None] | beside[:, None]
    if mirror:
        column = torch.where(drawn(0, 2) == 1, column.flip(1), column)
    if shift:
        row = (row + drawn(-shift, shift + 1)).clamp(0, high - 1)
        column = (column + drawn(-shift, shift + 1)).clamp(0, wide - 1)
    moved = x[torch.arange(n, device=x.device)[:, None, None], :, row[:, :, None], column[:, None]]
    found: Tensor = (moved * shown[..., None]).permute(0, 3, 1, 2)
    return found
