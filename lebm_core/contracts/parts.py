"""Checks of decoders, encoders and adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from lebm_core.base.randomness import draw
from lebm_core.contracts.checks import (
    check_finite,
    check_message,
    check_same,
    close,
    has_option,
    made,
    rebuilt,
    seeded,
)
from lebm_core.data.adapters import InputAdapter
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.registry.registry import registry

__all__ = ["check_adapter", "check_decoder", "check_encoder", "drawn_examples"]

N, CODES = 5, 3
Sizes = Mapping[str, Any]


def check_decoder(
    name: str, sizes: Sizes | None = None, options: Sizes | None = None, latent_dim: int = 2
) -> None:
    """Check a registered decoder on draws of its own.

    p(x | z) has a finite log-density and reproducible draws; `likelihood` gives the same density,
    differentiably, also for several codes of each example; its table makes it again.

    Args:
        name: registered.
        sizes: what a data set would give, such as {"features": 2}; "context_dim" for a context.
        options: of its table.
        latent_dim: dimension d of z.
    """
    label = f'decoders "{name}"'
    decoder, z, context = _decoder(name, sizes, options, latent_dim)
    assert isinstance(decoder, Decoder), f"{label} is no Decoder"
    assert decoder.latent_dim == latent_dim, f"{label}: latent_dim is {decoder.latent_dim}"
    with torch.no_grad():
        p = decoder(z, context)
        assert isinstance(p, Distribution), f"{label}: forward(z) gives {type(p).__name__}"
        assert tuple(p.batch_shape) == (N,), f"{label}: batch shape {tuple(p.batch_shape)}"
        x = draw(p, seeded())
        assert len(x) == N, f"{label}: a draw has {len(x)} examples for {N} codes"
        check_same(
            x, draw(decoder(z, context), seeded()), f"{label}: draws depend on more than generator"
        )
        density = p.log_prob(x)
        check_finite(density, (N,), f"{label}: log p(x | z)")
        _check_examples(decoder, x, context, label)
    log_prob = decoder.likelihood(x, context)
    at = z.clone().requires_grad_()
    value = log_prob(at)
    close(value, density, f"{label}: likelihood(x)(z) and forward(z).log_prob(x)")
    if value.requires_grad:
        (grad,) = torch.autograd.grad(value.sum(), at)
        check_finite(grad, z.shape, f"{label}: gradient of log p(x | z) in z")
    with torch.no_grad():
        _check_many(decoder, x, z, context, label)
        again = rebuilt(decoder, "decoders", label)
        close(again(z, context).log_prob(x), density, f"{label}: made again with its weights")


def _check_examples(decoder: Decoder, x: Any, context: Tensor | None, label: str) -> None:
    """What users give: draws of its own in other types, and what is no batch of them."""
    check_same(decoder.examples(x, context), x, f"{label}: examples(x) changes its own draws")
    if not isinstance(x, Tensor) or not isinstance(decoder.examples(x.numpy(), context), Tensor):
        return  # a kind of x that is not for all to convert
    for other in (x.numpy(), x.tolist(), x.double()):
        found = decoder.examples(other, context)
        check_same(found, x, f"{label}: examples(x) of a {type(other).__name__}")
    for wrong in (x[0], x[:0], "x", None):
        try:
            decoder.examples(wrong, context)
        except UsageError as error:
            check_message(error, f"{label}: examples({type(wrong).__name__})")
        else:
            raise AssertionError(f"{label}: examples(x) takes {wrong!r}")


def _check_many(decoder: Decoder, x: Any, z: Tensor, context: Tensor | None, label: str) -> None:
    """Several codes of each example, example by example."""
    noise = torch.randn(N * CODES, z.shape[1], generator=seeded(1))
    many = z.repeat_interleave(CODES, 0) + noise
    value = decoder.likelihood(x, context)(many)
    check_finite(value, (N * CODES,), f"{label}: likelihood of {CODES} codes an example")
    rows = torch.arange(N).repeat_interleave(CODES)
    each = None if context is None else context[rows]
    expected = decoder(many, each).log_prob(x[rows])
    close(value, expected, f"{label}: likelihood of {CODES} codes an example", 1e-2)


def drawn_examples(
    name: str, sizes: Sizes | None = None, options: Sizes | None = None, latent_dim: int = 2
) -> tuple[Any, Tensor | None]:
    """Draws x of a registered decoder, for `check_encoder`, and their context."""
    decoder, z, context = _decoder(name, sizes, options, latent_dim)
    with torch.no_grad():
        return draw(decoder(z, context), seeded()), context


def _decoder(
    name: str, sizes: Sizes | None, options: Sizes | None, latent_dim: int
) -> tuple[Any, Tensor, Tensor | None]:
    given = {**(sizes or {}), "latent_dim": latent_dim}
    decoder = made("decoders", name, options, given).eval()
    z = torch.randn(N, latent_dim, generator=seeded(2))
    width = given.get("context_dim")
    return decoder, z, torch.randn(N, width, generator=seeded(3)) if width else None


def check_encoder(
    name: str,
    x: Any,
    sizes: Sizes | None = None,
    options: Sizes | None = None,
    *,
    context: Tensor | None = None,
    latent_dim: int = 2,
) -> None:
    """Check a registered encoder.

    q(z | x) has the right shapes and a finite KL to N(0, I); `from_embedded(embed(x))` is the same
    q, of which an augmentation is possible; its table makes it again.

    Args:
        name: registered.
        x: examples, as the decoder takes them.
        sizes: what a data set would give.
        options: of its table.
        context: (B, c) beside x, or None.
        latent_dim: dimension d of z.
    """
    label = f'encoders "{name}"'
    encoder = made("encoders", name, options, {**(sizes or {}), "latent_dim": latent_dim}).eval()
    assert isinstance(encoder, Encoder), f"{label} is no Encoder"
    assert encoder.latent_dim == latent_dim, f"{label}: latent_dim is {encoder.latent_dim}"
    n = len(x)
    with torch.no_grad():
        q = encoder(x, context)
        assert isinstance(q, Independent), f"{label}: forward(x) gives {type(q).__name__}"
        assert tuple(q.batch_shape) == (n,), f"{label}: batch shape {tuple(q.batch_shape)}"
        assert tuple(q.event_shape) == (latent_dim,), f"{label}: event {tuple(q.event_shape)}"
        base = Normal(torch.zeros(latent_dim), torch.ones(latent_dim))
        check_finite(kl_divergence(q.base_dist, base), (n, latent_dim), f"{label}: KL to N(0, I)")
        embedded = encoder.embed(x)
        if isinstance(embedded, Tensor) and embedded.is_floating_point():
            other = encoder.from_embedded(embedded, x, context)
            close(other.mean, q.mean, f"{label}: from_embedded(embed(x)) and forward(x)", 1e-2)
            scale = encoder.embedded_scale(embedded, x)
            check_finite(scale, (n, 1), f"{label}: embedded_scale")
            first, second = (encoder.augment(embedded, 0.5, seeded()) for _ in range(2))
            assert first.shape == embedded.shape, f"{label}: augment changes the shape"
            check_same(first, second, f"{label}: augment depends on more than its generator")
        again = rebuilt(encoder, "encoders", label)
        close(again(x, context).mean, q.mean, f"{label}: made again with its weights")


def check_adapter(name: str, X: Any = None) -> None:  # noqa: N803
    """Check a registered adapter of an estimator's X.

    Args:
        name: registered.
        X: examples to fit it to; without them only the names of its networks are checked.
    """
    label = f'adapters "{name}"'
    target = registry().get("adapters", name)
    assert isinstance(target, type) and issubclass(target, InputAdapter), (
        f"{label} is no InputAdapter"
    )
    for kind in ("decoder", "encoder"):
        registry().find(f"{kind}s", getattr(target, kind))
    if X is None:
        return
    adapter = target()
    assert adapter.fit(X) is adapter, f"{label}: fit(X) does not return the adapter"
    x = adapter.transform(X)
    n = x.shape[0] if hasattr(x, "shape") else len(x)
    assert n == (X.shape[0] if hasattr(X, "shape") else len(X)), f"{label}: {n} examples of X"
    few = x[torch.arange(min(2, n))]
    assert isinstance(few, Tensor), f"{label}: transform(X)[rows] is no tensor"
    for kind in ("decoder", "encoder"):
        defaults = getattr(adapter, f"{kind}_defaults")
        sizes = {**adapter.sizes, "latent_dim": 2}
        taken = {
            k: v for k, v in defaults.items() if has_option(f"{kind}s", getattr(adapter, kind), k)
        }
        assert taken == dict(defaults), f"{label}: its {kind} has no option of {list(defaults)}"
        made(f"{kind}s", getattr(adapter, kind), taken, sizes)
    back = adapter.inverse_transform(few)
    assert len(back) == len(few), f"{label}: inverse_transform gives {len(back)} of {len(few)}"
