"""The published generators, likelihoods of images, the encoder."""

from __future__ import annotations

import typing

import pytest
import torch
from torch.distributions import Normal
from torch.nn.functional import conv_transpose2d, leaky_relu

from lebm_core.base.modules import frozen
from lebm_core.errors import UsageError
from lebm_images.networks import karatsuba, pixels
from lebm_images.networks.decoder import DeconvDecoder
from lebm_images.networks.encoder import ConvEncoder
from lebm_images.networks.final_layer import upsample
from lebm_images.networks.karatsuba import KaratsubaUpsampling
from lebm_images.networks.shapes import ARCHITECTURES, BY_SIDE, Architecture, _usual


@pytest.mark.parametrize(
    ("architecture", "latent_dim", "side", "channels"),
    [
        ("damc28", 8, 28, [1024, 512, 256]),
        ("svhn", 100, 32, [512, 256, 128]),
        ("cifar10", 128, 32, [1024, 512, 256]),
        ("celeba64", 100, 64, [1024, 512, 256, 128]),
        ("celeba128", 100, 128, [2048, 1024, 512, 256, 128]),
    ],
)
def test_the_published_generators_have_their_published_layers(
    architecture: str, latent_dim: int, side: int, channels: list[int]
) -> None:
    with torch.device("meta"):
        colours = 1 if side == 28 else 3
        decoder = DeconvDecoder(latent_dim, colours, side, architecture)
    layers = [m for m in decoder.net if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.in_channels for m in layers] == [latent_dim, *channels]
    assert [m.out_channels for m in layers] == [*channels, colours]
    millions = sum(p.numel() for p in decoder.net.parameters()) / 1e6
    published = {"damc28": 10.9, "svhn": 3.45, "cifar10": 18.9, "celeba64": 12.7, "celeba128": 47.8}
    assert millions == pytest.approx(published[architecture], rel=0.005)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3)])
def test_an_image_of_each_side(side: int, channels: int) -> None:
    decoder = DeconvDecoder(4, channels, side, width=0.05)
    p = decoder(torch.randn(3, 4))
    assert p.mean.shape == (3, channels, side, side)
    assert p.log_prob(p.mean).shape == (3,)
    assert float(p.mean.detach().abs().max()) <= 1
    q = ConvEncoder(4, channels, side, width=4)(p.mean)
    assert q.mean.shape == (3, 4)
    assert q.log_prob(torch.zeros(3, 4)).shape == (3,)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "gaussian-map"])
def test_the_chain_sees_the_likelihood_of_the_distribution(likelihood: str) -> None:
    """Value and gradient; and the first layer, a product, is the transposed convolution."""
    torch.manual_seed(0)
    decoder = DeconvDecoder(4, 3, 32, width=0.02, likelihood=likelihood, half=False)
    x = torch.rand(5, 3, 32, 32) * 2 - 1
    z = torch.randn(10, 4, requires_grad=True)  # two codes for each image
    found = decoder.likelihood(x)(z)
    plain = decoder.net(z[:, :, None, None])
    p = Normal(plain, 0.3) if likelihood == "gaussian" else None
    if likelihood == "gaussian-map":
        p = Normal(plain[:, :3].tanh(), 0.3 + torch.nn.functional.softplus(plain[:, 3:]))
    many = x.repeat_interleave(2, 0)
    expected = decoder(z).log_prob(many) if p is None else p.log_prob(many).sum((1, 2, 3))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(decoder(z).log_prob(many), expected)
    for one, other in zip(
        torch.autograd.grad(found.sum(), (z, decoder.net[0].weight), retain_graph=True),
        torch.autograd.grad(expected.sum(), (z, decoder.net[0].weight)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_a_gaussian_image_is_a_normal_at_each_pixel() -> None:
    torch.manual_seed(0)
    decoder = DeconvDecoder(4, 1, 8, sigma=0.2)
    z, x = torch.randn(5, 4), torch.rand(5, 1, 8, 8) * 2 - 1
    with torch.no_grad():
        p = decoder(z)
        plain = Normal(p.mean, 0.2).log_prob(x).sum((1, 2, 3))
        torch.testing.assert_close(p.log_prob(x), plain)
        assert torch.equal(p.sample(noise=False), p.mean)
        drawn = decoder(z[:1].expand(2000, -1)).sample(generator=torch.Generator().manual_seed(1))
    spread = (drawn - p.mean[:1]).std()  # of 128,000 pixels: its error is .2 / 500
    assert abs(float(spread) - 0.2) < 4.5 * 0.2 / (2 * drawn.numel()) ** 0.5


def test_a_bernoulli_image_counts_grey_as_a_share() -> None:
    decoder = DeconvDecoder(4, 1, 8, likelihood="bernoulli")
    p = decoder(torch.randn(2, 4))
    on = (p.mean + 1) / 2
    x = torch.zeros(2, 1, 8, 8)  # half on
    expected = (0.5 * on.log() + 0.5 * (1 - on).log()).sum((1, 2, 3))
    torch.testing.assert_close(p.log_prob(x), expected, rtol=1e-4, atol=1e-3)
    assert set(p.sample(generator=torch.Generator()).unique().tolist()) <= {-1.0, 1.0}


def test_sigma_is_learned_only_where_asked() -> None:
    assert not DeconvDecoder(4, 1, 8).log_sigma.requires_grad
    decoder = DeconvDecoder(4, 1, 8, learn_sigma=True)
    decoder(torch.randn(2, 4)).log_prob(torch.zeros(2, 1, 8, 8)).sum().backward()
    assert float(decoder.log_sigma.grad.abs()) > 0


def test_bfloat16_leaves_the_gradient_nearly_as_it_is() -> None:
    """Steps of a chain see it; figures are taken without a gradient, in float32."""
    torch.manual_seed(0)
    decoder = DeconvDecoder(16, 1, 28)
    z, x = torch.randn(20, 16), torch.rand(20, 1, 28, 28) * 2 - 1
    gradients, values = [], []
    for half in (True, False):
        decoder.allow_half = half
        at = z.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(decoder(at).log_prob(x).sum(), at)
        gradients.append(gradient)
        with torch.no_grad():
            values.append(decoder(z).log_prob(x))
    assert torch.equal(values[0], values[1])
    # Rounding at three layers, 2^-9 each: some per cent of the norm, in no one direction.
    a, b = gradients
    assert float((a - b).norm() / b.norm()) < 0.08
    assert float((a.norm() / b.norm() - 1).abs()) < 0.02


def test_a_chain_keeps_its_weights_in_bfloat16_and_a_figure_stays_float32() -> None:
    torch.manual_seed(0)
    decoder, exact = DeconvDecoder(4, 1, 8), DeconvDecoder(4, 1, 8, half=False)
    exact.load_state_dict(decoder.state_dict())
    x, z = torch.rand(3, 1, 8, 8), torch.randn(3, 4)
    with frozen(decoder):
        seen = decoder.likelihood(x)
        seen(z)
        with torch.no_grad():
            figure = seen(z)
    with torch.no_grad():
        assert torch.equal(figure, exact.likelihood(x)(z))
    decoder.likelihood(x)(z).sum().backward()  # and training still reaches every weight
    assert all(p.grad is not None and bool(p.grad.any()) for p in decoder.net.parameters())


@pytest.mark.parametrize("channels_last", [True, False])
def test_upsampling_by_one_product_is_the_transposed_convolution(channels_last: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    h, kernel, bias, weight = (
        torch.randn(shape, generator=generator)
        for shape in ((3, 5, 4, 6), (5, 2, 4, 4), (2,), (3, 2, 8, 12))
    )
    if channels_last:
        h = h.contiguous(memory_format=torch.channels_last)
    h.requires_grad_()
    plain = conv_transpose2d(leaky_relu(h, 0.2), kernel, bias, 2, 1)
    ours = upsample(h, 0.2, kernel, bias)
    # Sums of 80 products of unit variance, in float32.
    assert float((plain - ours).detach().abs().max()) < 1e-4
    (a,), (b,) = (torch.autograd.grad((each * weight).sum(), h) for each in (plain, ours))
    assert float((a - b).abs().max()) < 1e-4


@pytest.mark.parametrize("batch", [1, 3, 7])
@pytest.mark.parametrize("rows", [400, 12])  # all at once, and in pieces, the last one smaller
@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 0.02)])
def test_upsampling_by_nine_products_is_the_transposed_convolution(
    batch: int, rows: int, kind: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the norm: bfloat16 rounds inputs, weights and each of nine products to 2^-9."""
    monkeypatch.setattr(karatsuba, "ROWS", rows)
    generator = torch.Generator().manual_seed(0)
    h, kernel, bias, weight = (
        torch.randn(shape, generator=generator)
        for shape in ((batch, 6, 8, 4), (6, 5, 4, 4), (5,), (batch, 5, 16, 8))
    )
    h.requires_grad_()
    plain = conv_transpose2d(leaky_relu(h, 0.2), kernel, bias, 2, 1)
    by = KaratsubaUpsampling(kernel, bias.to(kind), 0.2)
    for _ in range(2):  # the second call finds the memory of the first
        seen = h.detach().to(kind).requires_grad_()
        ours = by(seen)
        assert ours.dtype == kind
        assert ours.is_contiguous(memory_format=torch.channels_last)
        (a,) = torch.autograd.grad((plain * weight).sum(), h, retain_graph=True)
        (b,) = torch.autograd.grad((ours.float() * weight).sum(), seen)
        for exact, found in ((plain, ours), (a, b)):
            # Image by image, corners and edges alone too: no place is worse than the others.
            for place in ((..., slice(None)), (..., 0, 0), (..., -1), (..., -1, slice(None))):
                gap = (exact[place] - found[place].float()).flatten(1).norm(dim=1)
                assert bool((gap <= tolerance * exact[place].flatten(1).norm(dim=1)).all())


def test_a_chain_upsamples_by_nine_products_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pixels, "half_is_faster", lambda device: True)
    taken = {}
    for name, side, colours in (("svhn", 32, 3), ("damc28", 28, 1), ("celeba64", 64, 3)):
        decoder = DeconvDecoder(8, colours, side, name)
        with frozen(decoder):
            layers = decoder._prepared(half=True, chain=True).rest
            taken[name] = [isinstance(layer, KaratsubaUpsampling) for layer in layers]
        plain = decoder._prepared(half=True).rest
        assert not any(isinstance(layer, KaratsubaUpsampling) for layer in plain)
    assert taken == {  # damc28 doubles an odd side first
        "svhn": [True, True, False],
        "damc28": [False, True, False],
        "celeba64": [True, True, True, False],
    }


def test_a_chain_of_the_published_size_follows_the_exact_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pixels, "half_is_faster", lambda device: True)
    torch.manual_seed(0)
    decoder, exact = DeconvDecoder(8, 3, 32), DeconvDecoder(8, 3, 32, half=False)
    exact.load_state_dict(decoder.state_dict())
    x, z = torch.rand(5, 3, 32, 32), torch.randn(5, 8, requires_grad=True)
    (plain,) = torch.autograd.grad(exact.likelihood(x)(z).sum(), z)
    with frozen(decoder):
        (ours,) = torch.autograd.grad(decoder.likelihood(x)(z).sum(), z)
    assert float((plain - ours).norm() / plain.norm()) < 0.03
    assert float((ours.norm() / plain.norm() - 1).abs()) < 0.01


@pytest.mark.parametrize("architecture", ["svhn", "cifar10"])  # their last layers differ
def test_a_chain_follows_the_gradient_of_the_training(architecture: str) -> None:
    torch.manual_seed(0)
    decoder = DeconvDecoder(8, 3, 32, architecture, width=0.1)
    x, z = torch.rand(4, 3, 32, 32), torch.randn(4, 8, requires_grad=True)
    (plain,) = torch.autograd.grad(decoder.likelihood(x)(z).sum(), z)
    with frozen(decoder):
        (ours,) = torch.autograd.grad(decoder.likelihood(x)(z).sum(), z)
    # Both round to bfloat16, 2^-9 at each of a few layers, where the machine does.
    assert float((plain - ours).norm() / plain.norm()) < 0.03


def test_mistakes_are_one_sentence() -> None:
    with pytest.raises(UsageError, match='"svnh".*svhn'):
        DeconvDecoder(4, 3, 32, "svnh")
    with pytest.raises(UsageError, match="makes images of side 64; the data has 32"):
        DeconvDecoder(4, 3, 32, "celeba64")
    with pytest.raises(UsageError, match="decoder.side = 0 "):
        DeconvDecoder(4, 3, 0)
    with pytest.raises(UsageError, match="poisson"):
        DeconvDecoder(4, 3, 32, likelihood="poisson")
    with pytest.raises(UsageError, match="decoder.sigma = 0 is too small; use a number above 0"):
        DeconvDecoder(4, 3, 32, sigma=0)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 9, 15, 16, 20, 28, 31, 33, 50, 100])
def test_every_side_has_its_layers(side: int) -> None:
    torch.manual_seed(0)
    decoder, encoder = DeconvDecoder(4, 1, side, width=0.05), ConvEncoder(4, 1, side, width=2)
    x = torch.rand(2, 1, side, side)
    z = encoder(x).mean.detach().requires_grad_()
    assert decoder(z).mean.shape == x.shape
    (plain,) = torch.autograd.grad(decoder.likelihood(x)(z).sum(), z)
    with frozen(decoder):
        (ours,) = torch.autograd.grad(decoder.likelihood(x)(z).sum(), z)
    assert float((plain - ours).norm() / plain.norm()) < 0.03


def test_layers_of_other_sides_are_after_those_of_sides_near_them() -> None:
    for side in (28, 32, 64, 128):
        assert _usual(side) == ARCHITECTURES[BY_SIDE[side]]
    assert [layer.channels for layer in _usual(20)] == [128, 64, 0]


def test_a_recipe_knows_every_architecture():
    assert typing.get_args(Architecture) == ("", *ARCHITECTURES)


def test_a_width_left_to_the_side() -> None:
    for side, channels in ((8, 64), (16, 128), (64, 256)):
        assert DeconvDecoder(4, 1, side, width=0).net[0].out_channels == channels
