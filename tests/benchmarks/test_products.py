"""The products within a piece of work are found, forward and back, and timed in their layouts."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import products  # noqa: E402

from lebm_core import EBMPrior, Langevin  # noqa: E402
from lebm_core.base.precision import half_is_faster  # noqa: E402
from lebm_core.base.products import FixedLinear  # noqa: E402


def test_products_are_counted_forward_and_back() -> None:
    layer, x = torch.nn.Linear(8, 4), torch.randn(5, 8, requires_grad=True)
    with products._Noted() as noted:
        layer(x).sum().backward()
    assert sum(noted.counts.values()) == 3  # forward, and the gradients of x and of the weights


def test_a_prior_chain_has_two_products_a_layer_and_step() -> None:
    prior = EBMPrior(8, {"hidden": [16, 16]}, bound=3.0)
    with products._Noted() as noted:
        prior.sample(5, sampler=Langevin(7, 0.1))
    assert sum(noted.counts.values()) == 7 * (2 + 2 + 1)  # and the logit


@pytest.mark.skipif(not half_is_faster("cpu"), reason="no bfloat16 products on this processor")
def test_a_product_by_a_weight_that_is_laid_out_counts_too() -> None:
    fixed, x = FixedLinear.of(torch.randn(64, 32), 5, half=True), torch.randn(5, 32).bfloat16()
    with products._Noted() as noted:
        fixed.up(x)
    assert sum(noted.counts.values()) == 1
    assert products.least_of_products(lambda: fixed.up(x), time.process_time) > 0


def test_a_layout_is_made_again_with_its_strides() -> None:
    for x in (torch.randn(4, 1).expand(4, 6), torch.randn(3, 5).T, torch.randn(2, 3, 4, 4)):
        made = products._made(products._layout(x))
        assert made.shape == x.shape and made.stride() == x.stride() and made.dtype == x.dtype


def test_the_time_grows_with_the_number_of_products() -> None:
    x = torch.randn(200, 200)

    def work(times: int) -> None:
        for _ in range(times):
            x @ x

    def slow() -> None:
        large = torch.randn(1500, 1500)
        large @ large  # longer than products are repeated for

    assert 0 < products.least_of_products(slow, time.process_time) < 1e5
    few, many = (products.least_of_products(lambda n=n: work(n), time.process_time) for n in (1, 9))
    assert 3 < many / few < 27
