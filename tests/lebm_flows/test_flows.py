"""Flows: exact densities, their inverse, and rules that learn them, in the plane."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lebm_core import DensityRatio, Langevin, log_z
from lebm_core.base.modules import frozen
from lebm_core.errors import UsageError
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior

pytest.importorskip("zuko", reason="needs lebm[flows]")

from lebm_flows.learning.contrastive import FlowContrastive  # noqa: E402
from lebm_flows.learning.likelihood import Likelihood  # noqa: E402
from lebm_flows.networks.flow import Flow  # noqa: E402
from lebm_flows.priors.flow import FlowPrior  # noqa: E402
from lebm_flows.priors.tilted import TiltedFlowPrior  # noqa: E402

KINDS = [
    "additive-coupling", "affine-coupling", "spline-coupling", "affine-autoregressive",
    "spline-autoregressive",
]  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shaken(prior: torch.nn.Module, by: float = 0.2) -> None:
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(by * torch.randn(p.shape, generator=seeded(1)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_flow_is_the_identity_at_first_and_its_draws_have_its_density(kind: str, d: int) -> None:
    prior = FlowPrior(d, kind, 2, [16])
    z = torch.randn(200, d, generator=seeded())
    assert torch.allclose(prior.log_tilt(z), torch.zeros(200), atol=1e-5)
    assert torch.allclose(prior.sample(200, generator=seeded()), z, atol=1e-5)
    shaken(prior)
    # The change of variables: log q(z) = log N(u) - log |dz/du|, by autograd.
    u = torch.randn(5, d, generator=seeded(3))
    drawn = prior.flow.draw(5, None, seeded(3))
    at = torch.autograd.functional.jacobian(lambda v: _draw(prior.flow, v), u, vectorize=False).sum(
        2
    )
    expected = -0.5 * u.square().sum(-1) - 0.5 * d * math.log(2 * math.pi)
    expected = expected - torch.linalg.slogdet(at).logabsdet
    assert torch.allclose(prior.log_prob(drawn), expected, atol=1e-4)


def _draw(flow: Flow, u: Tensor) -> Tensor:
    return flow.shift + flow.log_scale.exp() * flow.transforms(None).inv(u)


def ring(n: int, seed: int) -> Tensor:
    """Points about a circle, of known density up to quadrature: two shells are far from N(0, I)."""
    generator = seeded(seed)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    radius = 2 + 0.2 * torch.randn(n, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def entropy_of_the_ring() -> float:
    """-E log p: that of the radius, of log r, and of the angle."""
    r = 2 + 0.2 * torch.randn(200_000, generator=seeded(9), dtype=torch.float64)
    radius = 0.5 * math.log(2 * math.pi * math.e * 0.04)
    return radius + math.log(2 * math.pi) + float(r.abs().log().mean())


def test_fit_reaches_the_entropy() -> None:
    torch.manual_seed(0)
    prior = FlowPrior(2, "spline-coupling", 2, [32, 32], fit_steps=300)
    with torch.no_grad():
        before = prior.log_prob(ring(5000, 2)).mean()
    prior.fit(ring(20_000, 1))
    with torch.no_grad():
        after = prior.log_prob(ring(5000, 2)).mean()
    assert float(before) < -entropy_of_the_ring() - 0.5
    assert abs(float(after) + entropy_of_the_ring()) < 0.1
    assert not any(p.grad is not None for p in prior.parameters())


def learned(
    prior: torch.nn.Module, rule: object, steps: int, lr: float = 3e-3
) -> list[dict[str, Tensor]]:
    adam = torch.optim.Adam(prior.parameters(), lr)
    data, generator, seen = ring(20_000, 1), seeded(), []
    for step in range(steps):
        rows = torch.randint(len(data), (256,), generator=generator)
        loss, metrics = rule(prior, data[rows], None, step / steps, generator)  # type: ignore[operator]
        adam.zero_grad()
        loss.backward()
        adam.step()
        seen.append(metrics)
    return seen


def test_the_rule_likelihood_trains_a_flow_and_refuses_what_is_not_normalised() -> None:
    torch.manual_seed(0)
    prior = FlowPrior(2, "spline-coupling", 2, [32, 32])
    learned(prior, Likelihood(), 250, lr=1e-2)
    assert abs(float(prior.log_prob(ring(5000, 2)).mean()) + entropy_of_the_ring()) < 0.12
    with pytest.raises(UsageError, match="density-ratio"):
        Likelihood()(EBMPrior(2), ring(8, 0), None, 0.0, None)
    loss, _ = Likelihood()(GaussianPrior(2), ring(8, 0), None, 0.0, None)
    assert not loss.requires_grad  # it has nothing to learn


@pytest.mark.slow
@pytest.mark.parametrize("rule", [DensityRatio(2, code_pool=0), FlowContrastive(2)])
def test_a_tilt_mends_a_flow_that_is_too_weak(rule: object) -> None:
    """One affine transform cannot bend into a ring; the tilted flow is normalised and near it."""
    torch.manual_seed(0)
    prior = TiltedFlowPrior(
        2, {"hidden": [64, 64]}, kind="affine-coupling", transforms=1, hidden=[8],
        reference_share=0.3, bound=0.0,
    )  # fmt: skip
    seen = learned(prior, rule, 1200)
    assert "reference" in seen[0] and "logistic" in seen[-1]
    fresh = ring(5000, 2)
    z = log_z(prior, method="importance", n_samples=40_000, generator=seeded())
    with torch.no_grad():
        flow = float(prior.flow.log_prob(fresh).mean())
        tilted = float(prior.log_prob(fresh).mean()) - float(z)
    entropy = entropy_of_the_ring()
    assert flow < -entropy - 0.4 and abs(tilted + entropy) < 0.12
    assert abs(float(z)) < 0.2  # its own constant makes log Z near 0
    drawn = prior.sample(4000, generator=seeded())  # by resampling
    assert abs(float(drawn.norm(dim=1).mean()) - 2) < 0.05
    moved = prior.sample(1000, generator=seeded(), sampler=Langevin(30, 0.1))
    assert abs(float(moved.norm(dim=1).mean()) - 2) < 0.1


def test_the_flow_learns_from_where_its_draws_lie() -> None:
    """The pathwise gradient: with f raised to one side, the flow moves there."""
    torch.manual_seed(0)
    prior = TiltedFlowPrior(2, {"hidden": [4]}, kind="affine-coupling", transforms=1, hidden=[4],
                            reference_share=0.0)  # fmt: skip
    rule = FlowContrastive(1, accuracy=0.0, likelihood=0.0)
    with torch.no_grad():
        first, last = prior.energies[0].layers
        first.weight.zero_()[0, 0] = 1.0  # f rises with z_1
        last.weight.zero_()[0, 0] = 1.0
    loss, _ = rule(prior, torch.randn(512, 2, generator=seeded()), None, 0.5, seeded(1))
    with frozen(*prior.energies):
        (shift,) = torch.autograd.grad(loss, prior.flow.shift, retain_graph=True)
    assert float(shift[0]) < 0 and abs(float(shift[0])) > 10 * abs(float(shift[1]))


def test_the_kl_is_that_of_its_draws() -> None:
    prior = TiltedFlowPrior(2, kind="affine-coupling", transforms=1, hidden=[4])
    mean, std = torch.randn(50, 2), torch.rand(50, 2) + 0.5
    q = torch.distributions.Independent(torch.distributions.Normal(mean, std), 1)
    z = torch.stack([q.sample() for _ in range(1000)])
    found = torch.stack([prior.kl(q, each).sum(-1) for each in z]).mean(0)
    exact = GaussianPrior(2).kl(q).sum(-1)  # the flow is the identity at first
    assert torch.allclose(found, exact, atol=4.5 * 2 / math.sqrt(1000) * 3)
    with pytest.raises(UsageError, match="no closed form"):
        prior.kl(q)


def test_priors_that_do_not_fit_a_rule_are_refused() -> None:
    with pytest.raises(UsageError, match="tilted-flow"):
        FlowContrastive()(EBMPrior(2), ring(8, 0), None, 0.0, None)
    with pytest.raises(UsageError, match="spline"):
        FlowPrior(2, "spline")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        FlowContrastive(samples=0)
