"""Inner layers of a decoder in a chain: upsampling by 2 with 9 products in place of 16.

A transposed convolution of kernel 4, stride 2 and padding 1 is, along one axis, two convolutions of
two taps, its phases: row 2 i of the image is x[i] w[1] + x[i - 1] w[3], row 2 i + 1 is
x[i] w[2] + x[i + 1] w[0]. For a pair of rows x[0], x[1] and the taps a, b of a phase the four
products are the coefficients of (x[0] + x[1] t) (a + b t), which Karatsuba's three give: x[0] a,
x[1] b and (x[0] + x[1]) (a + b). So a tile of 2 x 2 pixels takes 9 matrix products for each of the
four phases, where the plain form takes 16. The same scheme transposed gives the gradient.
(Karatsuba and Ofman 1962; Winograd, Arithmetic Complexity of Computations, 1980.)

The sums cost precision: in bfloat16 the error is 2.3 to 2.6 times that of a plain convolution in
bfloat16.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

__all__ = ["KaratsubaUpsampling"]

ROWS = 400  # tiles at once: they fit into the cache, and fill fast matrix products


class KaratsubaUpsampling:
    """h -> conv_transpose2d(leaky_relu(h, slope), kernel, bias, 2, 1), differentiable in h.

    It reuses its buffers between calls, so one object serves one thread.

    Args:
        kernel: (C, O, 4, 4), best in float32; it takes no gradient.
        bias: (O,), of the type of h and of the products; it takes none.
        slope: of the LeakyReLU, positive.
    """

    def __init__(self, kernel: Tensor, bias: Tensor, slope: float) -> None:
        rows = _products(kernel.detach(), 2)  # (3, 2, C, O, 4): summed before rounding
        weight = bias.new_empty(3, 3, len(kernel), 2, 2, len(bias))
        for i, row in enumerate(rows):
            weight[i].copy_(_products(row, 3).permute(0, 3, 2, 1, 4))
        self.weight = weight.view(9, len(kernel), -1)  # (9, C, 4 O)
        self.bias, self.slope = bias.detach(), slope
        self.buffer = self.weight.new_empty(0)

    def __call__(self, h: Tensor) -> Tensor:
        """(B, C, H, W) with H and W even -> (B, O, 2H, 2W); both best in channels-last."""
        image: Tensor = _Upsampling.apply(h, self)  # type: ignore[no-untyped-call]
        return image

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Map tiles x (B, H/2, 2, W/2, 2, C) to pixels and phases (B, H/2, 2, 2, W/2, 2, 2, O)."""
        inputs, products, rows = self._buffers(len(x), x.shape[1], x.shape[3])
        for i in (0, 2):
            for j in (0, 2):
                inputs[i, j].copy_(x[:, :, i // 2, :, j // 2])
            torch.add(inputs[i, 0], inputs[i, 2], out=inputs[i, 1])
        torch.add(inputs[0], inputs[2], out=inputs[1])
        channels, outputs = self.weight.shape[1:]
        torch.bmm(inputs.view(9, -1, channels), self.weight, out=products.view(9, -1, outputs))
        _join(products.permute(0, 5, 1, 2, 3, 4, 6, 7), rows, 2)
        _join(rows.permute(2, 6, 0, 1, 3, 4, 5, 7), out.permute(5, 6, 2, 3, 0, 1, 4, 7), 4)

    def backward(self, g: Tensor, out: Tensor) -> None:
        """Apply the transpose of `forward`: g as its out, out as its x."""
        inputs, products, rows = self._buffers(len(out), out.shape[1], out.shape[3])
        _split(g.permute(5, 6, 2, 3, 0, 1, 4, 7), rows.permute(2, 6, 0, 1, 3, 4, 5, 7), 4)
        _split(rows, products.permute(0, 5, 1, 2, 3, 4, 6, 7), 2)
        weight = self.weight.transpose(1, 2)
        outputs, channels = weight.shape[1:]
        torch.bmm(products.view(9, -1, outputs), weight, out=inputs.view(9, -1, channels))
        for i in (0, 2):
            inputs[i].add_(inputs[1])
            for j in (0, 2):
                torch.add(inputs[i, j], inputs[i, 1], out=out[:, :, i // 2, :, j // 2])

    def _buffers(self, n: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """Reserve inputs, products and row sums of n images of height x width tiles."""
        channels, outputs = self.weight.shape[1], len(self.bias)
        shapes = (
            (3, 3, n, height, width, channels),
            (3, 3, n, height, width, 2, 2, outputs),
            (2, 2, 3, n, height, width, 2, outputs),
        )
        sizes = [math.prod(shape) for shape in shapes]
        if self.buffer.numel() < sum(sizes):
            self.buffer = self.weight.new_empty(sum(sizes))
        parts = self.buffer[: sum(sizes)].split(sizes)
        inputs, products, rows = (p.view(shape) for p, shape in zip(parts, shapes, strict=True))
        return inputs, products, rows


class _Upsampling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, by: KaratsubaUpsampling) -> Tensor:
        n, channels, height, width = h.shape
        x = leaky_relu(h, by.slope).permute(0, 2, 3, 1).contiguous()
        ctx.save_for_backward(x)
        ctx.by = by
        tiles = x.view(n, height // 2, 2, width // 2, 2, channels)
        # A Function must not return a view: the next layer works in place.
        image = torch.empty(
            (n, len(by.bias), 2 * height, 2 * width),
            dtype=h.dtype,
            device=h.device,
            memory_format=torch.channels_last,
        )
        places = image.permute(0, 2, 3, 1).view(n, height // 2, 2, 2, width // 2, 2, 2, -1)
        chunk = _chunk(n, height, width)
        for part, out in zip(tiles.split(chunk), places.split(chunk), strict=True):
            by.forward(part, out)
        return image.add_(by.bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,), by = ctx.saved_tensors, ctx.by
        n, height, width, channels = x.shape
        g = gradient.permute(0, 2, 3, 1).contiguous()
        g = g.view(n, height // 2, 2, 2, width // 2, 2, 2, -1)
        back = torch.empty_like(x)
        tiles = back.view(n, height // 2, 2, width // 2, 2, channels)
        chunk = _chunk(n, height, width)
        for part, out in zip(g.split(chunk), tiles.split(chunk), strict=True):
            by.backward(part, out)
        # In place: a new tensor of this size costs more than the arithmetic.
        op = torch.ops.aten.leaky_relu_backward.grad_input
        op(back, x, by.slope, True, grad_input=back)
        return back.permute(0, 3, 1, 2), None


def _chunk(n: int, height: int, width: int) -> int:
    """Count the images of a chunk of about `ROWS` tiles."""
    chunks = max(1, round(n * height * width / (4 * ROWS)))
    return max(1, -(-n // chunks))


def _products(kernel: Tensor, axis: int) -> Tensor:
    """Compute Karatsuba's three weights of each phase, (3, 2, ...), from the four taps."""
    w = kernel.unbind(axis)
    first, last = torch.stack([w[1], w[0]]), torch.stack([w[3], w[2]])
    return torch.stack([first, first + last, last])


def _join(parts: Tensor, out: Tensor, tiles: int) -> None:
    """Combine the three products into the two pixels of each tile and phase along one axis.

    The products are overwritten.

    Args:
        parts: (3, 2 phases, ...).
        out: (2 pixels, 2 phases, ...).
        tiles: the dimension of ... that counts the tiles along this axis.
    """
    first, both, last = parts
    count = first.shape[tiles + 1] - 1
    both.sub_(first)
    torch.sub(both[0], last[0], out=out[1, 0])
    torch.sub(both[1], last[1], out=out[0, 1])
    # The third coefficient belongs to the next tile; in the other phase the first one belongs to
    # the previous tile.
    out[0, 0].narrow(tiles, 0, 1).copy_(first[0].narrow(tiles, 0, 1))
    out[1, 1].narrow(tiles, count, 1).copy_(last[1].narrow(tiles, count, 1))
    for phase, (own, adjacent) in enumerate(((first[0], last[0]), (last[1], first[1]))):
        torch.add(
            own.narrow(tiles, 1 - phase, count),
            adjacent.narrow(tiles, phase, count),
            out=out[phase, phase].narrow(tiles, 1 - phase, count),
        )


def _split(g: Tensor, out: Tensor, tiles: int) -> None:
    """Apply the transpose of `_join`: g as its out, out as its parts."""
    first, both, last = out
    count = g.shape[tiles + 2] - 1
    for phase, (own, adjacent) in enumerate(((first[0], last[0]), (last[1], first[1]))):
        edge, middle = g[phase, phase], g[1 - phase, phase]
        both[phase].copy_(middle)
        torch.sub(edge, middle, out=own)
        end = (1 - phase) * count  # of the tiles, which has no neighbour
        torch.neg(middle.narrow(tiles, end, 1), out=adjacent.narrow(tiles, end, 1))
        torch.sub(
            edge.narrow(tiles, 1 - phase, count),
            middle.narrow(tiles, phase, count),
            out=adjacent.narrow(tiles, phase, count),
        )
