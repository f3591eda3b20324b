"""The last layer of a decoder in a chain: LeakyReLU and upsampling by 2, as one matrix product.

A transposed convolution of kernel 4, stride 2 and padding 1 has few output channels at the end of
a decoder, where library kernels are slow. Here a matrix product gives 4 x 4 contributions of each
pixel, and a pixel of the upsampled image is the sum of the four contributions that fall on it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

__all__ = ["upsample"]

# Row 2 i + a of the image sums contribution OWN[a] of row i and OTHER[a] of the adjacent row.
OWN = (1, 2)
OTHER = (3, 0)  # of row i - 1, of row i + 1


def upsample(h: Tensor, slope: float, kernel: Tensor, bias: Tensor) -> Tensor:
    """Compute conv_transpose2d(leaky_relu(h, slope), kernel, bias, 2, 1) in float32.

    Differentiable in h.

    Args:
        h: (B, C, H, W), best in channels-last.
        slope: of the LeakyReLU, positive.
        kernel: (C, O, 4, 4), of the type of h; it takes no gradient.
        bias: (O,), which takes none.

    Returns:
        (B, O, 2H, 2W).
    """
    image: Tensor = _Upsampling.apply(h, slope, kernel)  # type: ignore[no-untyped-call]
    return image.add_(bias.float()[:, None, None])


class _Upsampling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, slope: float, kernel: Tensor) -> Tensor:
        n, c, height, width = h.shape
        rows = leaky_relu(h, slope).permute(0, 2, 3, 1).reshape(-1, c)
        ctx.save_for_backward(rows, kernel)
        ctx.slope = slope
        shares = (kernel.flatten(1).T @ rows.T).float().view(-1, 4, 4, n, height, width)
        image = _gather(_gather(shares, 1, 4), 2, 5)  # (O, 2, 2, B, H, W)
        return image.permute(3, 0, 4, 1, 5, 2).reshape(n, -1, 2 * height, 2 * width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, kernel = ctx.saved_tensors
        n, outputs, height, width = gradient.shape
        height, width = height // 2, width // 2
        blocks = gradient.to(kernel.dtype).reshape(n, outputs, height, 2, width, 2)
        shares = _scatter(_scatter(blocks.permute(1, 3, 5, 0, 2, 4), 2, 5), 1, 4)
        back = shares.reshape(outputs * 16, -1).T @ kernel.flatten(1).T
        # In place: a new tensor of this size costs more than the arithmetic.
        op = torch.ops.aten.leaky_relu_backward.grad_input
        op(back, rows, ctx.slope, True, grad_input=back)
        return back.view(n, height, width, -1).permute(0, 3, 1, 2), None, None


def _gather(shares: Tensor, kind: int, place: int) -> Tensor:
    """Sum the contributions along image axis `place`: dimension `kind` goes from 4 to 2."""
    last = shares.shape[place] - 1
    sums = torch.stack([shares.select(kind, own) for own in OWN], kind)
    first, second = sums.unbind(kind)
    before, after = (shares.select(kind, other) for other in OTHER)
    place -= 1  # without the dimension `kind`
    first.narrow(place, 1, last).add_(before.narrow(place, 0, last))
    second.narrow(place, 0, last).add_(after.narrow(place, 1, last))
    return sums


def _scatter(sums: Tensor, kind: int, place: int) -> Tensor:
    """Apply the transpose of `_gather`: dimension `kind` goes from 2 to 4."""
    last = sums.shape[place] - 1
    shares = sums.new_zeros([4 if i == kind else size for i, size in enumerate(sums.shape)])
    first, second = sums.unbind(kind)
    for own, part in zip(OWN, (first, second), strict=True):
        shares.select(kind, own).copy_(part)
    before, after = (shares.select(kind, other) for other in OTHER)
    place -= 1
    before.narrow(place, 0, last).copy_(first.narrow(place, 1, last))
    after.narrow(place, 1, last).copy_(second.narrow(place, 0, last))
    return shares
