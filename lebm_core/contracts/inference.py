"""Checks of samplers and inference methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.modules import Configured
from lebm_core.chains.samplers import Sampler, step_size_of
from lebm_core.chains.trace import Chain
from lebm_core.contracts import toys
from lebm_core.contracts.checks import check_finite, check_same, made, rebuilt, seeded
from lebm_core.errors import UsageError
from lebm_core.latent.inference import Inference
from lebm_core.latent.parts import LatentModel

__all__ = ["check_inference", "check_sampler"]

N, D = 8, 2
Options = Mapping[str, Any]


def check_sampler(name: str, options: Options | None = None, n: int = 4000) -> None:
    """Check a registered sampler.

    It leaves N(0, I) as it is, up to the error of n draws and, where it is not adjusted, up to its
    discretisation's variance 1 / (1 - s^2 / 4); it stays in a bounded support; it depends on its
    generator alone and leaves its input unchanged.

    Args:
        name: registered.
        options: of its table.
        n: chains.
    """
    label = f'samplers "{name}"'
    sampler = made("samplers", name, options)
    assert isinstance(sampler, Sampler), f"{label} lacks a member of Sampler"
    z = torch.randn(n, D, generator=seeded(1))
    start = z.clone()
    with torch.no_grad():
        end = sampler(_Normal(), z, generator=seeded())
    check_finite(end, (n, D), f"{label}: its states")
    check_same(z, start, f"{label} changes the states that it is given")
    assert not end.requires_grad, f"{label}: its states take part in a graph"
    assert not torch.equal(end, start), f"{label} moves nothing"
    check_same(end, sampler(_Normal(), z, generator=seeded()), f"{label}: more than its generator")
    again = rebuilt(sampler, "samplers", label)
    check_same(end, again(_Normal(), z, generator=seeded()), f"{label}: made again from its table")
    check_same(end, sampler.replaced()(_Normal(), z, generator=seeded()), f"{label}: replaced()")
    sampler(_Normal(), z[:N], generator=seeded(), trace=Chain())
    step = step_size_of(sampler, 0.0)
    most = 1.0 if sampler.adjusted or not 0 < step < 2 else 1 / (1 - step**2 / 4)
    error = 4.5 * math.sqrt(most / n)
    mean, variance = float(end.mean(0).abs().max()), end.var(0)
    assert mean < error, f"{label} moves the mean of N(0, I) by {mean:.3g}"
    width = 4.5 * math.sqrt(2 / n)
    low, high = 1 - width, most * (1 + width)
    assert bool(((variance > low) & (variance < high)).all()), (
        f"{label} changes the variance of N(0, I) to {variance.tolist()}, "
        f"accepted is {low:.3f} to {high:.3f}"
    )
    inside = sampler(_Box(), z.clamp(-0.9, 0.9)[:N], generator=seeded())
    assert bool((inside.abs() <= 1).all()), f"{label} leaves the support that target.fold keeps"


class _Wide:
    """N(0, 1.5^2 I), the p0 that the standard normal target tilts."""

    def log_prob(self, z: Tensor) -> Tensor:
        width = 1.5
        return (-0.5 * (z / width).square() - math.log(width * math.sqrt(2 * math.pi))).sum(-1)

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return 1.5 * torch.randn(n, D, generator=generator)


class _Normal:
    """N(0, I) up to a constant."""

    by_row, reference = False, _Wide()

    def __call__(self, z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1)

    def gibbs_step(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(len(z), D, generator=generator)


class _Box:
    """The uniform density on [-1, 1] in each dimension, its own p0."""

    label, by_row = "chain in a box", False

    @property
    def reference(self) -> _Box:
        return self

    def __call__(self, z: Tensor) -> Tensor:
        inside = (z.abs() <= 1).all(-1)
        return torch.where(inside, 0.0, -torch.inf) + 0 * z.sum(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        return self(z) - D * math.log(2)

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return 2 * torch.rand(n, D, generator=generator) - 1

    def gibbs_step(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.draw(len(z), generator)

    def fold(self, z: Tensor) -> Tensor:
        folded = torch.remainder(z + 1, 4)
        return torch.where(folded > 2, 4 - folded, folded) - 1


def check_inference(name: str, options: Options | None = None) -> None:
    """Check a registered inference method on a linear-Gaussian model.

    Its codes are (B, d), without a graph, and reproducible; parameters and modes stay as they are;
    its state goes on where it stopped.

    Args:
        name: registered.
        options: of its table.
    """
    label = f'inference "{name}"'
    inference = made("inference", name, options, {"latent_dim": D})
    assert isinstance(inference, Inference), f"{label} lacks a member of Inference"
    assert isinstance(inference, Configured), f"{label} remembers no options"
    assert isinstance(inference.point(), Inference), f"{label}: point() gives no Inference"
    model = toys.latent_model(inference=inference).train()
    batch = toys.Points().batch("train", torch.arange(N))
    shape = (len(batch.x), D)
    rebuilt(inference, "inference", label)
    fresh = [inference.replaced() for _ in range(2)]
    first, second = (each(model, batch, generator=seeded()) for each in fresh)
    check_finite(first, shape, f"{label}: its codes")
    assert not first.requires_grad, f"{label}: its codes take part in a graph"
    check_same(first, second, f"{label}: codes depend on more than the generator")
    assert model.training and all(part.training for part in model.parts().values()), (
        f"{label} leaves a part in evaluation mode"
    )
    for p in model.parameters():
        assert p.requires_grad and p.grad is None, f"{label} touches a parameter's gradient"
    state = {key: value.clone() for key, value in fresh[0].state_dict().items()}
    resumed = inference.replaced()
    resumed.load_state_dict(state)
    first, second = (each(model, batch, generator=seeded(7)) for each in (fresh[0], resumed))
    check_same(first, second, f"{label}: its state_dict does not hold all that it goes on with")
    check_finite(
        inference.point()(model, batch, generator=seeded()), shape, f"{label}: codes of point()"
    )
    if not inference.needs_encoder:
        codes = inference(_without_encoder(inference), batch, generator=seeded())
        check_finite(codes, shape, f"{label}: codes without an encoder")
        return
    try:
        _without_encoder(inference)
    except UsageError:
        return
    raise AssertionError(f"{label} needs an encoder and is taken without one")


def _without_encoder(inference: Inference) -> LatentModel:
    return toys.latent_model(inference=inference, encoder=False)
