"""The ladder of latent layers: sizes, what each layer reaches, and that it learns."""

from __future__ import annotations

import pytest
import torch

from lebm_core.errors import UsageError
from lebm_images.networks.ladder import LadderDecoder, LadderEncoder, sides_of


@pytest.mark.parametrize(
    ("side", "channels", "levels"), [(28, 1, 3), (32, 3, 3), (25, 1, 2), (9, 2, 1)]
)
def test_every_layer_enters_and_leaves_at_maps_of_the_same_side(
    side: int, channels: int, levels: int
) -> None:
    d = 4 * levels
    decoder = LadderDecoder(d, channels, side, levels, width=4)
    encoder = LadderEncoder(d, channels, side, levels, width=4)
    x = torch.rand(3, channels, side, side) * 2 - 1
    q = encoder(x)
    assert q.mean.shape == (3, d)
    assert decoder(q.mean).sample().shape == x.shape
    assert decoder.likelihood(x)(q.mean).shape == (3,)
    # The layers of z are in the same order on both sides: the map of the first is the smallest.
    assert [each.in_features for each in encoder.leave] == [
        each.out_features for each in decoder.enter
    ]
    assert encoder.leave[0].in_features == decoder.maps[0][0] * sides_of(side, levels, "")[0] ** 2


def test_the_topmost_layer_reaches_every_pixel_and_the_last_one_few() -> None:
    torch.manual_seed(0)
    decoder = LadderDecoder(12, 1, 32, 3, width=4)
    z = torch.randn(1, 12)
    reach = []
    for layer in range(3):
        entered = decoder.enter[layer]
        c, s = decoder.maps[layer]
        with torch.no_grad():
            before = decoder.output(z)
            entered.bias.view(c, s, s)[:, 0, 0] += 1.0  # one place of the layer's own map
            reach.append(int((decoder.output(z) != before).sum()))
            entered.bias.view(c, s, s)[:, 0, 0] -= 1.0
    assert reach[0] > 2 * reach[1] > 4 * reach[2] > 0


def test_the_density_is_that_of_its_distribution() -> None:
    torch.manual_seed(0)
    for likelihood in ("gaussian", "gaussian-map", "bernoulli"):
        decoder = LadderDecoder(6, 2, 8, 1, width=4, likelihood=likelihood)
        z, x = torch.randn(5, 6), torch.rand(5, 2, 8, 8) * 2 - 1
        assert torch.allclose(decoder.likelihood(x)(z), decoder(z).log_prob(x), rtol=1e-4)


@pytest.mark.parametrize(("d", "levels", "why"), [
    (10, 3, "use 12"), (12, 4, "at most 3"), (0, 3, "use 3"), (12, 0, "levels"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(d: int, levels: int, why: str) -> None:
    for part in (LadderDecoder, LadderEncoder):
        with pytest.raises(UsageError, match=why):
            part(d, 1, 28, levels)


def test_sides() -> None:
    assert sides_of(64, 4, "decoder") == [4, 8, 16, 32, 64]
