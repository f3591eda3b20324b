"""Checks of priors and energy networks."""

from __future__ import annotations

import inspect
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.chains.densities import ClosedForm, value_and_gradient
from lebm_core.contracts import toys
from lebm_core.contracts.checks import (
    check_finite,
    check_same,
    close,
    has_option,
    made,
    rebuilt,
    seeded,
)
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.energy import Energy
from lebm_core.priors.protocols import Coupled, Fitted, Tilted

__all__ = ["check_energy", "check_prior"]

N, D, CLASSES, CONTEXT = 40, 2, 3, 4
Options = Mapping[str, Any]


def check_prior(name: str, options: Options | None = None) -> None:
    """Check a registered prior, with weights that are not those of its start.

    Its draws are reproducible; log p, f, p0 and the energy agree with each other and with what its
    chain follows; the KL is finite; its table and its weights make it again, in a `LatentEBM` too.

    Args:
        name: registered.
        options: of its table; latent_dim must be 2.
    """
    label = f'priors "{name}"'
    contexts = [0, CONTEXT] if has_option("priors", name, "context_dim") else [0]
    for width in contexts:
        sizes = {"latent_dim": D, "n_classes": CLASSES, "context_dim": width}
        prior = made("priors", name, options, sizes)
        assert isinstance(prior, Prior), f"{label} is no Prior"
        assert prior.latent_dim == D, f"{label}: latent_dim is {prior.latent_dim}"
        with torch.no_grad():
            for p in prior.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=seeded(1)))
        if isinstance(prior, Fitted):
            _fit(prior)
        context = torch.randn(N, width, generator=seeded(3)) if width else None
        _check_draws(prior, context, label)
        _check_density(prior, context, label)
        again = rebuilt(prior, "priors", label)
        _check_equal(again, prior, context, f"{label}: made again with its weights")
        if context is None:
            _check_saved(prior, label)


def _fit(prior: Fitted) -> None:
    takes = inspect.signature(prior.fit).parameters
    few = {"steps": 50} if "steps" in takes else {}
    prior.fit(torch.randn(200, D, generator=seeded(2)), seed=0, **few)


def _check_draws(prior: Prior, context: Tensor | None, label: str) -> None:
    first, second = (prior.sample(N, context=context, generator=seeded()) for _ in range(2))
    check_finite(first, (N, D), f"{label}: sample(n)")
    assert not first.requires_grad, f"{label}: draws take part in a graph"
    check_same(first, second, f"{label}: draws depend on more than the generator")
    check_finite(prior.draw_reference(N, seeded()), (N, D), f"{label}: draw_reference(n)")
    close(prior.fold(first), first, f"{label}: fold(z) of a draw")
    y = torch.arange(N) % CLASSES
    if prior.n_classes:
        assert isinstance(prior, Coupled), f"{label} has classes and no logits"
        check_finite(
            prior.sample(N, y=y, context=context, generator=seeded()), (N, D), f"{label}: given y"
        )
        return
    try:
        prior.sample(N, y=y, context=context, generator=seeded())
    except UsageError:
        return
    raise AssertionError(f"{label} has no classes and takes y")


def _check_density(prior: Prior, context: Tensor | None, label: str) -> None:
    z = prior.draw_reference(N, seeded(5))
    assert tuple(prior.reference.event_shape) == (D,), f"{label}: shape of the reference"
    q = Independent(Normal(z, torch.ones_like(z)), 1)
    if not prior.uniform_reference:
        check_finite(prior.kl(q, z, context), (N, D), f"{label}: kl(q)")
    try:
        f = prior.log_tilt(z, None, context)
    except UnsupportedEstimate:
        return
    check_finite(f, (N,), f"{label}: log_tilt")
    log_p = prior.log_prob(z, None, context)
    close(log_p, f + prior.reference.log_prob(z), f"{label}: log_prob and log_tilt + log p0")
    close(-prior.energy(z, context), log_p, f"{label}: -energy and log_prob")
    target = prior.target(None, context)
    close(target(z), log_p, f"{label}: target() and log_prob")
    at = z.clone().requires_grad_()
    value = prior.log_prob(at, None, context).sum()
    expected = torch.autograd.grad(value, at)[0] if value.requires_grad else torch.zeros_like(at)
    assert isinstance(target, ClosedForm) or value.requires_grad, f"{label}: no gradient in z"
    close(value_and_gradient(target, z)[1], expected, f"{label}: gradient of target()")
    if prior.n_classes and isinstance(prior, Coupled):
        logits = prior.logits(z, context)
        check_finite(logits, (N, prior.n_classes), f"{label}: logits")
        close(logits.logsumexp(-1), f, f"{label}: logsumexp F and f")
        y = torch.arange(N) % prior.n_classes
        close(prior.log_tilt(z, y, context), logits[torch.arange(N), y], f"{label}: f given y")
    if isinstance(prior, Tilted):
        ratios = [prior.log_ratio(stage, z, context) for stage in range(prior.n_stages)]
        close(torch.stack(ratios).sum(0), f, f"{label}: the stages' log_ratio and f")
    if prior.normalised:
        _check_normalised(prior, context, label)


def _check_normalised(prior: Prior, context: Tensor | None, label: str) -> None:
    """The integral over the whole plane is 1, however wide the prior and heavy its tails.

    By z = m + w tan(pi u / 2) for each axis, with the median m of draws and the distance w within
    which nine of ten are: a grid of midpoints of u in (-1, 1). Modes narrower than some hundredth
    of w are finer than the grid.
    """
    n, cells = 2000, 301
    rows = None if context is None else context[:1].expand(n, -1)
    draws = prior.sample(n, context=rows, generator=seeded(6)).double()
    middle = draws.median(0).values
    width = (draws - middle).abs().quantile(0.9, dim=0).clamp(min=1e-6)
    u = (torch.arange(cells, dtype=torch.float64) + 0.5) * (2 / cells) - 1
    tangent = (u * math.pi / 2).tan()
    axes = [m + w * tangent for m, w in zip(middle, width, strict=True)]
    slopes = [w * math.pi / cells * (1 + tangent.square()) for w in width]
    total = 0.0
    with torch.no_grad():
        for first, slope in zip(axes[0].split(31), slopes[0].split(31), strict=True):
            grid = torch.cartesian_prod(first, axes[1]).float()
            rows = None if context is None else context[:1].expand(len(grid), -1)
            p = prior.log_prob(grid, None, rows).double().exp()
            total += float((p * torch.outer(slope, slopes[1]).flatten()).sum())
    assert abs(total - 1) < 0.02, f"{label} is normalised, and p integrates to {total:.3f}"


def _check_equal(a: Prior, b: Prior, context: Tensor | None, message: str) -> None:
    first, second = (each.sample(N, context=context, generator=seeded()) for each in (a, b))
    check_same(first, second, message)


def _check_saved(prior: Prior, label: str) -> None:
    model = toys.latent_model(prior).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = LatentEBM.from_pretrained(
            Path(folder), decoder=toys.ToyDecoder(), encoder=toys.ToyEncoder()
        )
    _check_equal(again.prior, prior, None, f"{label}: saved and loaded in a LatentEBM")


def check_energy(name: str, options: Options | None = None) -> None:
    """Check a registered energy network.

    F is (B, C), with and without a context; `value_and_pullback` is its gradient; `reset` draws
    weights by the generator, `start_at_zero` makes F = 0; an `EBMPrior` with it has draws.

    Args:
        name: registered.
        options: of its table; a "shape" among them says how many dimensions z has,
            and a "context_dim" is the only width of a context.
    """
    label, given = f'energies "{name}"', options or {}
    d, only = math.prod(given.get("shape", (D,))), given.get("context_dim")
    outputs = CLASSES if has_option("energies", name, "outputs") else 1
    contexts = [0, CONTEXT] if has_option("energies", name, "context_dim") else [0]
    for width in contexts if only is None else [only]:
        sizes = {"latent_dim": d, "outputs": outputs, "context_dim": width}
        energy = made("energies", name, options, sizes)
        assert isinstance(energy, Energy), f"{label} is no Energy"
        energy.check_sizes(d, outputs, width)
        z = torch.randn(N, d, generator=seeded(1)).requires_grad_()
        context = torch.randn(N, width, generator=seeded(2)) if width else None
        logits = energy(z, context)
        check_finite(logits, (N, outputs), f"{label}: F(z)")
        weight = torch.randn(N, outputs, generator=seeded(3))
        (expected,) = torch.autograd.grad((logits * weight).sum(), z)
        value, pullback = energy.value_and_pullback(z.detach(), context)
        close(value, logits, f"{label}: value_and_pullback and F(z)")
        base = torch.ones(N, d)
        close(pullback(weight, base, 0.5), expected + 0.5, f"{label}: pullback and autograd")
        again = rebuilt(energy, "energies", label)
        close(again(z, context), logits, f"{label}: made again with its weights")
        for each in (energy, again):
            each.reset(seeded(7))
        check_same(energy(z, context), again(z, context), f"{label}: reset by a generator")
        assert not torch.equal(energy(z, context), logits), f"{label}: reset changes nothing"
        try:
            energy.start_at_zero()
            assert not bool(energy(z, context).any()), f"{label}: start_at_zero leaves F"
        except UsageError:  # then it is not for several stages
            pass
    prior = EBMPrior(d, energy={"name": name, **given}, sampler={"steps": 2}, context_dim=only or 0)
    drawn = prior.sample(N, context=context if only else None, generator=seeded())
    check_finite(drawn, (N, d), f"{label}: draws of its prior")
