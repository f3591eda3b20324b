"""Products by a fixed weight are the plain ones, laid out for them or not."""

from __future__ import annotations

import pytest
import torch

from lebm_core.base import products
from lebm_core.base.products import FixedLinear


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("laid_out", [False, True])
@pytest.mark.parametrize("rows", [1, 32, 100])
def test_up_and_down_are_the_plain_products(
    half: bool, laid_out: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not laid_out:
        monkeypatch.setattr(products, "can_lay_out", lambda weight: False)
    generator = torch.Generator().manual_seed(0)
    w, b = torch.randn(48, 20, generator=generator), torch.randn(48, generator=generator)
    x, d = (torch.randn(rows, n, generator=generator) for n in (20, 48))
    fixed = FixedLinear.of(w, 32, half, b)
    assert fixed.dtype == (torch.bfloat16 if half else torch.float32)
    near = {"rtol": 0.02, "atol": 0.1} if half else {"rtol": 1e-5, "atol": 1e-5}
    rounded = (t.to(fixed.dtype) for t in (x, d))
    up, down = (f(t) for f, t in zip((fixed.up, fixed.down), rounded, strict=True))
    torch.testing.assert_close(up.float(), x @ w.T + b, **near)
    torch.testing.assert_close(down.float(), d @ w, **near)


def test_the_weight_may_change_afterwards() -> None:
    """A chain keeps what it began with: bfloat16 is a copy."""
    w, x = torch.randn(8, 8), torch.randn(4, 8).bfloat16()
    fixed = FixedLinear.of(w, 4, half=True)
    before = fixed.up(x)
    w.zero_()
    assert torch.equal(fixed.up(x), before)
